"""Saved models: what comes back is what was saved, bit for bit, or the error says what to do.

That each kernel and abstraction can be saved is part of their conformance suites.
"""

import dataclasses
import json
import zipfile
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import struct

from humain import errors, planning, saving
from humain.abstraction.entropy import Entropy
from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric, Linear, Return
from humain.files import archive
from humain.hippocampus import encodings
from humain.hippocampus.location import Located, PlacesInVectors, PlacesOfIds, Scales
from humain.hippocampus.recall import Recall
from humain.hippocampus.tag_levels import TagLevels
from humain.hippocampus.tagged import TaggedIds, TaggedVectors
from humain.hippocampus.tagging import Tagging
from humain.kernels.linear import LinearConfig
from humain.layer import Layer
from humain.model import Model
from humain.nearest import Nearest
from humain.spaces import Continuous, Discrete
from humain.stopping import Stopping
from humain.testing import stacks
from humain.types import Array

_TAGS: dict[str, Any] = {"tagging": Tagging(4, eviction="least_met"), "levels": TagLevels(order=3, age=2)}
SPACES = {
    "ids": Discrete(5),
    "vectors": Continuous(3, tolerance=0.25),
    "places_of_ids": Located(Discrete(2), PlacesOfIds(((0.0, 1.5), (2.0, 0.1))), Scales(4.0, 3), own_features=True),
    "places_in_vectors": Located(Continuous(3), PlacesInVectors((2, 0)), Scales(4.0)),
    "tagged_ids": TaggedIds(num_states=3, **_TAGS),
    "tagged_vectors": TaggedVectors(base=Continuous(2, tolerance=float("inf")), **_TAGS),
}
LAYERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "positions": {"context_length": 3, "encoding": encodings.sinusoidal},
    "scaled": {"context_length": 2, "encoding": encodings.Scaled(encodings.sinusoidal, 0.25)},
    "recall": {"context_length": 2, "recall": Recall(1, 2.5), "recall_capacity": 8, "refresh_on_new_goal": False},
}


_BY_DISTANCE = Geometric(0.9)


def linear_model(space, *, optimizer=None, score_rule=_BY_DISTANCE, **settings) -> Model:
    length = settings.get("context_length", 1) + (1 if settings.get("recall") else 0)
    config = LinearConfig(num_slots=2, num_keys=8, num_updates=100)
    kernel = config.build(space, space, context_length=length, optimizer=optimizer)
    return Model((Layer(Cortex(kernel, score_rule), **settings),) * 2, space)


def begin(model, abstractions=None):
    return model.init(jax.random.key(3), (Skip(2), Skip(3)) if abstractions is None else abstractions)


def assert_same(one, other):
    assert str(jax.tree.structure(one)) == str(jax.tree.structure(other))
    for first, second in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert (first.dtype, first.shape) == (second.dtype, second.shape)
        assert np.asarray(first).tobytes() == np.asarray(second).tobytes()


@pytest.mark.parametrize(
    "space", [Nearest(np.eye(2)), Stopping(Continuous(2), weight=2.0)], ids=["nearest", "stopping"]
)
def test_a_space_of_answers_comes_back(space, tmp_path):
    kernel = LinearConfig(num_slots=2, num_keys=8).build(Continuous(2), space, context_length=1)
    model = Model((Layer(Cortex(kernel, _BY_DISTANCE)),), Continuous(2))
    saving.save(tmp_path / "a", model, begin(model, (Skip(2),)))
    loaded, state = saving.load(tmp_path / "a")
    assert loaded == model
    assert_same(state, begin(model, (Skip(2),)))


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES.keys())
def test_every_space_comes_back(space, tmp_path):
    model = linear_model(space)
    saving.save(tmp_path / "a", model, begin(model))
    loaded, state = saving.load(tmp_path / "a")
    assert loaded == model
    assert_same(state, begin(model))


@pytest.mark.parametrize("settings", LAYERS.values(), ids=LAYERS.keys())
@pytest.mark.parametrize("score_rule", [Geometric(0.75), Linear(7), Return(-1.0, float("inf"))], ids=repr)
def test_every_setting_of_a_layer_comes_back(settings, score_rule, tmp_path):
    model = linear_model(Continuous(2), score_rule=score_rule, **settings)
    saving.save(tmp_path / "a", model, begin(model))
    assert saving.load(tmp_path / "a")[0] == model


def test_a_loaded_model_makes_the_same_plans(tmp_path):
    model, state = stacks.line_world(12)
    saving.save(tmp_path / "line.humain", model, state)
    loaded, loaded_state = saving.load(tmp_path / "line.humain")
    pairs = jnp.array([0, 3, 11]), jnp.array([11, 4, 2])
    plan, again = planning.think(model, state, *pairs), planning.think(loaded, loaded_state, *pairs)
    assert bool(plan.complete.all())
    assert_same(again, plan)


def test_equal_models_make_equal_files_and_saving_again_replaces_one(tmp_path):
    model = linear_model(Discrete(5))
    for name in ("one", "folder/two"):
        saving.save(tmp_path / name, model, begin(model))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "folder" / "two").read_bytes()
    other = linear_model(Discrete(6))
    saving.save(tmp_path / "one", other, begin(other))
    assert saving.load(tmp_path / "one")[0] == other


def test_an_abstraction_that_all_layers_share_is_stored_once(tmp_path):
    model = linear_model(Discrete(5))
    counts = Entropy(jnp.arange(5, dtype=jnp.int32))
    saving.save(tmp_path / "a", model, begin(model, (counts, counts)))
    with np.load(tmp_path / "a") as arrays:
        assert [name for name in arrays if "counts" in name] == ["abstractions/0/counts"]
    _, state = saving.load(tmp_path / "a")
    shared = state.abstractions[1]
    assert isinstance(shared, Entropy)
    np.testing.assert_array_equal(shared.counts, np.arange(5))


@dataclasses.dataclass(frozen=True)
class Hours:
    """A score rule of a user's own."""

    longest: int

    def score(self, distances: Array, returns: Array | None = None) -> Array:
        del returns
        return 1 - distances / self.longest

    def compose(self, first: Array, second: Array) -> Array:
        return first + second - 1


@struct.dataclass
class Marked:
    """An abstraction of a user's own, with numbers in it."""

    marks: Array
    stride: int = struct.field(pytree_node=False)

    def is_pivot(self, previous: Array, state: Array, following: Array, position: Array) -> Array:
        del previous, following
        return (position % self.stride == 0) | self.marks[state]

    def lift(self, state: Array) -> Array:
        return state

    def specify(self, goal: Array, state: Array) -> Array:
        del state
        return goal


def test_classes_of_ones_own_come_back_where_they_are_handed_over(tmp_path):
    model = linear_model(Discrete(3), score_rule=Hours(12))
    state = begin(model, (Marked(jnp.array([True, False, True]), 4), Skip(2)))
    saving.save(tmp_path / "a", model, state)
    loaded, loaded_state = saving.load(tmp_path / "a", classes=(Hours, Marked))
    assert loaded == model
    assert_same(loaded_state, state)
    for classes, missing in (((), "Hours"), ((Hours,), "Marked")):
        with pytest.raises(errors.UserError, match=rf"{missing} is not known here; .*classes=\({missing},\)"):
            saving.load(tmp_path / "a", classes=classes)


def test_two_classes_of_one_name_are_refused(tmp_path):
    model = linear_model(Discrete(3), score_rule=Hours(12))
    saving.save(tmp_path / "a", model, begin(model))
    other = dataclasses.make_dataclass("Hours", [("longest", int)], frozen=True)
    with pytest.raises(ValueError, match="a file calls both Hours; hand over the one that was saved"):
        saving.load(tmp_path / "a", classes=(Hours, other))
    assert saving.load(tmp_path / "a", classes=(Hours, Hours))[0] == model


def test_a_part_that_can_only_be_named_needs_the_model_itself(tmp_path):
    model = linear_model(Discrete(3), optimizer=optax.adam(0.1))
    saving.save(tmp_path / "a", model, begin(model))
    with pytest.raises(errors.UserError, match="can't be made from its name; hand over the whole model: model="):
        saving.load(tmp_path / "a")
    loaded, state = saving.load(tmp_path / "a", model=model)
    assert loaded is model
    assert_same(state, begin(model))


def test_a_model_that_is_another_one_is_refused_and_the_difference_named(tmp_path):
    model = linear_model(Discrete(3), optimizer=optax.adam(0.1))
    saving.save(tmp_path / "a", model, begin(model))
    other = linear_model(Discrete(3), optimizer=optax.adam(0.1), score_rule=Geometric(0.5))
    with pytest.raises(errors.UserError, match=r"layers\[0\].cortex.score_rule.discount is 0.9 there, and 0.5 here"):
        saving.load(tmp_path / "a", model=other)


def test_random_keys_are_refused_by_name(tmp_path):
    model = stacks.table_stack(3, 1)
    state = dataclasses.replace(stacks.init(model), kernels=({"key": jax.random.key(0)},))
    with pytest.raises(ValueError, match="kernels/0/key is a random key"):
        saving.save(tmp_path / "a", model, state)


def _rewrite(path, change):
    """The file with another header or other arrays, whole as far as its sum tells."""
    header, arrays = archive.read(path)
    del header["arrays"]
    change(header, arrays)
    archive.write(path, header, arrays)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header, arrays: header.update(version=2), "is of version 2, and this humain reads 1"),
        (lambda header, arrays: header.update(format="x"), "is not a model that humain saved"),
        (lambda header, arrays: header.pop("version"), "does not fit this version of humain: it has no version"),
        (lambda header, arrays: header.pop("model"), "does not fit this version of humain: it has no model"),
        (lambda header, arrays: header.pop("abstractions"), "does not fit this version of humain: it has no abstract"),
        (
            lambda header, arrays: header.update(model=3),
            "expected a Model and a tuple of abstractions, not int and tuple",
        ),
        (lambda header, arrays: header.update(abstractions=3), "a tuple of abstractions, not Model and int"),
        (lambda header, arrays: header["model"].update({"class": "Modell"}), "Modell is not known here"),
        (
            lambda header, arrays: header["model"]["fields"].pop("space"),
            "does not fit this version of humain: Model has other",
        ),
        (lambda header, arrays: header["model"]["fields"].update(layers=[]), "a model needs at least one layer"),
        (lambda header, arrays: header["model"]["fields"].update(space={"a": 1}), "describes nothing"),
        (lambda header, arrays: arrays.pop("kernels/0/packed"), "kernels/0/packed is None there, and the model has"),
        (lambda header, arrays: arrays.update({"kernels/0/packed": np.zeros((9, 1))}), r"is \('float64', \(9, 1\)\)"),
    ],
    ids=range(13),
)
def test_what_this_version_cannot_read_is_said(change, message, tmp_path):
    model = stacks.table_stack(3, 1)
    saving.save(tmp_path / "a", model, stacks.init(model))
    _rewrite(tmp_path / "a", change)
    with pytest.raises(errors.UserError, match=message):
        saving.load(tmp_path / "a")


def test_the_description_can_be_read_without_humain(tmp_path):
    model = stacks.table_stack(3, 1)
    saving.save(tmp_path / "a", model, stacks.init(model))
    with zipfile.ZipFile(tmp_path / "a") as opened:
        header = json.loads(opened.read("header.json"))
    assert header["model"]["fields"]["space"] == {"class": "Discrete", "fields": {"num_elements": 3}}
