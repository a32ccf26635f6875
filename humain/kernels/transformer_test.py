"""Attention by hand, and what the transformer can and can't see. What all kernels do is in conformance_test."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from humain.hippocampus.rotary import Rotary
from humain.kernels.transformer import Attention, TransformerConfig, TransformerNetwork
from humain.spaces import Continuous
from humain.types import Context, Examples

CONFIG = TransformerConfig(num_slots=2, num_blocks=2, num_heads=2, width=8, hidden=16, window=2)
LENGTH = 5


@pytest.fixture(scope="module")
def network():
    return TransformerNetwork(CONFIG, num_features=3, num_values=2, rngs=nnx.Rngs(params=0))


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


def test_rotary_attention_by_hand():
    # One head of width 2, all maps the identity; the pair turns by a quarter of a circle a position (its only period
    # is the shortest one). Memory (1, 0), (0, 1), (1, 0) at 0, 1, 2 becomes the keys (1, 0), (-1, 0), (-1, 0); the
    # query (0, 1) at 2 becomes (0, -1). Products are 0: all weigh the same. A query (1, 0) at 2 is (-1, 0): products
    # -1, 1, 1 over the root of 2.
    rotary = Rotary(shortest_period=2 / np.pi, longest_period=100.0)
    attention = Attention(2, 1, rotary=rotary, rngs=nnx.Rngs(params=0))
    for part in (attention.queries, attention.keys, attention.values, attention.outputs):
        part.kernel[...] = jnp.eye(2)
    memory = jnp.array([[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]])
    queries = memory.at[0, 1].set(jnp.array([0.0, 1.0]))
    attended = attention(queries, memory, jnp.ones((1, 3, 3), bool))
    weights = np.exp(np.array([-1, 1, 1]) / np.sqrt(2))
    weights /= weights.sum()
    np.testing.assert_allclose(attended[0, 2], [weights[0] + weights[2], weights[1]], atol=1e-5)
    across = attention(jnp.array([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]]), memory, jnp.ones((1, 3, 3), bool))
    np.testing.assert_allclose(across[0, 2], [2 / 3, 1 / 3], atol=1e-5)


@pytest.mark.parametrize("shift", [1, 5, 250])
def test_rotary_attention_does_not_depend_on_where_a_sequence_starts(shift):
    attention = Attention(8, 2, rotary=Rotary(), rngs=nnx.Rngs(params=0))
    inputs = jax.random.normal(jax.random.key(0), (2, 4, 8))
    before = jax.random.normal(jax.random.key(1), (2, shift, 8))
    here = attention(inputs, inputs, jnp.ones((2, 4, 4), bool))
    longer = jnp.concatenate([before, inputs], axis=1)
    mask = jnp.broadcast_to(jnp.arange(shift + 4) >= shift, (2, shift + 4, shift + 4))
    np.testing.assert_allclose(here, attention(longer, longer, mask)[:, shift:], atol=1e-4)


def test_rotary_attention_tells_distances():
    attention = Attention(8, 2, rotary=Rotary(), rngs=nnx.Rngs(params=0))
    inputs = jax.random.normal(jax.random.key(0), (1, 4, 8))
    swapped = inputs[:, jnp.array([1, 0, 2, 3])]
    there = jnp.ones((1, 4, 4), bool)
    assert np.abs(attention(inputs, inputs, there) - attention(swapped, swapped, there))[0, 3].max() > 1e-3


def test_a_head_of_odd_width_can_not_be_turned():
    with pytest.raises(ValueError, match="width 6 must be an even multiple of num_heads 2"):
        TransformerConfig(width=6, num_heads=2).build(Continuous(3), Continuous(2), rotary=Rotary())


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
    network = TransformerNetwork(config, num_features=3, num_values=2, rngs=nnx.Rngs(params=1))
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


def offset_network(offset):
    config = TransformerConfig(num_slots=2, num_heads=2, width=64, hidden=16, offset=offset)
    return TransformerNetwork(config, num_features=3, num_values=2, rngs=nnx.Rngs(params=0))


def test_without_an_offset_the_embeddings_are_plain_layers():
    # What nnx.Linear makes when it is asked for nothing else, from the same keys in the same order.
    rngs = nnx.Rngs(params=0)
    network = offset_network(0.0)
    for embedding in (network.embed_state, network.embed_goal):
        plain = nnx.Linear(3, 64, rngs=rngs)
        np.testing.assert_array_equal(embedding.kernel[...], plain.kernel[...])
        np.testing.assert_array_equal(embedding.bias[...], np.zeros(64))


def test_an_offset_moves_the_embeddings_alone():
    states = [nnx.to_pure_dict(nnx.state(offset_network(offset), nnx.Param)) for offset in (0.0, 0.5)]
    without, with_offset = (dict(jax.tree_util.tree_leaves_with_path(state)) for state in states)
    assert without.keys() == with_offset.keys()
    differing = [path for path in without if not np.array_equal(without[path], with_offset[path])]
    assert [jax.tree_util.keystr(path) for path in differing] == ["['embed_goal']['bias']", "['embed_state']['bias']"]
    for path in differing:
        # The spread of 64 normal numbers of spread 0.5, within four standard errors: 0.5 / sqrt(2 * 64) = 0.044.
        assert np.std(with_offset[path]) == pytest.approx(0.5, abs=0.18)


def test_with_an_offset_the_size_of_a_small_vector_is_seen():
    features, mask, direction = jnp.zeros((1, 1, 3)), jnp.ones((1, 1), bool), jnp.array([[0.6, 0.0, -0.8]])

    def seen(offset):
        """How much an answer changes from a goal to one twice as far, against that from a goal to its opposite."""
        ask = nnx.jit(offset_network(offset))
        near, far, opposite = (ask(features, mask, size * direction) for size in (0.1, 0.2, -0.1))
        return np.abs(near - far).max() / np.abs(near - opposite).max()

    # The norm makes both goals one vector, but for its epsilon; with an offset they lie at 1, 2 and -1 of a line.
    assert seen(0.0) < 0.005
    assert seen(1.0) == pytest.approx(0.5, abs=0.1)


@pytest.fixture(scope="module")
def kernels():
    """A kernel over vectors, as it is and relative."""
    config = TransformerConfig(num_slots=2, num_heads=2, width=16, hidden=16, window=3, offset=1.0)
    space, optimizer = Continuous(3), optax.sgd(0.1)
    return {
        relative: dataclasses.replace(config, relative=relative).build(space, space, optimizer=optimizer)
        for relative in (False, True)
    }


def shifted_examples(shift, *, features_too=False):
    """Six questions of three states, all of whose vectors are shifted; their features only if that is asked for."""
    states, goals, targets = (
        jax.random.normal(key, shape)
        for key, shape in zip(jax.random.split(jax.random.key(0), 3), [(6, 3, 3), (6, 3), (6, 3)], strict=True)
    )
    moved = states + shift[None, None]
    return Examples(
        context=Context(states=moved, features=moved if features_too else states, mask=jnp.ones((6, 3), bool)),
        goals=goals + shift[None],
        targets=targets + shift[None],
        scores=jnp.linspace(0.1, 0.9, 6),
        mask=jnp.ones(6, bool),
    )


SHIFT = jnp.array([2.0, -1.0, 0.5])


def test_for_the_same_features_a_shifted_question_has_a_shifted_answer(kernels):
    # The goal enters as a difference and the answer leaves as one: nothing but the features tells where one is.
    kernel = kernels[True]
    state = kernel.init(jax.random.key(1))
    here, there = shifted_examples(0 * SHIFT), shifted_examples(SHIFT)
    first, second = (kernel.recall(state, examples.context, examples.goals) for examples in (here, there))
    np.testing.assert_allclose(second.scores, first.scores, atol=1e-5)
    np.testing.assert_allclose(second.values, first.values + SHIFT[None, None], atol=1e-5)
    # And so the same is learned from both.
    for one, other in zip(*(jax.tree.leaves(kernel.learn(state, examples)) for examples in (here, there)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    # The features do tell.
    elsewhere = shifted_examples(SHIFT, features_too=True)
    assert np.abs(kernel.recall(state, elsewhere.context, elsewhere.goals).scores - first.scores).max() > 1e-3


def test_without_being_relative_the_shift_is_seen(kernels):
    kernel = kernels[False]
    state = kernel.init(jax.random.key(1))
    here, there = shifted_examples(0 * SHIFT), shifted_examples(SHIFT)
    first, second = (kernel.recall(state, examples.context, examples.goals) for examples in (here, there))
    assert np.abs(second.scores - first.scores).max() > 1e-3
    assert np.abs(second.values - first.values - SHIFT[None, None]).max() > 0.1


def test_a_silent_head_answers_the_present_state(kernels):
    examples = shifted_examples(SHIFT)
    for relative, kernel in kernels.items():
        silent = jax.tree.map(jnp.zeros_like, kernel.init(jax.random.key(0)))
        slots = kernel.recall(silent, examples.context, examples.goals)
        present = examples.context.states[:, -1:] if relative else jnp.zeros((6, 1, 3))
        np.testing.assert_array_equal(slots.values, np.broadcast_to(present, (6, 2, 3)))
        np.testing.assert_array_equal(slots.scores, np.zeros((6, 2)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 10, "num_heads": 4}, "width 10 is not a multiple of num_heads 4"),
        ({"num_blocks": 0}, "num_blocks must be at least 1, not 0"),
        ({"window": 0}, "window must be at least 1, or None, not 0"),
        ({"offset": -1.0}, "offset must be 0 or more, not -1.0"),
        ({"offset": float("nan")}, "offset must be 0 or more, not nan"),
    ],
)
def test_what_makes_no_network_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TransformerConfig(**settings)
