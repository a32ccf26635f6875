"""Stores of steps: what goes in comes out, episode by episode."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tasks.control import steps
from tasks.control.steps import Episode, Steps


def episode(length, *, terminated, first=0.0):
    """States first, first + 1, ..., with its negative beside; the action of a step is its number."""
    line = first + np.arange(length + 1, dtype=np.float32)
    return Episode(np.stack([line, -line], axis=1), np.arange(length, dtype=np.int32), terminated)


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.observations, other.observations)
        np.testing.assert_array_equal(one.actions, other.actions)
        assert one.terminated is other.terminated


def equal(first, second):
    return all(
        np.array_equal(getattr(first, field.name), getattr(second, field.name)) for field in dataclasses.fields(Steps)
    )


EPISODES = [
    episode(3, terminated=True),
    episode(1, terminated=False, first=10),
    episode(1, terminated=True, first=20),
    episode(2, terminated=False, first=30),
]


def test_a_store_of_episodes_by_hand():
    store = steps.from_episodes(EPISODES[:2], capacity=6)
    # 0 -> 1 -> 2 -> 3, ended by the world; 10 -> 11, cut off; two places are free.
    np.testing.assert_array_equal(store.states[:, 0], [0, 1, 2, 10, 0, 0])
    np.testing.assert_array_equal(store.next_states[:, 1], [-1, -2, -3, -11, 0, 0])
    np.testing.assert_array_equal(store.actions, [0, 1, 2, 0, 0, 0])
    np.testing.assert_array_equal(store.terminated, [False, False, True, False, False, False])
    np.testing.assert_array_equal(store.truncated, [False, False, False, True, False, False])
    np.testing.assert_array_equal(store.mask, [True] * 4 + [False] * 2)
    assert store.count == 4
    assert (store.states.dtype, store.actions.dtype, store.count.dtype) == (jnp.float32, jnp.int32, jnp.int32)


@pytest.mark.parametrize("capacity", [None, 7, 20])
def test_episodes_come_back_as_they_were(capacity):
    store = steps.from_episodes(EPISODES, capacity)
    assert store.states.shape == (capacity or 7, 2)
    assert_same(steps.episodes(store), EPISODES)
    assert equal(steps.from_episodes(steps.episodes(store), capacity), store)


def test_appending_is_the_same_as_storing_at_once():
    store = steps.empty(9, 2)
    assert not np.any(store.mask)
    for recorded in EPISODES:
        store = steps.append(store, steps.from_episodes([recorded]))
    assert equal(store, steps.from_episodes(EPISODES, capacity=9))


def test_an_episode_may_be_appended_in_parts():
    whole = steps.from_episodes([episode(5, terminated=True)])
    store = steps.empty(5, 2)
    for part in (slice(0, 2), slice(2, 5)):
        cut = {field.name: getattr(whole, field.name)[part] for field in dataclasses.fields(Steps)[:-1]}
        store = steps.append(store, Steps(**cut, count=jnp.int32(part.stop - part.start)))
    assert equal(store, whole)


def test_appending_under_jit_neither_recompiles_nor_copies():
    traced = []

    def append(store, new):
        traced.append(True)
        return steps.append(store, new)

    compiled = jax.jit(append, donate_argnums=0)
    store = steps.empty(6, 2)
    for first in (0.0, 5.0, 9.0):
        before = store
        store = compiled(before, steps.from_episodes([episode(2, terminated=False, first=first)]))
        assert before.states.is_deleted()
    assert len(traced) == 1
    assert_same(steps.episodes(store), [episode(2, terminated=False, first=first) for first in (0.0, 5.0, 9.0)])


def test_stores_side_by_side_are_filled_apart():
    stores = jax.vmap(lambda _: steps.empty(4, 2))(jnp.arange(2))
    news = [steps.from_episodes([episode(2, terminated=ended, first=3.0 * ended)]) for ended in (False, True)]
    together = jax.vmap(steps.append)(stores, jax.tree.map(lambda *leaves: jnp.stack(leaves), *news))
    for at, new in enumerate(news):
        assert equal(jax.tree.map(lambda leaf, at=at: leaf[at], together), steps.append(steps.empty(4, 2), new))


def test_what_has_not_ended_when_collecting_does_is_cut_off():
    store = steps.from_episodes([episode(2, terminated=True), episode(3, terminated=False, first=5)])
    going_on = dataclasses.replace(store, truncated=jnp.zeros(5, bool))
    assert_same(steps.episodes(going_on), [episode(2, terminated=True), episode(3, terminated=False, first=5)])
    # With no end at all, the steps are one episode.
    no_end = dataclasses.replace(steps.from_episodes([episode(4, terminated=True)]), terminated=jnp.zeros(4, bool))
    assert_same(steps.episodes(no_end), [episode(4, terminated=False)])


def test_to_end_is_not_to_be_cut_off():
    store = steps.from_episodes([episode(1, terminated=True), episode(1, terminated=False)])
    np.testing.assert_array_equal(store.terminated, [True, False])
    np.testing.assert_array_equal(store.truncated, [False, True])
    # Where the cap is reached with the step that the world ends, the world's end counts.
    both = dataclasses.replace(store, truncated=jnp.ones(2, bool))
    assert [found.terminated for found in steps.episodes(both)] == [True, False]


def test_an_empty_store_has_no_episodes():
    assert steps.episodes(steps.empty(3, 2)) == []
    assert steps.episodes(steps.empty(0, 2)) == []


@pytest.mark.parametrize(
    ("recorded", "capacity", "message"),
    [
        ([], None, "a store of 0 steps can't be made of 0 episodes with 0 steps"),
        ([], 5, "a store of 5 steps can't be made of 0 episodes with 0 steps"),
        ([episode(0, terminated=False)], 5, "a store of 5 steps can't be made of 1 episodes with 0 steps"),
        (EPISODES, 6, "a store of 6 steps can't be made of 4 episodes with 7 steps"),
        ([EPISODES[0], episode(0, terminated=False)], None, "at least one step, and episode 1 has none; leave it out"),
    ],
)
def test_what_makes_no_store_is_refused(recorded, capacity, message):
    with pytest.raises(ValueError, match=message):
        steps.from_episodes(recorded, capacity)
