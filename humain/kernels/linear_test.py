"""The linear memory by hand. What all kernels do is in conformance_test."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from humain.kernels.linear import LinearConfig, LinearNetwork
from humain.spaces import Continuous, Discrete
from humain.types import Context


def test_a_question_reads_the_memories_by_how_well_it_fits_their_keys():
    config = LinearConfig(num_slots=2, num_keys=2, sharpness=2.0)
    network = LinearNetwork(config, 1, num_features=1, num_values=1, rngs=nnx.Rngs(params=0))
    network.keys[...] = jnp.array([[0.0, 1.0], [0.0, 0.5]])
    network.biases[...] = jnp.array([0.0, np.log(3.0) - 4.0])
    network.memories[...] = jnp.array([[0.0, 4.0, 8.0, 0.0], [4.0, 0.0, 0.0, 4.0]])
    outputs = network(jnp.ones((1, 1, 1)), jnp.ones((1, 1), bool), 2 * jnp.ones((1, 1)))
    # The question (1, 2) fits the keys by 0 and 2; logits 2 * 0 and 2 * 2 + log 3 - 4: weights 1/4 and 3/4.
    np.testing.assert_allclose(outputs, [[[3, 1], [2, 3]]], rtol=1e-6)


def test_the_context_is_read_in_order():
    config = LinearConfig(num_slots=1, num_keys=8)
    network = LinearNetwork(config, 2, num_features=2, num_values=3, rngs=nnx.Rngs(params=0))
    features, mask, goals = jnp.eye(2)[None], jnp.ones((1, 2), bool), jnp.zeros((1, 2))
    assert np.abs(network(features, mask, goals) - network(features[:, ::-1], mask, goals)).max() > 1e-3


def test_a_context_of_another_length_is_refused():
    network = LinearNetwork(LinearConfig(num_keys=2), 2, num_features=1, num_values=1, rngs=nnx.Rngs(params=0))
    with pytest.raises(ValueError, match="context_length 2, and the contexts have 3 states"):
        network(jnp.ones((1, 3, 1)), jnp.ones((1, 3), bool), jnp.ones((1, 1)))


def test_the_kernel_has_the_sizes_that_were_asked_for():
    kernel = LinearConfig(num_slots=3).build(Discrete(5), Discrete(2))
    assert (kernel.num_slots, kernel.state_space, kernel.target_space) == (3, Discrete(5), Discrete(2))


def test_a_relative_memory_answers_offsets_from_the_present_state():
    space = Continuous(1)
    kernel = LinearConfig(num_slots=1, num_keys=2, sharpness=2.0, relative=True).build(space, space)
    state = kernel.init(jax.random.key(0))
    state.params["keys"] = jnp.array([[0.0, 0.0], [0.0, 0.5]])
    state.params["memories"] = jnp.array([[0.0, 1.0], [4.0, 0.0]])
    states = jnp.array([[[7.0]]])
    context = Context(states=states, features=states, mask=jnp.ones((1, 1), bool))
    slots = kernel.recall(state, context, jnp.array([[7.0 + np.log(3.0)]]))
    # The goal is shown as log 3 and fits the keys by 0 and log(3) / 2; logits 0 and log 3: weights 1/4 and 3/4.
    np.testing.assert_allclose(slots.values, [[[7 + 3]]], rtol=1e-5)
    np.testing.assert_allclose(slots.scores, [[0.25]], rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_slots": 0}, "num_slots must be at least 1, not 0"),
        ({"num_keys": 0}, "num_keys must be at least 1, not 0"),
        ({"sharpness": 0.0}, "sharpness must be more than 0, not 0.0"),
    ],
)
def test_what_makes_no_memory_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        LinearConfig(**settings)


def test_no_context_is_refused():
    with pytest.raises(ValueError, match="context_length must be at least 1, not 0"):
        LinearConfig().build(Discrete(2), Discrete(2), context_length=0)
