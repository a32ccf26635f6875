"""What every learned world must do. //humain/world:conformance_test runs these checks over all of them.

All learn the same toy world with a known answer: a point on a line with a speed (`humain.testing.point`), which no step
can leave, but which ends beyond a place. Normalised, its steps are linear.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from humain.environments import collecting, transitions
from humain.environments.transitions import Transitions
from humain.testing import point
from humain.testing.point import PointWorld
from humain.types import Array
from humain.world.world import Branches, World, WorldState

ENVIRONMENT = PointWorld()
_NUM_STEPS = 400

MakeWorld = Callable[[], World]
"""Makes the world under test, for the actions of `ENVIRONMENT`."""


def _key() -> jax.Array:
    """What all fits are given: as each consumes it, it is made anew."""
    return jax.random.key(3)


def experience() -> Transitions:
    """Random steps about the middle, within 3 or so, and some places free."""
    walks = collecting.collect(ENVIRONMENT, jax.random.key(0), num_steps=_NUM_STEPS, num_environments=4)
    store = transitions.from_trajectories(walks, _NUM_STEPS + 20)
    middle = jnp.mean(store.states[:_NUM_STEPS], axis=0)[None]
    return dataclasses.replace(store, states=store.states - middle, next_states=store.next_states - middle)


def questions(num_states: int = 5) -> tuple[Array, Array]:
    """States `[B, 2]` near the middle, and sequences `[3, 6]`: to the left, to the right, and both in turn."""
    places = jnp.linspace(-0.5, 0.5, num_states)
    sequences = jnp.array([[0] * 6, [2] * 6, [2, 0] * 3], jnp.int32)
    return jnp.stack([places, jnp.zeros(num_states)], axis=1), sequences


def _every_state(branches: Branches, num_steps: int) -> Array:
    """`[B, J, T + 1, D]`."""
    sizes = branches.num_states, branches.actions.shape[0], num_steps + 1
    rows, sequences, times = jnp.meshgrid(*(jnp.arange(size) for size in sizes), indexing="ij", sparse=True)
    return branches.states(rows, sequences, times)


def _lives(world: World, state: WorldState, branches: Branches) -> tuple[Array, Array]:
    """What `survey` shows: whether states are known, and their first coordinate; `[T, B, J]` each."""
    places, lives = world.survey(state, branches, lambda here: here[0])
    assert places.shape == lives.shape == (branches.actions.shape[1], branches.num_states, branches.actions.shape[0])
    return lives, places


def _fitted(make: MakeWorld) -> tuple[World, WorldState]:
    world = make()
    return world, jax.jit(world.fit)(experience(), _key())


def a_world_is_hashable(make: MakeWorld) -> None:
    """It is a static argument: made twice, it is the same."""
    assert make() == make()
    assert hash(make()) == hash(make())
    assert make().actions == ENVIRONMENT.actions


def steps_are_those_of_the_environment(make: MakeWorld) -> None:
    """Where there is experience, the learned step is the true one, to a twentieth of the longest."""
    world, state = _fitted(make)
    given = experience()
    predicted = world.step(state, given.states[:_NUM_STEPS], given.actions[:_NUM_STEPS])
    errors = np.abs(predicted - given.next_states[:_NUM_STEPS])
    assert np.median(errors) < point.LONGEST_STEP / 20


def what_was_experienced_is_known_and_what_is_far_is_not(make: MakeWorld) -> None:
    """Most states that were met are known; a hundred times as far out in all coordinates nothing is."""
    world, state = _fitted(make)
    states = experience().states[:_NUM_STEPS]
    assert np.mean(world.known(state, states)) > 0.8
    assert not np.any(world.known(state, jnp.array([[400.0, 400.0], [-400.0, -400.0]])))


def the_known_region_reaches_as_far_as_it_says(make: MakeWorld) -> None:
    """Within `extent` a coordinate alone is known, and some way beyond it is not; one without end is free."""
    world, state = _fitted(make)
    for place, bounds in enumerate(zip(*world.extent(state), strict=True)):
        for sign, bound in zip((-1, 1), bounds, strict=True):
            assert sign * bound > 0
            if np.isinf(bound):
                assert world.free(state)[place]
                assert world.known(state, jnp.zeros(2).at[place].set(sign * 400.0))
                continue
            for share, expected in ((0.95, True), (1.5, False)):
                there = jnp.zeros(2).at[place].set(share * bound)
                assert bool(world.known(state, there)) is expected, (place, sign, share)


def a_coordinate_that_steps_depend_on_is_not_free(make: MakeWorld) -> None:
    """The place changes with the speed."""
    world, state = _fitted(make)
    free = world.free(state)
    assert (free.shape, free.dtype) == ((2,), bool)
    assert not free[1]


def branches_are_steps_one_after_the_other(make: MakeWorld) -> None:
    """Every state of a branch is the learned step from the one before."""
    world, state = _fitted(make)
    states, sequences = questions()
    branches = world.branch(state, states, sequences)
    assert branches.num_states == 5
    np.testing.assert_array_equal(branches.actions, sequences)
    found = _every_state(branches, 6)
    np.testing.assert_allclose(found[:, :, 0], np.broadcast_to(states[:, None], (5, 3, 2)), atol=1e-6)
    for time in range(6):
        actions = jnp.broadcast_to(sequences[:, time], (5, 3))
        expected = world.step(state, found[:, :, time], actions)
        np.testing.assert_allclose(found[:, :, time + 1], expected, atol=1e-4)


def what_is_visited_is_what_the_branches_are(make: MakeWorld) -> None:
    """`survey` shows the states of the branches, and of each what `known` says of it."""
    world, state = _fitted(make)
    # Sixteen steps to one side, so that some are not known any more where the place matters.
    sequences = jnp.array([[0] * 40, [2] * 40, [2, 0] * 20], jnp.int32)
    states, _ = questions()
    branches = world.branch(state, states, sequences)
    lives, places = _lives(world, state, branches)
    paths = jnp.moveaxis(_every_state(branches, 40)[:, :, 1:], 2, 0)
    np.testing.assert_allclose(places, paths[..., 0], atol=1e-4)
    agree = np.asarray(lives == world.known(state, paths))
    # At the very edge rounding may decide.
    assert agree.mean() > 0.99
    assert np.sum(lives) > 0
    assert np.sum(lives) < lives.size or world.free(state)[0]


def nothing_is_known_without_experience(make: MakeWorld) -> None:
    """Of no transition at all nothing is known, and numbers stay finite."""
    world = make()
    state = world.fit(dataclasses.replace(experience(), count=jnp.int32(0)), _key())
    states, sequences = questions()
    branches = world.branch(state, states, sequences)
    assert not np.any(world.known(state, states))
    assert not np.any(_lives(world, state, branches)[0])
    assert np.all(np.isfinite(_every_state(branches, 6)))


def free_places_say_nothing(make: MakeWorld) -> None:
    """What lies behind `count` in a store is not learned from."""
    world = make()
    given = experience()
    other = dataclasses.replace(given, states=given.states.at[_NUM_STEPS:].set(9e3))
    first, second = (world.fit(store, _key()) for store in (given, other))
    jax.tree.map(np.testing.assert_array_equal, first, second)


def jit_and_vmap_change_nothing_and_nothing_recompiles(make: MakeWorld) -> None:
    """Seeds side by side are the seeds one by one."""
    world = make()
    traced = []

    def imagine(given: Transitions, key: jax.Array, states: Array, sequences: Array) -> Any:
        traced.append(True)
        state = world.fit(given, key)
        branches = world.branch(state, states, sequences)
        return world.step(state, states, sequences[0, :1].repeat(5)), _lives(world, state, branches)[1]

    given = experience()
    later = jax.tree.map(lambda leaf: leaf[::-1] if leaf.ndim else leaf - 20, given)
    stores = jax.tree.map(lambda *leaves: jnp.stack(leaves), given, later)
    states, sequences = questions()
    compiled = jax.jit(imagine)
    alone = [compiled(store, _key(), states, sequences) for store in (given, later)]
    assert len(traced) == 1
    # One key for both: keys along the axis would look to JAX as if each was used twice.
    together = jax.jit(jax.vmap(imagine, in_axes=(0, None, None, None)))(stores, _key(), states, sequences)
    for at, expected in enumerate(alone):
        found = jax.tree.map(lambda leaf, at=at: leaf[at], together)
        jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, atol=1e-3), found, expected)


CHECKS: tuple[Callable[[MakeWorld], None], ...] = (
    a_world_is_hashable,
    steps_are_those_of_the_environment,
    what_was_experienced_is_known_and_what_is_far_is_not,
    the_known_region_reaches_as_far_as_it_says,
    a_coordinate_that_steps_depend_on_is_not_free,
    branches_are_steps_one_after_the_other,
    what_is_visited_is_what_the_branches_are,
    nothing_is_known_without_experience,
    free_places_say_nothing,
    jit_and_vmap_change_nothing_and_nothing_recompiles,
)
