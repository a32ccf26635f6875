"""The learner: what contexts show, and that updates move every layer and depend on state and step alone."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from humain import errors
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric
from humain.hippocampus import encodings
from humain.layer import Layer
from humain.spaces import Continuous
from humain.testing.probe import Probe
from tasks.language import hierarchy, learner
from tasks.language.paths import Path

_ENCODING = encodings.Scaled(encodings.sinusoidal, 0.1)

_WIDTH = 4
_CONTEXT_LENGTHS = (2, 1)


def _config(name="transformer", **values):
    return ConfigDict(
        {
            "kernel": {
                "name": name,
                "num_blocks": 1,
                "num_heads": 2,
                "width": 8,
                "hidden": 16,
                "offset": 0.3,
                "num_keys": 6,
                "sharpness": 1.0,
            },
            "num_slots": 2,
            "access": "value",
            "asymmetry": 0.9,
            "suppression": "per_slot",
            "encoding": "sinusoidal",
            "suppression_weight": 0.3,
            "score_discount": 0.9,
            "learning_rate": 1e-2,
            **values,
        }
    )


def _model(config, *, context_lengths=_CONTEXT_LENGTHS):
    return learner.build_model(config, num_features=_WIDTH + 1, num_updates=100, context_lengths=context_lengths)


_TABLES = hierarchy.build(
    [Path((0, 1, 2), 1.0), Path((3, 2, 0), 1.0)],
    0.3 * np.eye(_WIDTH, dtype=np.float32),
    chunkers=[hierarchy.chunk_mean(2)],
    context_lengths=_CONTEXT_LENGTHS,
    score_discount=0.9,
    stop=2.0,
)
_DATA = learner.on_device(_TABLES)


def _assert_same(first, second):
    jax.tree.map(np.testing.assert_array_equal, first, second)


def _changed(first, second):
    return any(jax.tree.leaves(jax.tree.map(lambda one, other: not np.array_equal(one, other), first, second)))


class _Echo:
    """A model that keeps the examples that it is to learn from."""

    layers = (Layer(Cortex(Probe(Continuous(_WIDTH), Continuous(_WIDTH)), Geometric(0.9)), encoding=_ENCODING),) * 2

    def learn(self, state, examples):
        del state
        return examples, {}


def _drawn(tables, batch_size, key):
    model: Any = _Echo()
    nothing: Any = None
    update = jax.jit(learner.build_update(model, batch_size))
    return update(learner.Learner(model=nothing, key=key), tables, jnp.int32(0))[0].model


@pytest.fixture(scope="module", params=["transformer", "linear"])
def trained(request):
    """A model, its state before the first update, a jitted update, and a list that grows when that is traced."""
    model = _model(_config(request.param))
    traced = []

    def update(*arguments):
        traced.append(True)
        return learner.build_update(model, 8)(*arguments)

    return model, learner.begin(model, jax.random.key(0)), jax.jit(update), traced


def test_a_context_by_hand():
    # Row 0 is the state before the first one; rows 1 and 2 are states.
    states = jnp.array([[0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
    found = learner.context(jnp.array([[-1, -1, 0], [-1, 0, 2], [0, 1, 2]]), states, _ENCODING)
    np.testing.assert_array_equal(found.mask, [[False, False, True], [False, True, True], [True, True, True]])
    zero, one, two = np.asarray(states)
    np.testing.assert_array_equal(found.states, [[zero, zero, zero], [zero, zero, two], [zero, one, two]])
    # A tenth of sin(p), cos(p), sin(p / 100), cos(p / 100); p is counted from the first state that there is.
    first, second, third = (
        [0.1 * np.sin(p), 0.1 * np.cos(p), 0.1 * np.sin(p / 100), 0.1 * np.cos(p / 100)] for p in (0, 1, 2)
    )
    shown = np.asarray(found.features)
    np.testing.assert_allclose(shown[0, 2], first, rtol=1e-5)
    np.testing.assert_allclose(shown[1, 1:], [first, two + second], rtol=1e-5)
    np.testing.assert_allclose(shown[2], [first, one + second, two + third], rtol=1e-5)


def test_what_is_not_there_shows_no_state():
    # Row -1 is none, and not the last one.
    found = learner.context(jnp.array([[-1, 0]]), jnp.array([[1.0, 1.0], [9.0, 9.0]]), _ENCODING)
    np.testing.assert_array_equal(found.states, [[[0, 0], [1, 1]]])


def test_tables_come_onto_the_device_as_they_are():
    for table, data in zip(_TABLES, _DATA, strict=True):
        assert sorted(data) == ["asked", "contexts", "goals", "scores", "states", "targets"]
        for name, array in data.items():
            np.testing.assert_array_equal(array, getattr(table, name))
            assert array.dtype == getattr(table, name).dtype


def test_an_update_changes_every_layer(trained):
    model, begun, update, _ = trained
    after, metrics = update(begun, _DATA, jnp.int32(0))
    for layer in range(2):
        assert _changed(model.kernel_state(begun.model, layer).params, model.kernel_state(after.model, layer).params)
    assert {"layer_0/loss", "layer_1/loss"} <= set(metrics)
    assert np.all(np.isfinite(list(metrics.values())))
    # What a scan carries stays of one kind.
    alike = jax.tree.map(lambda one, other: (one.shape, one.dtype) == (other.shape, other.dtype), after, begun)
    assert all(jax.tree.leaves(alike))


def test_each_layer_learns_from_its_own_table(trained):
    model, begun, update, _ = trained
    other = (_DATA[0], {**_DATA[1], "states": -_DATA[1]["states"]})
    first, second = (update(begun, data, jnp.int32(0))[0].model for data in (_DATA, other))
    _assert_same(model.kernel_state(first, 0).params, model.kernel_state(second, 0).params)
    assert _changed(model.kernel_state(first, 1).params, model.kernel_state(second, 1).params)


def test_an_update_depends_on_state_and_step_alone(trained):
    _, begun, update, traced = trained
    first, again, other = (update(begun, _DATA, jnp.int32(step))[0] for step in (3, 3, 4))
    _assert_same(first.model, again.model)
    assert _changed(first.model.kernels, other.model.kernels)
    # The root key stays, and each step folds its number in.
    assert first.key == again.key == other.key == begun.key
    update(first, _DATA, jnp.int32(4))
    assert len(traced) == 1


def test_layers_draw_on_their_own():
    # Equal tables; with one key for both layers the batches would be equal.
    table = {**_DATA[0], "scores": jnp.arange(4.0), "contexts": _DATA[0]["contexts"][:4]}
    examples = _drawn((table, table), 64, jax.random.key(0))
    assert sorted(examples) == [0, 1]
    assert not np.array_equal(examples[0].scores, examples[1].scores)
    # 64 draws of 4 examples: each is missed with a chance of 0.75 ** 64, 1e-8.
    assert all(set(np.asarray(batch.scores).tolist()) == {0.0, 1.0, 2.0, 3.0} for batch in examples.values())


def test_examples_are_rows_of_the_table():
    table, batch = _TABLES[0], _drawn(_DATA[:1], 64, jax.random.key(1))[0]
    assert np.all(batch.mask)
    rows = {
        (
            (table.states[table.contexts[at]] * (table.contexts[at] >= 0)[:, None]).tobytes(),
            table.goals[table.asked[at]].tobytes(),
            table.states[table.targets[at]].tobytes(),
            table.scores[at].tobytes(),
        )
        for at in range(len(table.scores))
    }
    drawn = {
        tuple(np.asarray(array).tobytes() for array in example)
        for example in zip(batch.context.states, batch.goals, batch.targets, batch.scores, strict=True)
    }
    # 6 examples, of which 64 draws miss one with a chance of 6 * (5 / 6) ** 64, 5e-5.
    assert len(rows) == 6
    assert drawn == rows


@pytest.mark.parametrize("name", ["transformer", "linear"])
def test_layers_have_the_sizes_of_the_config(name):
    model = _model(_config(name))
    assert [layer.context_length for layer in model.layers] == [2, 1]
    assert model.space.num_features == _WIDTH + 1
    assert all(layer.cortex.kernel.num_slots == 2 for layer in model.layers)
    assert all(layer.cortex.kernel.loss.suppression_weight == 0.3 for layer in model.layers)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kernel": "mlp"}, "model: kernel 'mlp' is not one of table, linear, transformer"),
        ({"access": "best"}, "model: access must be 'value' or 'score', not 'best'"),
        ({"score_discount": 2.0}, "model: .*2.0"),
        ({"num_slots": 0}, "model: num_slots must be at least 1, not 0"),
        ({"encoding": "rotten"}, "model: encoding 'rotten' is not one of none, sinusoidal, rotary, location"),
        ({"encoding": "location"}, "model: encoding 'location' needs states that have 1 to 3 coordinates"),
        ({"encoding": "rotary", "kernel": "linear"}, "model: encoding 'rotary' acts inside self-attention"),
        ({"context_lengths": ()}, "model: a model needs at least one layer"),
    ],
)
def test_what_can_not_be_is_one_line_for_the_user(values, message):
    values = dict(values)
    lengths = values.pop("context_lengths", _CONTEXT_LENGTHS)
    config = _config(values.pop("kernel", "transformer"), **values)
    with pytest.raises(errors.UserError, match=f"^{message}"):
        _model(config, context_lengths=lengths)


@pytest.mark.parametrize(
    ("name", "added"), [("none", encodings.none), ("sinusoidal", _ENCODING), ("rotary", encodings.none)]
)
def test_every_encoding_that_makes_sense_learns(name, added):
    model = _model(_config(encoding=name))
    assert all(layer.encoding == added for layer in model.layers)
    begun = learner.begin(model, jax.random.key(0))
    after, metrics = jax.jit(learner.build_update(model, 8))(begun, _DATA, jnp.int32(0))
    assert all(np.isfinite(value) for value in metrics.values())
    assert _changed(model.kernel_state(begun.model, 0).params, model.kernel_state(after.model, 0).params)
