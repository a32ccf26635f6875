"""The stack: which layers learn together, that each learns its own, and what it refuses."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from humain.abstraction.skip import Skip
from humain.cortex import hindsight
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric, Linear
from humain.hippocampus import encodings, memory
from humain.hippocampus.recall import Recall
from humain.kernels.linear import LinearConfig
from humain.kernels.table import TableConfig
from humain.layer import Layer
from humain.model import Model
from humain.spaces import Continuous, Discrete
from humain.testing import stacks
from humain.types import Trajectories

SPACE = Discrete(6)
ADAM = optax.adam(0.01)


def linear_cortex(rule=None, *, target_space=SPACE, num_keys=16, context_length=1, optimizer=ADAM):
    config = LinearConfig(num_slots=2, num_keys=num_keys)
    kernel = config.build(SPACE, target_space, context_length=context_length, optimizer=optimizer)
    return Cortex(kernel, rule or Linear(8))


def stack(*layers, **settings):
    wrapped = tuple(layer if isinstance(layer, Layer) else Layer(layer) for layer in layers)
    return Model(layers=wrapped, space=SPACE, **settings)


@partial(jax.jit, static_argnames="model")
def init(model, seed=0):
    return model.init(jax.random.key(seed), tuple(Skip(2) for _ in model.layers))


@partial(jax.jit, static_argnames=("model", "batch_size"))
def sample(model, experience, key, batch_size):
    return model.sample(experience, key, batch_size)


@pytest.fixture(scope="module")
def experience():
    states = jnp.array([[0, 1, 2, 3, 4, 5], [5, 3, 1, 0, 2, 4]])
    return hindsight.gather(Trajectories(states=states, lengths=jnp.array([6, 6])), (Skip(2),) * 3)


def test_layers_with_equal_kernels_and_shapes_learn_together():
    # Score rules and lookaheads may differ: they only shape the examples.
    model = stack(linear_cortex(), linear_cortex(Geometric(0.9)), linear_cortex(num_keys=8), linear_cortex())
    assert model.groups == ((0, 1, 3), (2,))


def test_each_layer_may_learn_on_its_own():
    assert stack(linear_cortex(), linear_cortex(), group_layers=False).groups == ((0,), (1,))


def test_optimisers_that_are_not_one_object_keep_layers_apart():
    assert stack(linear_cortex(), linear_cortex(optimizer=optax.adam(0.01))).groups == ((0,), (1,))


def test_together_each_layer_learns_as_it_would_alone(experience):
    cortices = linear_cortex(), linear_cortex(num_keys=8), linear_cortex(Geometric(0.5))
    together, alone = stack(*cortices), stack(*cortices, group_layers=False)
    assert together.groups == ((0, 2), (1,))
    first, second = init(together), init(alone)
    learn_together, learn_alone = jax.jit(together.learn), jax.jit(alone.learn)
    for step in range(3):
        examples = sample(together, experience, jax.random.key(step), 32)
        first, first_metrics = learn_together(first, examples)
        second, second_metrics = learn_alone(second, examples)
    assert first_metrics.keys() == second_metrics.keys()
    assert {"layer_0/loss", "layer_1/loss", "layer_2/loss"} <= first_metrics.keys()
    for name, value in first_metrics.items():
        np.testing.assert_allclose(value, second_metrics[name], rtol=1e-5)
    for layer in range(3):
        one, other = together.kernel_state(first, layer), alone.kernel_state(second, layer)
        jax.tree.map(lambda left, right: np.testing.assert_allclose(left, right, atol=1e-5), one, other)


def test_layers_of_a_group_start_different():
    model = stack(linear_cortex(), linear_cortex())
    state = init(model)
    first, second = (model.kernel_state(state, layer).params for layer in range(2))
    assert np.abs(first["keys"][...] - second["keys"][...]).max() > 0.1


def test_layers_without_examples_stay_as_they_are():
    model = stacks.table_stack(6, 2)
    state = stacks.init(model)
    examples = stacks_examples(model)
    learned, metrics = jax.jit(model.learn)(state, {1: examples})
    assert {name.split("/")[0] for name in metrics} == {"layer_1"}
    np.testing.assert_array_equal(learned.kernels[0].packed, 0)
    assert np.sum(learned.kernels[1].packed > 0) == 4


def stacks_examples(model):
    """Four examples of different questions."""
    experience = hindsight.gather(
        Trajectories(states=jnp.array([[0, 1, 2, 3, 4]]), lengths=jnp.array([5])), (Skip(1),) * 2
    )
    walks, times = jnp.zeros(4, jnp.int32), jnp.arange(4)
    return hindsight.examples_between(
        experience, model.layers[0], number=0, walks=walks, times=times, goal_times=times + 1, kept=times
    )


def test_a_group_learns_whole_or_not_at_all(experience):
    model = stack(linear_cortex(), linear_cortex())
    examples = sample(model, experience, jax.random.key(0), 4)
    with pytest.raises(ValueError, match=r"layers \(0, 1\) learn together, and only \[0\] have examples; group_layers"):
        model.learn(init(model), {0: examples[0]})


def test_observing_stores_what_was_seen(experience):
    model = stacks.table_stack(6, 2)
    state = stacks.init(model)
    for step in range(8):
        state, metrics = model.observe(state, experience, jax.random.key(step), 256)
    assert {"layer_0/improved", "layer_1/improved"} <= metrics.keys()
    layer = model.layers[0]
    states, goals = jnp.array([1, 5, 2]), jnp.array([3, 4, 5])
    answer = layer.cortex.answer(model.kernel_state(state, 0), layer.context(layer.begin(3), states, goals), goals)
    # 1 -> 2 -> 3; 5 -> 4 has been seen only as the end of 5 3 1 0 2 4, five steps away and out of the lookahead of two
    # pivots; 2 -> 3 -> 4 -> 5, three steps.
    np.testing.assert_array_equal(answer.known, [True, False, True])
    np.testing.assert_array_equal(answer.value[jnp.array([0, 2])], [2, 3])
    np.testing.assert_allclose(answer.score[jnp.array([0, 2])], [1 - 2 / 16, 1 - 3 / 16], atol=1e-6)


def test_observing_again_does_not_recompile(experience):
    model = stack(linear_cortex(), linear_cortex(), linear_cortex(num_keys=8))
    cache_size = Model.observe._cache_size  # type: ignore[attr-defined]
    state, before = init(model), cache_size()
    for step in range(3):
        state, _ = model.observe(state, experience, jax.random.key(step), 16)
    assert cache_size() == before + 1


def test_each_layer_samples_with_its_own_key(experience):
    model = stack(linear_cortex(), linear_cortex())
    examples = sample(model, experience, jax.random.key(0), 64)
    assert np.any(examples[0].goals != examples[1].goals)


def test_a_layer_shows_its_cortex_what_its_memory_holds():
    layer = Layer(linear_cortex(context_length=2), context_length=2, encoding=encodings.sinusoidal)
    context = layer.context(layer.begin(2), jnp.array([3, 4]), jnp.array([0, 0]))
    np.testing.assert_array_equal(context.states[:, -1], [3, 4])
    np.testing.assert_array_equal(context.mask, [[False, True]] * 2)
    np.testing.assert_array_equal(
        context.features[:, -1], SPACE.encode(jnp.array([3, 4])) + encodings.sinusoidal(jnp.zeros(2, jnp.int32), 6)
    )


def test_a_layer_recalls_what_is_like_the_goal():
    layer = Layer(linear_cortex(context_length=3), context_length=2, recall=Recall(), recall_capacity=3)
    assert (layer.stored_length, layer.shown_length) == (5, 3)
    memories = layer.begin(2)
    for states in ([4, 0], [1, 0], [2, 0], [3, 5]):
        memories = jax.vmap(memory.append)(memories, jnp.array(states))
    context = layer.context(memories, jnp.array([0, 3]), jnp.array([4, 2]))
    # 4 lies four states back, before 1, 2 and 3; among the zeros nothing is like 2 and the newest stands for all.
    np.testing.assert_array_equal(context.states, [[4, 3, 0], [0, 5, 3]])
    np.testing.assert_array_equal(context.mask, [[True] * 3] * 2)


def test_a_layer_without_a_past_shows_the_present_alone():
    layer = Layer(linear_cortex(context_length=3), context_length=2, recall=Recall(), recall_capacity=3)
    context = layer.context(layer.begin(1), jnp.array([4]), jnp.array([2]))
    np.testing.assert_array_equal(context.mask, [[False, False, True]])


@pytest.mark.parametrize("settings", [{"recall": Recall(2), "recall_capacity": 1}, {"recall_capacity": 3}])
def test_recalling_from_too_few_or_for_nothing_is_refused(settings):
    with pytest.raises(ValueError, match="recall_capacity must be"):
        Layer(linear_cortex(), **settings)


def test_what_a_kernel_is_for_must_fit_the_stack():
    with pytest.raises(ValueError, match="the kernel of layer 0 is for .*6.*, not .*7"):
        Model(layers=(Layer(linear_cortex()),), space=Discrete(7))
    motors = linear_cortex(target_space=Continuous(1))
    assert stack(motors, linear_cortex()).groups == ((0,), (1,))
    with pytest.raises(ValueError, match="layer 1 asks for sub-goals, so its targets must be in .*6"):
        stack(linear_cortex(), motors)
    with pytest.raises(ValueError, match="at least one layer"):
        stack()


def test_each_layer_needs_an_abstraction():
    with pytest.raises(ValueError, match="2 layers need as many abstractions, not 1"):
        stack(linear_cortex(), linear_cortex()).init(jax.random.key(0), (Skip(2),))


def test_a_layer_that_is_not_there_has_no_state():
    model = stacks.table_stack(6, 2)
    with pytest.raises(ValueError, match="there is no layer 2; there are 2"):
        model.kernel_state(stacks.init(model), 2)


@pytest.mark.parametrize("settings", [{"context_length": 0}, {"max_sub_steps": 0}, {"max_nodes": 0}], ids=str)
def test_a_layer_of_nothing_is_refused(settings):
    (name,) = settings
    with pytest.raises(ValueError, match=f"{name} must be 1 or more, not 0"):
        Layer(linear_cortex(), **settings)


def test_models_made_alike_are_equal():
    models = [stack(linear_cortex(), Cortex(TableConfig().build(SPACE, SPACE), Linear(4))) for _ in range(2)]
    assert models[0] == models[1]
    assert hash(models[0]) == hash(models[1])
    assert models[0] != dataclasses.replace(models[0], group_layers=False)


def test_layers_are_grouped_unless_that_is_turned_off():
    model = stacks.table_stack(6, 2)
    assert Model(model.layers, model.space) == Model(model.layers, model.space, group_layers=True)
