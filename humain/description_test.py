"""Values as JSON and back."""

import dataclasses
import json
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.description import Describer, Rebuilder


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two things, and what follows from them."""

    left: Any
    right: Any = None
    both: str = dataclasses.field(init=False, default="")


@dataclasses.dataclass(frozen=True)
class Own:
    """A class that no table has."""

    number: int


def shout(text):
    return text.upper()


_KNOWN = {"Pair": Pair, "shouting": shout}
VALUES = {
    "none": None,
    "flag": True,
    "number": 3,
    "float": 3.0,
    "infinite": float("-inf"),
    "text": "{}",
    "tuple": (1, (), ("a", None)),
    "dict": {"float": "x", "array": {"deep": 1}},
    "pair": Pair(Pair(1), (Pair(2, 0.5),)),
    "function": Pair(shout),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_values_come_back_by_way_of_text(value):
    described = json.loads(json.dumps(Describer(_KNOWN).describe(value, "here"), allow_nan=False))
    again = Rebuilder(_KNOWN, {}, {}).rebuild(described)
    assert again == value
    assert type(again) is type(value)


def test_arrays_are_stored_once_under_the_place_where_they_stand_first():
    shared = jnp.arange(3)
    describer = Describer(_KNOWN)
    described = describer.describe(Pair((shared, np.float32(2.5)), shared), "here")
    assert list(describer.arrays) == ["here/left/0", "here/left/1"]
    again = Rebuilder(_KNOWN, {}, describer.arrays).rebuild(described)
    assert again.right is again.left[0]
    np.testing.assert_array_equal(again.right, [0, 1, 2])
    assert again.left[1].dtype == jnp.float32


def test_a_class_of_ones_own_is_told_from_a_known_one_of_that_name():
    described = Describer({"Own": Pair}).describe(Own(4), "here")
    assert described == {"own class": "Own", "fields": {"number": 4}}
    with pytest.raises(LookupError, match=r"Own is not known here; hand the class over: classes=\(Own,\)"):
        Rebuilder({"Own": Pair}, {}, {}).rebuild(described)
    assert Rebuilder({"Own": Pair}, {"Own": Own}, {}).rebuild(described) == Own(4)


def test_what_can_only_be_named_is_named_and_where_it_stands():
    describer = Describer(_KNOWN)
    described = describer.describe(Pair(1, lambda: None), "here")
    assert "<lambda>" in str(described)
    assert list(describer.opaque) == ["here/right"]
    with pytest.raises(LookupError, match="can't be made from its name"):
        Rebuilder(_KNOWN, {}, {}).rebuild(described)


class Named(NamedTuple):
    """A tuple whose items have names."""

    left: Any
    right: int = 0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Pair(1, Named(2)), "here/right is a Named, which would come back as a plain tuple; make it a dataclass"),
        ((0, (Named(jnp.arange(2)),)), "here/1/0 is a Named"),
        (Pair({1: "a"}), "here/left has the key 1, and only text can be a key in a file"),
        ({"a": {None: 1}}, "here/a has the key None"),
    ],
)
def test_what_would_come_back_as_something_else_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        Describer(_KNOWN).describe(value, "here")


def test_a_tuple_with_names_that_holds_what_can_only_be_named_is_described():
    # As an optimiser of `optax`; whoever reads it has to hand over the whole model.
    describer = Describer(_KNOWN)
    described = describer.describe(Named(lambda: None, 3), "here")
    assert list(describer.opaque) == ["here/0"]
    with pytest.raises(LookupError, match="hand over the whole model"):
        Rebuilder(_KNOWN, {}, {}).rebuild(described)


def test_a_random_key_is_refused():
    with pytest.raises(ValueError, match="here/left is a random key"):
        Describer(_KNOWN).describe(Pair(jax.random.key(0)), "here")


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"function": "os.system"}, "os.system is not known here"),
        ({"class": "subprocess.Popen", "fields": {}}, "subprocess.Popen is not known here"),
    ],
)
def test_nothing_is_looked_up_beyond_the_tables(described, message):
    with pytest.raises(LookupError, match=message):
        Rebuilder(_KNOWN, {}, {}).rebuild(described)


@pytest.mark.parametrize(
    "described",
    [{"class": "shouting", "fields": {}}, {"class": "Pair", "fields": {"middle": 1}}, {"array": "x"}, {"y": 1}, {}],
    ids=str,
)
def test_what_describes_nothing_is_refused(described):
    with pytest.raises(ValueError):
        Rebuilder(_KNOWN, {}, {}).rebuild(described)
