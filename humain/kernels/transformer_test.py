"""Attention by hand, and what the transformer can and can't see. What all kernels do is in conformance_test."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from humain.kernels.transformer import Attention, TransformerConfig, TransformerNetwork

CONFIG = TransformerConfig(num_slots=2, num_blocks=2, num_heads=2, width=8, hidden=16, window=2)
LENGTH = 5


@pytest.fixture(scope="module")
def network():
    return TransformerNetwork(CONFIG, 3, 2, rngs=nnx.Rngs(params=0))


@pytest.fixture(scope="module")
def ask(network):
    return nnx.jit(network)


def question(seed=0):
    features_key, goal_key = jax.random.split(jax.random.key(seed))
    features = jax.random.normal(features_key, (1, LENGTH, 3))
    return features, jnp.ones((1, LENGTH), bool), jax.random.normal(goal_key, (1, 3))


def changed(ask, at, mask=None):
    """How much the answer changes when the context's state at a place does."""
    features, all_there, goals = question()
    mask = all_there if mask is None else jnp.array([mask])
    return np.abs(ask(features, mask, goals) - ask(features.at[0, at].add(1.0), mask, goals)).max()


def test_attention_by_hand():
    # One head of width 1, all weights 1: logits are products, and the values are the memory itself.
    attention = Attention(1, 1, rngs=nnx.Rngs(params=0))
    for part in (attention.queries, attention.keys, attention.values, attention.outputs):
        part.kernel[...] = jnp.ones((1, 1))
    memory = jnp.log(jnp.array([[[2.0], [4.0]]]))
    # The query 1 weighs the memories 2 : 4. The query 0 weighs both the same, and the mask leaves it the first alone.
    attended = attention(jnp.array([[[1.0], [0.0]]]), memory, jnp.array([[[True, True], [True, False]]]))
    np.testing.assert_allclose(attended[0, :, 0], [np.log(2) / 3 + 2 * np.log(4) / 3, np.log(2)], rtol=1e-5)


def test_one_entry_to_attend_to_is_a_shortcut_to_the_same():
    attention = Attention(8, 2, rngs=nnx.Rngs(params=0))
    inputs, memory = (jax.random.normal(jax.random.key(seed), (2, n, 8)) for seed, n in ((0, 3), (1, 1)))
    # The same entry twice can't be cut short, and is the same to attend to.
    in_full = attention(inputs, jnp.tile(memory, (1, 2, 1)), jnp.ones((2, 3, 2), bool))
    np.testing.assert_allclose(attention(inputs, memory, None), in_full, atol=1e-6)


def test_the_window_of_each_block_bounds_what_is_seen(ask):
    # Two blocks of window 2 reach back one state each: the present one and two before it.
    assert changed(ask, 4) > 1e-4
    assert changed(ask, 3) > 1e-4
    assert changed(ask, 2) > 1e-4
    assert changed(ask, 1) == 0
    assert changed(ask, 0) == 0


def test_padding_is_not_seen(ask):
    mask = [False, False, True, False, True]
    assert changed(ask, 4, mask) > 1e-4
    assert changed(ask, 3, mask) == 0
    # The way back to place 2 leads through place 3, which is masked; with a window of 2 it is cut off.
    assert changed(ask, 2, mask) == 0
    assert changed(ask, 2, [False, False, True, True, True]) > 1e-4


def test_nothing_but_the_present_state_gives_a_finite_answer(ask):
    features, _, goals = question()
    mask = jnp.array([[False, False, False, False, True]])
    answer = ask(features, mask, goals)
    assert answer.shape == (1, 2, 3)
    assert np.all(np.isfinite(answer))
    # It is the answer for a context of that one state.
    np.testing.assert_allclose(answer, ask(features[:, 4:], mask[:, 4:], goals), atol=1e-6)


def test_the_order_of_earlier_states_matters_only_by_what_encodes_it():
    # Without positions, attention sees a set: a window over both earlier states gives the same for either order.
    config = TransformerConfig(num_slots=1, num_heads=1, width=8, hidden=8, window=3)
    network = TransformerNetwork(config, 3, 2, rngs=nnx.Rngs(params=1))
    features, mask, goals = question()
    features, mask = features[:, :3], mask[:, :3]
    swapped = features[:, jnp.array([1, 0, 2])]
    np.testing.assert_allclose(network(features, mask, goals), network(swapped, mask, goals), atol=1e-5)
    encoded = jnp.arange(3.0).reshape(1, 3, 1)
    with_positions = network(features + encoded, mask, goals) - network(swapped + encoded, mask, goals)
    assert np.abs(with_positions).max() > 1e-4


def test_the_goal_matters(ask):
    features, mask, goals = question()
    assert np.abs(ask(features, mask, goals) - ask(features, mask, goals + 1.0)).max() > 1e-4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 10, "num_heads": 4}, "width 10 must be a multiple of num_heads 4"),
        ({"num_blocks": 0}, "num_blocks must be 1 or more, not 0"),
        ({"window": 0}, "window must be 1 or more, not 0"),
    ],
)
def test_what_makes_no_network_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TransformerConfig(**settings)
