"""Recall by content against values worked out by hand, and against a plain softmax."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from humain.hippocampus import encodings, memory, recall
from humain.hippocampus.recall import Recall
from humain.spaces import Continuous, Discrete
from humain.types import Context

PLANE = Continuous(2)


def fill(capacity, states, space=PLANE):
    store = memory.empty(capacity, space)
    for state in states:
        store = memory.append(store, jnp.asarray(state, space.dtype))
    return store


def test_weights_by_hand():
    # Half the squared distances: 0, 0.5 and 2, the sharpness 2: in proportion to 1, 1/e and 1/e^4.
    store = fill(3, [[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    found = recall.recall(Recall(num_recalled=3, sharpness=2.0), store, PLANE, jnp.zeros(2))
    parts = np.exp([0.0, -1.0, -4.0])
    np.testing.assert_allclose(found.weights, parts / parts.sum(), rtol=1e-6)
    np.testing.assert_array_equal(found.states, [[0, 0], [1, 0], [0, 2]])
    np.testing.assert_array_equal(found.ages, [2, 1, 0])
    np.testing.assert_allclose(found.features, [parts[1] / parts.sum(), 2 * parts[2] / parts.sum()], rtol=1e-6)


def test_for_patterns_of_one_length_it_is_the_softmax_of_inner_products():
    patterns = np.random.default_rng(0).choice([-1.0, 1.0], (6, 8)).astype(np.float32)
    cue = np.random.default_rng(1).normal(size=8).astype(np.float32)
    weights = recall.similarity_weights(jnp.array(cue), jnp.array(patterns), jnp.ones(6, bool), sharpness=0.3)
    np.testing.assert_allclose(weights, scipy.special.softmax(0.3 * patterns @ cue), rtol=1e-5)


def test_a_long_pattern_is_not_taken_for_a_similar_one():
    found = recall.recall(Recall(sharpness=1.0), fill(2, [[1.0, 0.0], [9.0, 0.0]]), PLANE, jnp.array([1.0, 0.0]))
    np.testing.assert_array_equal(found.states, [[1, 0]])
    assert found.weights[0] > 0.999


def test_an_empty_memory_recalls_nothing():
    found = recall.recall(Recall(num_recalled=2), memory.empty(3, PLANE), PLANE, jnp.ones(2))
    np.testing.assert_array_equal(found.mask, [False, False])
    np.testing.assert_array_equal(found.weights, [0, 0])
    np.testing.assert_array_equal(found.features, [0, 0])


def test_of_one_state_there_is_one():
    found = recall.recall(Recall(num_recalled=2), fill(3, [[5.0, 5.0]]), PLANE, jnp.zeros(2))
    np.testing.assert_array_equal(found.mask, [True, False])
    np.testing.assert_array_equal(found.weights, [1, 0])
    np.testing.assert_array_equal(found.features, [5, 5])


def test_of_equal_ones_the_newest_comes_first_and_they_share_the_weight():
    space = Discrete(6)
    store = fill(4, [3, 5, 3, 5, 3], space)
    found = recall.recall(Recall(num_recalled=4, sharpness=50.0), store, space, jnp.int32(3))
    # The first 3 has been overwritten; 5 is nowhere near.
    np.testing.assert_array_equal(found.states, [3, 3, 5, 5])
    np.testing.assert_array_equal(found.ages, [0, 2, 1, 3])
    np.testing.assert_allclose(found.weights, [0.5, 0.5, 0, 0], atol=1e-20)
    assert np.all(found.mask)


def test_far_cues_still_have_an_answer():
    found = recall.recall(Recall(sharpness=100.0), fill(2, [[0.0, 0.0], [1.0, 0.0]]), PLANE, jnp.array([1e4, 0.0]))
    np.testing.assert_array_equal(found.states, [[1, 0]])
    np.testing.assert_array_equal(found.weights, [1])


def test_refreshed_memories_recall_what_came_after():
    store = memory.append(memory.refresh(fill(3, [[1.0, 1.0], [2.0, 2.0]])), jnp.array([7.0, 7.0]))
    found = recall.recall(Recall(num_recalled=3), store, PLANE, jnp.ones(2))
    np.testing.assert_array_equal(found.mask, [True, False, False])
    np.testing.assert_array_equal(found.states[0], [7, 7])


@pytest.mark.parametrize("num_stored", [0, 1, 4, 5, 11])
def test_it_is_what_a_plain_list_gives(num_stored):
    states = np.random.default_rng(num_stored).normal(size=(num_stored, 2)).astype(np.float32)
    cue = np.array([0.3, -0.2], np.float32)
    kept = states[::-1][:5]
    found = recall.recall(Recall(num_recalled=3, sharpness=1.5), fill(5, states), PLANE, jnp.array(cue))
    assert int(found.mask.sum()) == min(len(kept), 3)
    if len(kept):
        weights = scipy.special.softmax(-0.75 * ((kept - cue) ** 2).sum(axis=1))
        order = np.argsort(-weights)[:3]
        np.testing.assert_allclose(found.states[found.mask], kept[order])
        np.testing.assert_allclose(found.weights[found.mask], weights[order], rtol=1e-5)
        np.testing.assert_allclose(found.features, weights @ kept, atol=1e-6)


def focus(states, cue, *, num_recalled=2, num_newest=1, mask=None, encoding=encodings.none):
    space = Discrete(10)
    states = jnp.array(states)
    mask = jnp.ones(states.shape, bool) if mask is None else jnp.array(mask)
    context = Context(states=states, features=space.encode(states), mask=mask)
    settings = Recall(num_recalled=num_recalled)
    return recall.focus(settings, context, jnp.int32(cue), num_newest=num_newest, space=space, encoding=encoding)


def test_a_context_is_focused_on_what_the_cue_recalls_in_time_order():
    context = focus([3, 5, 3, 7, 8, 3], 3, num_newest=2)
    # Of 3, 5, 3, 7 the two 3s, and the newest two whatever they are.
    np.testing.assert_array_equal(context.states, [3, 3, 8, 3])
    np.testing.assert_array_equal(context.features, np.eye(10)[[3, 3, 8, 3]])
    # The 5 alone, and of what is not like it the newest.
    np.testing.assert_array_equal(focus([3, 5, 3, 7, 8, 3], 5, num_newest=2).states, [5, 7, 8, 3])


def test_what_is_not_there_is_masked_and_comes_first():
    context = focus([0, 0, 4, 6, 9], 4, num_recalled=3, mask=[False, False, True, True, True])
    np.testing.assert_array_equal(context.mask, [False, True, True, True])
    np.testing.assert_array_equal(context.states[1:], [4, 6, 9])
    # Padding is not recalled, however much it is like the cue.
    context = focus([0, 0, 4, 6, 9], 0, num_recalled=1, mask=[False, False, True, True, True])
    np.testing.assert_array_equal(context.states, [6, 9])


def test_positions_count_from_the_oldest_state_shown():
    def count(positions, num_features):
        return 100 * jnp.broadcast_to(positions[:, None], (*positions.shape, num_features)).astype(jnp.float32)

    context = focus([0, 1, 2, 3, 4], 2, mask=[False, True, True, True, True], encoding=count)
    np.testing.assert_array_equal(context.states, [2, 3, 4])
    np.testing.assert_array_equal(jnp.min(context.features, axis=1), [0, 100, 200])


def test_vmap_and_jit_give_what_each_episode_gives_alone():
    stores = [fill(3, np.random.default_rng(number).normal(size=(number, 2))) for number in range(5)]
    cues = jnp.asarray(np.random.default_rng(9).normal(size=(5, 2)), jnp.float32)
    ask = partial(recall.recall, Recall(num_recalled=2))
    alone = [ask(store, PLANE, cue) for store, cue in zip(stores, cues, strict=True)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *stores)
    together = jax.jit(jax.vmap(lambda store, cue: ask(store, PLANE, cue)))(stacked, cues)
    expected = jax.tree.map(lambda *leaves: jnp.stack(leaves), *alone)
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-6), together, expected)


def test_gradients_are_finite_with_and_without_patterns():
    features = jnp.array([[1.0, 0.0], [0.0, 1.0]])
    for mask in ([True, True], [True, False], [False, False]):

        def first(cue, mask=mask):
            return recall.similarity_weights(cue, features, jnp.array(mask), sharpness=3.0)[0]

        assert np.all(np.isfinite(jax.grad(first)(jnp.array([0.2, 0.1]))))


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="at least 1, not 0"):
        Recall(num_recalled=0)
    with pytest.raises(ValueError, match="above 0, not 0"):
        Recall(sharpness=0.0)
    with pytest.raises(ValueError, match="the memory keeps 2; lower num_recalled"):
        recall.recall(Recall(num_recalled=3), memory.empty(2, PLANE), PLANE, jnp.zeros(2))
    with pytest.raises(ValueError, match="2 states are to be recalled from 1"):
        focus([1, 2], 1)


def test_by_default_one_state_is_recalled_four_times_as_sharply():
    assert Recall() == Recall(num_recalled=1, sharpness=4.0)


def test_as_many_states_as_there_are_may_be_asked_for_and_no_more():
    found = recall.recall(Recall(num_recalled=2), fill(2, [[1.0, 1.0]]), PLANE, jnp.ones(2))
    assert found.mask.tolist() == [True, False]
    with pytest.raises(ValueError, match="3 states are to be recalled, but the memory keeps 2"):
        recall.recall(Recall(num_recalled=3), fill(2, []), PLANE, jnp.ones(2))
    np.testing.assert_array_equal(focus([3, 5, 7], 3, num_recalled=2).states, [3, 5, 7])
    with pytest.raises(ValueError, match="3 states are to be recalled from 2"):
        focus([3, 5, 7], 3, num_recalled=3)
