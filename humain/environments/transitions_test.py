"""Stores of transitions: what goes in comes out, trajectory by trajectory."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.environments import transitions
from humain.environments.transitions import Transitions
from humain.spaces import Continuous, Discrete
from humain.types import Trajectories

SPACES = Continuous(2), Discrete(9)


def episode(length, *, terminated, first=0.0):
    """States first, first + 1, ..., with its negative beside; the action of a step is its number, its reward twice."""
    line = first + np.arange(length + 1, dtype=np.float32)
    actions = np.arange(length, dtype=np.int32)
    return np.stack([line, -line], axis=1), actions, 2 * actions.astype(np.float32), terminated


def together(*episodes, padding=0):
    """Trajectories of episodes."""
    longest = max((len(states) for states, *_ in episodes), default=0)

    def padded(rows):
        return np.stack(
            [np.concatenate([row, np.full((longest - len(row), *row.shape[1:]), padding, row.dtype)]) for row in rows]
        )

    fields: dict[str, Any] = {
        "states": padded([states for states, *_ in episodes]),
        "lengths": np.array([len(states) for states, *_ in episodes], np.int32),
        "actions": padded([actions for _, actions, _, _ in episodes]),
        "rewards": padded([rewards for *_, rewards, _ in episodes]),
        "terminated": np.array([terminated for *_, terminated in episodes]),
    }
    return Trajectories(**fields)


def stored(*episodes, capacity=None):
    return transitions.from_trajectories(together(*episodes), capacity)


def assert_same(found, expected):
    for field in dataclasses.fields(Trajectories):
        array, wanted = getattr(found, field.name), getattr(expected, field.name)
        assert array.dtype == wanted.dtype
        np.testing.assert_array_equal(array, wanted)


def equal(first, second):
    names = (*transitions.FIELDS, "count")
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


EPISODES = [
    episode(3, terminated=True),
    episode(1, terminated=False, first=10),
    episode(1, terminated=True, first=20),
    episode(2, terminated=False, first=30),
]


def test_a_store_of_trajectories_by_hand():
    store = stored(*EPISODES[:2], capacity=6)
    # 0 -> 1 -> 2 -> 3, ended by the world; 10 -> 11, cut off; two places are free.
    np.testing.assert_array_equal(store.states[:, 0], [0, 1, 2, 10, 0, 0])
    np.testing.assert_array_equal(store.next_states[:, 1], [-1, -2, -3, -11, 0, 0])
    np.testing.assert_array_equal(store.actions, [0, 1, 2, 0, 0, 0])
    np.testing.assert_array_equal(store.rewards, [0, 2, 4, 0, 0, 0])
    np.testing.assert_array_equal(store.terminated, [False, False, True, False, False, False])
    np.testing.assert_array_equal(store.truncated, [False, False, False, True, False, False])
    np.testing.assert_array_equal(store.mask, [True] * 4 + [False] * 2)
    assert store.count == 4
    assert (store.states.dtype, store.actions.dtype, store.count.dtype) == (jnp.float32, jnp.int32, jnp.int32)


@pytest.mark.parametrize("capacity", [None, 7, 20])
def test_trajectories_come_back_as_they_were(capacity):
    store = stored(*EPISODES, capacity=capacity)
    assert store.states.shape == (capacity or 7, 2)
    assert_same(transitions.to_trajectories(store), together(*EPISODES))
    assert equal(transitions.from_trajectories(transitions.to_trajectories(store), capacity), store)


def test_padding_says_nothing():
    padded = transitions.from_trajectories(together(*EPISODES, padding=7))
    assert equal(padded, stored(*EPISODES))


def test_actions_may_be_vectors():
    states, actions, rewards, terminated = episode(3, terminated=True)
    vectors = np.stack([actions, actions + 0.5], axis=1).astype(np.float32)
    given = together((states, vectors, rewards, terminated), (states, vectors, rewards, False))
    store = transitions.from_trajectories(given)
    np.testing.assert_array_equal(store.actions, np.concatenate([vectors, vectors]))
    assert_same(transitions.to_trajectories(store), given)


def test_appending_is_the_same_as_storing_at_once():
    store = transitions.empty(9, *SPACES)
    assert not np.any(store.mask)
    for recorded in EPISODES:
        store = transitions.append(store, stored(recorded))
    assert equal(store, stored(*EPISODES, capacity=9))


def test_an_episode_may_be_appended_in_parts():
    whole = stored(episode(5, terminated=True))
    store = transitions.empty(5, *SPACES)
    for part in (slice(0, 2), slice(2, 5)):
        cut = {name: getattr(whole, name)[part] for name in transitions.FIELDS}
        store = transitions.append(store, Transitions(**cut, count=jnp.int32(part.stop - part.start)))
    assert equal(store, whole)


def test_appending_under_jit_neither_recompiles_nor_copies():
    traced = []

    def append(store, new):
        traced.append(True)
        return transitions.append(store, new)

    compiled = jax.jit(append, donate_argnums=0)
    store = transitions.empty(6, *SPACES)
    for first in (0.0, 5.0, 9.0):
        before = store
        store = compiled(before, stored(episode(2, terminated=False, first=first)))
        assert before.states.is_deleted()
    assert len(traced) == 1
    expected = [episode(2, terminated=False, first=first) for first in (0.0, 5.0, 9.0)]
    assert_same(transitions.to_trajectories(store), together(*expected))


def test_stores_side_by_side_are_filled_apart():
    stores = jax.vmap(lambda _: transitions.empty(4, *SPACES))(jnp.arange(2))
    news = [stored(episode(2, terminated=ended, first=3.0 * ended)) for ended in (False, True)]
    filled = jax.vmap(transitions.append)(stores, jax.tree.map(lambda *leaves: jnp.stack(leaves), *news))
    for at, new in enumerate(news):
        alone = transitions.append(transitions.empty(4, *SPACES), new)
        assert equal(transitions.select(filled, at), alone)


def test_the_first_of_full_stores_by_hand():
    # Two stores of four steps: one ends with its second, the other after all.
    both = [stored(episode(2, terminated=True), episode(2, terminated=True)), stored(episode(4, terminated=True))]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *both)
    cut = transitions.first(stacked, 2)
    assert equal(transitions.select(cut, 0), stored(episode(2, terminated=True)))
    assert equal(transitions.select(cut, 1), stored(episode(2, terminated=False)))


def test_what_has_not_ended_when_collecting_does_is_cut_off():
    store = stored(episode(2, terminated=True), episode(3, terminated=False, first=5))
    going_on = dataclasses.replace(store, truncated=jnp.zeros(5, bool))
    expected = together(episode(2, terminated=True), episode(3, terminated=False, first=5))
    assert_same(transitions.to_trajectories(going_on), expected)
    # With no end at all, the steps are one episode.
    no_end = dataclasses.replace(stored(episode(4, terminated=True)), terminated=jnp.zeros(4, bool))
    assert_same(transitions.to_trajectories(no_end), together(episode(4, terminated=False)))


def test_to_end_is_not_to_be_cut_off():
    store = stored(episode(1, terminated=True), episode(1, terminated=False))
    np.testing.assert_array_equal(store.terminated, [True, False])
    np.testing.assert_array_equal(store.truncated, [False, True])
    # Where the cap is reached with the step that the world ends, the world's end counts.
    both = dataclasses.replace(store, truncated=jnp.ones(2, bool))
    np.testing.assert_array_equal(transitions.to_trajectories(both).terminated, [True, False])


def test_an_empty_store_has_no_trajectories():
    for capacity in (0, 3):
        assert transitions.to_trajectories(transitions.empty(capacity, *SPACES)).lengths.shape == (0,)


@pytest.mark.parametrize(
    ("recorded", "capacity", "message"),
    [
        ([episode(0, terminated=False)], 5, "a store of 5 transitions can't be made of 1 trajectories with 0 steps"),
        (EPISODES, 6, "a store of 6 transitions can't be made of 4 trajectories with 7 steps"),
        ([EPISODES[0], episode(0, terminated=False)], None, "at least one step, and number 1 has none; leave it out"),
    ],
)
def test_what_makes_no_store_is_refused(recorded, capacity, message):
    with pytest.raises(ValueError, match=message):
        stored(*recorded, capacity=capacity)


def test_trajectories_without_actions_are_refused_and_rewards_may_be_missing():
    given = together(*EPISODES)
    with pytest.raises(ValueError, match="transitions need actions, and these trajectories have none"):
        transitions.from_trajectories(dataclasses.replace(given, actions=None))
    store = transitions.from_trajectories(dataclasses.replace(given, rewards=None, terminated=None))
    np.testing.assert_array_equal(store.rewards, np.zeros(7))
    assert not np.any(store.terminated)
    np.testing.assert_array_equal(np.flatnonzero(store.truncated), [2, 3, 4, 6])


def test_a_store_may_be_just_as_large_as_its_steps():
    assert stored(*EPISODES, capacity=7).states.shape == (7, 2)
    assert transitions.append(stored(EPISODES[0], capacity=5), stored(EPISODES[3])).count == 5


def test_all_fields_have_the_first_steps_and_how_many_they_are():
    stacked = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), stored(episode(4, terminated=True)))
    cut = transitions.first(stacked, 1)
    assert (cut.states.shape, cut.count.tolist(), cut.truncated.tolist()) == ((2, 1, 2), [1, 1], [[True], [True]])
    whole = transitions.first(stacked, 4)
    assert whole.truncated[:, -1].tolist() == [False, False]
    assert transitions.select(stacked, 1).count == 4
