"""The ring buffer against values worked out by hand, and against a plain list."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.hippocampus import encodings, memory
from humain.spaces import Continuous, Discrete

SPACE = Discrete(10)


def show(store, state, length):
    return memory.context(store, jnp.int32(state), length=length, space=SPACE, encoding=encodings.none)


def fill(capacity, states):
    store = memory.empty(capacity, SPACE)
    for state in states:
        store = memory.append(store, jnp.int32(state))
    return store


def test_an_empty_memory_shows_the_present_state_alone():
    context = show(memory.empty(3, SPACE), 7, 3)
    np.testing.assert_array_equal(context.mask, [False, False, True])
    assert context.states[-1] == 7


def test_the_context_is_in_time_order_with_the_present_last():
    context = show(fill(3, [1, 2]), 7, 3)
    np.testing.assert_array_equal(context.states, [1, 2, 7])
    np.testing.assert_array_equal(context.mask, [True, True, True])
    np.testing.assert_array_equal(context.features, np.eye(10)[[1, 2, 7]])


def test_the_ring_wraps_around():
    # Capacity 3: 4 lies where 1 lay, 5 where 2 lay.
    store = fill(3, [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(store.states, [4, 5, 3])
    np.testing.assert_array_equal(show(store, 6, 4).states, [3, 4, 5, 6])
    np.testing.assert_array_equal(show(store, 6, 2).states, [5, 6])


@pytest.mark.parametrize(("capacity", "length"), [(1, 1), (1, 2), (2, 2), (2, 3), (5, 1), (5, 3), (5, 6)])
def test_the_context_is_the_end_of_a_plain_list(capacity, length):
    store, told = memory.empty(capacity, SPACE), list[int]()
    for state in [3, 1, 4, 1, 5, 9, 2, 6]:
        context = show(store, state, length)
        expected = (told + [state])[-length:]
        np.testing.assert_array_equal(context.states[context.mask], expected)
        np.testing.assert_array_equal(context.mask, np.arange(length) >= length - len(expected))
        store, told = memory.append(store, jnp.int32(state)), told + [state]


def test_what_is_not_present_is_not_stored():
    store = memory.append(fill(2, [1]), jnp.int32(8), False)
    np.testing.assert_array_equal(store.states, [1, 0])
    assert store.count == 1


def test_refresh_forgets_all_and_only_when_told():
    store = fill(2, [1, 2, 3])
    np.testing.assert_array_equal(show(memory.refresh(store, False), 4, 3).mask, [True, True, True])
    refreshed = memory.refresh(store)
    np.testing.assert_array_equal(show(refreshed, 4, 3).mask, [False, False, True])
    context = show(memory.append(refreshed, jnp.int32(9)), 4, 3)
    np.testing.assert_array_equal(context.states[context.mask], [9, 4])


def test_a_memory_without_room_shows_the_present_state():
    store = memory.append(memory.empty(0, SPACE), jnp.int32(3))
    context = show(store, 5, 1)
    np.testing.assert_array_equal(context.states, [5])
    np.testing.assert_array_equal(context.mask, [True])


def test_positions_count_from_the_oldest_state_shown():
    def count(positions, num_features):
        return jnp.broadcast_to(positions[:, None], (*positions.shape, num_features)).astype(jnp.float32)

    space = Continuous(1)
    store = memory.empty(2, space)
    expected = [[0.0], [0, 1], [0, 1, 2], [0, 1, 2], [0, 1, 2]]
    for positions in expected:
        context = memory.context(store, jnp.zeros(1), length=3, space=space, encoding=count)
        np.testing.assert_array_equal(context.features[context.mask, 0], positions)
        store = memory.append(store, jnp.zeros(1))


def test_vectors_are_stored_too():
    space = Continuous(2)
    store = memory.append(memory.empty(1, space), jnp.array([1.0, 2.0]))
    context = memory.context(store, jnp.array([3.0, 4.0]), length=2, space=space, encoding=encodings.none)
    np.testing.assert_array_equal(context.states, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(context.features, [[1, 2], [3, 4]])


def test_vmap_gives_what_each_episode_gives_alone():
    episodes = [fill(3, [1, 2, 3, 4]), fill(3, []), fill(3, [5])]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *episodes)
    present = jnp.array([True, True, False])
    states = jnp.array([7, 8, 9])
    together = jax.jit(jax.vmap(memory.append))(stacked, states, present)
    show_all = jax.vmap(partial(memory.context, length=3, space=SPACE, encoding=encodings.sinusoidal))
    contexts = show_all(jax.vmap(memory.refresh)(together, jnp.array([False, False, True])), jnp.array([0, 1, 2]))
    np.testing.assert_array_equal(contexts.mask, [[True] * 3, [False, True, True], [False, False, True]])
    np.testing.assert_array_equal(contexts.states[0], [4, 7, 0])
    np.testing.assert_array_equal(contexts.states[1, 1:], [8, 1])
    np.testing.assert_array_equal(contexts.states[2, 2:], [2])


def test_a_negative_capacity_is_refused():
    with pytest.raises(ValueError, match="at least 0, not -1"):
        memory.empty(-1, SPACE)


@pytest.mark.parametrize("length", [0, 4])
def test_a_length_that_the_memory_cannot_fill_is_refused(length):
    with pytest.raises(ValueError, match=f"a context of {length} states"):
        show(memory.empty(2, SPACE), 0, length)


def test_by_default_a_state_is_present_and_a_refresh_happens():
    store = memory.append(memory.empty(2, SPACE), jnp.int32(3))
    assert (store.states[0], store.count) == (3, 1)
    assert memory.refresh(store).count == 0


def test_a_memory_without_room_counts_what_it_is_given():
    store = memory.empty(0, SPACE)
    for present in (True, False, True):
        store = memory.append(store, jnp.int32(3), present)
    assert (store.states.shape, store.count) == ((0,), 2)


@pytest.mark.parametrize("length", [1, 4])
def test_a_context_may_be_as_long_as_the_memory_and_one_more(length):
    store = memory.empty(3, SPACE)
    for state in (5, 6, 7, 8):
        store = memory.append(store, jnp.int32(state))
    found = memory.context(store, jnp.int32(9), length=length, space=SPACE, encoding=encodings.none)
    assert found.states.tolist() == [6, 7, 8, 9][-length:]
    for wrong in (0, 5):
        with pytest.raises(
            ValueError, match=f"a context of {wrong} states needs a memory of at least {wrong - 1}, but"
        ):
            memory.context(store, jnp.int32(9), length=wrong, space=SPACE, encoding=encodings.none)
