"""Imagined futures: by hand on a line, and against a plain loop."""

import dataclasses
import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric
from humain.environments.actions import DiscreteActions
from humain.environments.transitions import Transitions
from humain.kernels.linear import LinearConfig
from humain.layer import Layer
from humain.spaces import Continuous, Discrete
from humain.world import dynamics, imagination, limits
from humain.world.linear import LinearWorld, LinearWorldState

INF = np.inf
TWO, THREE = (LinearWorld(DiscreteActions(number), max_leverage=1.0) for number in (2, 3))
"""Kinds of worlds; how much leverage is known is what each test says."""


def line(*, lower=-INF, upper=INF, max_leverage=INF):
    """A line on which action 0 goes 1 to the left and action 1 goes 1 to the right; the leverage of x is x**2."""
    # Features: x, action 0, action 1, a constant.
    return LinearWorldState(
        dynamics=dynamics.LinearDynamics(
            weights=jnp.array([[0.0], [-1.0], [1.0], [0.0]]), root=jnp.zeros((4, 4)).at[0, 0].set(1.0)
        ),
        limits=limits.Limits(lower=jnp.array([lower]), upper=jnp.array([upper])),
        max_leverage=jnp.float32(max_leverage),
        num_steps=jnp.int32(1),
    )


def experience(seed=0, num_steps=60, lowest=-INF):
    """Steps of a noisy linear world of two coordinates, which ends where the first is above 1, or below `lowest`."""
    rng = np.random.default_rng(seed)
    states = rng.uniform(-1, 1, (num_steps, 2)).astype(np.float32)
    actions = rng.integers(0, 3, num_steps)
    following = 0.9 * states[:, ::-1] + np.eye(3)[actions] @ np.array([[0.5, 0.0], [0.0, -0.5], [-0.5, 0.5]])
    following += 0.01 * rng.normal(size=following.shape)
    following = following.astype(np.float32)
    return Transitions(
        states=jnp.asarray(states),
        actions=jnp.asarray(actions),
        rewards=jnp.zeros(num_steps),
        next_states=jnp.asarray(following),
        terminated=jnp.asarray((following[:, 0] > 1) | (following[:, 0] < lowest)),
        truncated=jnp.zeros(num_steps, bool),
        count=jnp.int32(num_steps),
    )


def fitted(transitions, max_leverage):
    return LinearWorld(DiscreteActions(3), max_leverage=max_leverage).fit(transitions, jax.random.key(0))


def questions(seed=0, num_states=4, num_sequences=3, num_steps=5):
    rng = np.random.default_rng(seed)
    states = rng.uniform(-1, 1, (num_states, 2)).astype(np.float32)
    actions = rng.integers(0, 3, (num_sequences, num_steps)).astype(np.int32)
    return jnp.asarray(states), jnp.asarray(actions)


def every_state(branches):
    """All states of all branches: `[B, J, T + 1, D]`."""
    num_states, num_times, _ = branches.drift.shape
    rows, sequences, times = np.ix_(range(num_states), range(branches.shift.shape[0]), range(num_times))
    return branches.states(rows, sequences, times)


def first(coordinates):
    """A value: the first coordinate itself."""
    return coordinates[0]


def scaled(factor, coordinates):
    """A value: a multiple of the first coordinate."""
    return factor * coordinates[0]


def followed(world, states, actions, num_actions):
    """Paths and lives in plain loops, a branch and a step at a time."""
    weights, root = np.asarray(world.dynamics.weights), np.asarray(world.dynamics.root)
    lower, upper = np.asarray(world.limits.lower), np.asarray(world.limits.upper)
    num_states, (num_sequences, num_steps) = len(states), actions.shape
    paths = np.zeros((num_states, num_sequences, num_steps + 1, states.shape[1]), np.float32)
    alive = np.zeros((num_states, num_sequences, num_steps), bool)
    for b, j in itertools.product(range(num_states), range(num_sequences)):
        here, lives = np.asarray(states[b]), True
        paths[b, j, 0] = here
        for t in range(num_steps):
            features = np.concatenate([here, np.eye(num_actions)[actions[j, t]], [1.0]])
            here = here + features @ weights
            undecided = np.concatenate([here, np.full(num_actions, 1 / num_actions), [1.0]])
            within = np.all(lower <= here) and np.all(here <= upper)
            near = np.sum((undecided @ root) ** 2) <= float(world.max_leverage)
            lives = bool(lives and within and near)
            paths[b, j, t + 1], alive[b, j, t] = here, lives
    return paths, alive


def test_a_branch_by_hand():
    branches = TWO.branch(line(), jnp.array([[0.0], [10.0]]), jnp.array([[1, 1, 0], [0, 0, 0]]))
    # From 0 and from 10, first to the right, right, left, then three times to the left.
    expected = [[[0, 1, 2, 1], [0, -1, -2, -3]], [[10, 11, 12, 11], [10, 9, 8, 7]]]
    np.testing.assert_array_equal(every_state(branches)[..., 0], expected)
    np.testing.assert_array_equal(branches.actions, [[1, 1, 0], [0, 0, 0]])
    assert branches.states(jnp.array([1]), jnp.array([0]), jnp.array([2])) == 12


def test_a_judgement_by_hand():
    branches = TWO.branch(line(), jnp.array([[0.0], [10.0]]), jnp.array([[1, 1, 0]]))
    total, final, alive = imagination.judge(TWO, line(), branches, first, discount=0.5)
    # Weights 1/2, 1/4, 1/8 of 1, 2, 1 and of 11, 12, 11.
    np.testing.assert_array_equal(total, [[1.125], [9.875]])
    np.testing.assert_array_equal(final, [[1], [11]])
    assert np.all(alive)


@pytest.mark.parametrize(
    ("side", "bounds"),
    [(1, {"upper": 2.5}), (-1, {"lower": -2.5}), (1, {"max_leverage": 6.25}), (-1, {"max_leverage": 6.25})],
)
def test_what_leaves_the_known_region_is_dead_for_good(side, bounds):
    # To one side until 3, outside of 2.5 (whose square is 6.25), and back to 1: nothing lives again.
    world = line(**bounds)
    outward = np.array([[1, 1, 1, 0, 0], [1, 1, 0, 0, 0]])
    branches = TWO.branch(world, jnp.array([[0.0]]), jnp.asarray(outward if side == 1 else 1 - outward))
    np.testing.assert_array_equal(TWO.known(world, every_state(branches)[0, 0]), [True, True, True, False, True, True])
    total, final, alive = imagination.judge(TWO, world, branches, partial(scaled, side), discount=0.5)
    # 1/2 * 1 + 1/4 * 2, and nothing after it; and 1/2 * 1 + 1/4 * 2 + 1/8 * 1 + 1/16 * 0 - 1/32 * 1.
    np.testing.assert_array_equal(total, [[1.0, 1.09375]])
    np.testing.assert_array_equal(final, [[0, -1]])
    np.testing.assert_array_equal(alive, [[False, True]])


def pushes(world, actions, returns, *, num_times):
    """Examples of a layer alone from 0, on the best of some sequences, which is the second; values are states."""
    kernel = LinearConfig(num_slots=1, num_keys=2).build(Continuous(1), Discrete(2))
    branches = TWO.branch(world, jnp.array([[0.0]]), jnp.array(actions))
    return imagination.best_push_examples(
        Layer(Cortex(kernel, Geometric(0.9))),
        branches,
        goals=jnp.array([[7.0]]),
        best=jnp.array([1]),
        returns=jnp.array([returns]),
        value=lambda states, goals: states[:, 0] + 0 * goals[:, 0],
        known=partial(TWO.known, world),
        discount=0.5,
        num_times=num_times,
    )


def test_what_a_layer_alone_learns_from_the_best_branch_by_hand():
    # Right, right, left: 1, 2, 1, worth 1/2 * 1 + 1/4 * 2 + 1/8 * 1 = 1.125 with nothing beyond. From 1 on
    # 1/2 * 2 + 1/4 * 1 = 1.25, from 2 on 1/2 * 1 = 0.5.
    found = pushes(line(), [[0, 0, 0], [1, 1, 0]], 1.125, num_times=3)
    np.testing.assert_array_equal(found.targets, [1, 1, 0])
    np.testing.assert_array_equal(found.context.states[:, -1, 0], [0, 1, 2])
    np.testing.assert_array_equal(found.goals, [[7.0]] * 3)
    np.testing.assert_allclose(found.scores, [1.125, 1.25, 0.5])
    assert np.all(found.mask)
    # What lies beyond counts twice as much from each step to the next: 1.125 + 1/8 * 4.
    beyond = pushes(line(), [[0, 0, 0], [1, 1, 0]], 1.625, num_times=2)
    np.testing.assert_allclose(beyond.scores, [1.625, 2.25])
    # 2 is not known: what is done there is no example, and the way to it is worth 1/2 * 1.
    ends = pushes(line(upper=1.5), [[0, 0, 0], [1, 1, 0]], 0.5, num_times=3)
    np.testing.assert_array_equal(ends.mask, [True, True, False])
    np.testing.assert_allclose(ends.scores[:2], [0.5, 0])


def test_what_is_dead_is_worth_nothing_whatever_it_would_have_been():
    world = line(upper=-1.0)
    branches = TWO.branch(world, jnp.array([[0.0]]), jnp.array([[1, 1]]))
    for strange in (INF, np.nan):
        worth = partial(scaled, strange)
        total, final, alive = imagination.judge(TWO, world, branches, worth, discount=0.5)
        assert total == final == 0
        assert not alive


@pytest.mark.parametrize("discount", [0.1, 0.5, 0.99])
def test_a_constant_value_goes_on_for_ever_with_what_lies_beyond(discount):
    branches = TWO.branch(line(), jnp.zeros((3, 1)), jnp.array([[1, 0, 1, 0, 1, 0]]))
    total, final, _ = imagination.judge(TWO, line(), branches, lambda here: 0 * here[0] + 0.25, discount=discount)
    np.testing.assert_allclose(total + discount**6 * final, np.full((3, 1), 0.25), rtol=1e-5)


def test_without_experience_nothing_is_known():
    world = fitted(dataclasses.replace(experience(), count=jnp.int32(0)), max_leverage=1.0)
    states, actions = questions()
    branches = THREE.branch(world, states, actions)
    assert not np.any(imagination.judge(THREE, world, branches, first, discount=0.5).alive)
    assert np.all(np.isfinite(every_state(branches)))


def test_a_world_is_made_of_what_was_experienced():
    given = dataclasses.replace(experience(), count=jnp.int32(50))
    world = fitted(given, max_leverage=0.25)
    kept = np.asarray(given.next_states)[:50][~np.asarray(given.terminated)[:50]]
    # What ends is beyond 1 in the first coordinate, to which a step led; the others are no limits.
    np.testing.assert_array_equal(world.limits.upper, [kept[:, 0].max(), INF])
    np.testing.assert_array_equal(world.limits.lower, [-INF, -INF])
    features = jnp.eye(3)[given.actions]
    alone = dynamics.fit(given.states, features, given.next_states, given.mask)
    np.testing.assert_array_equal(THREE.step(world, given.states, given.actions), alone.step(given.states, features))
    assert world.max_leverage.dtype == jnp.float32
    # No states have no branches.
    nothing = THREE.branch(world, jnp.zeros((0, 2)), jnp.zeros((3, 4), jnp.int32))
    assert every_state(nothing).shape == (0, 3, 5, 2)
    assert imagination.judge(THREE, world, nothing, first, discount=0.5).along.shape == (0, 3)


def test_what_no_step_depends_on_is_free_and_never_far():
    # A place moves by half the speed, and the speed by a push: nothing is of the place.
    given = experience()
    pushed = jnp.eye(3)[given.actions] @ jnp.array([-0.5, 0.0, 0.5])
    following = given.states + jnp.stack([0.5 * given.states[:, 1], pushed], axis=1)
    nowhere = jnp.zeros_like(given.terminated)
    world = fitted(dataclasses.replace(given, next_states=following, terminated=nowhere), max_leverage=0.5)
    np.testing.assert_array_equal(THREE.free(world), [True, False])
    np.testing.assert_array_equal(THREE.known(world, jnp.array([[1e6, 0.0], [0.0, 1e6]])), [True, False])
    lower, upper = THREE.extent(world)
    np.testing.assert_array_equal(jnp.isinf(jnp.stack([lower, upper])), [[True, False]] * 2)
    # Where each coordinate moves the other, none is.
    np.testing.assert_array_equal(THREE.free(fitted(experience(), max_leverage=0.5)), [False, False])


def test_the_bounds_themselves_are_known():
    world = line(lower=-1.0, upper=2.0, max_leverage=4.0)
    states = jnp.array([[-1.25], [-1.0], [2.0], [2.25]])
    np.testing.assert_array_equal(TWO.known(world, states), [False, True, True, False])
    np.testing.assert_array_equal(TWO.known(line(max_leverage=4.0), 2 * states), [False, True, False, False])


@pytest.mark.parametrize(("max_leverage", "lowest"), [(0.1, -INF), (0.5, -INF), (INF, -INF), (INF, -0.8)])
def test_branches_and_judgements_are_those_of_a_plain_loop(max_leverage, lowest):
    world = fitted(experience(lowest=lowest), max_leverage=max_leverage)
    # The world ends on both sides, or on one.
    assert np.isfinite(world.limits.lower[0]) == np.isfinite(lowest)
    states, actions = questions(num_states=20)
    branches = THREE.branch(world, states, actions)
    paths, lives = followed(world, states, np.asarray(actions), 3)
    np.testing.assert_allclose(every_state(branches), paths, atol=1e-5)
    total, final, alive = imagination.judge(THREE, world, branches, first, discount=0.9)
    worth = np.where(lives, paths[:, :, 1:, 0], 0)
    np.testing.assert_allclose(total, worth @ (0.1 * 0.9 ** np.arange(5)), atol=1e-5)
    np.testing.assert_allclose(final, worth[..., -1], atol=1e-5)
    np.testing.assert_array_equal(alive, lives[..., -1])
    assert 0 < lives.sum() < lives.size


def test_jit_and_vmap_change_nothing():
    def both(world, states, actions):
        branches = THREE.branch(world, states, actions)
        return branches, imagination.judge(THREE, world, branches, first, discount=0.9)

    worlds = [fitted(experience(seed), max_leverage=0.5) for seed in range(3)]
    asked = [questions(seed) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *worlds)
    states, actions = (jnp.stack(parts) for parts in zip(*asked, strict=True))
    together = jax.jit(jax.vmap(both))(stacked, states, actions)
    for at in range(3):
        alone = both(worlds[at], states[at], actions[at])
        jax.tree.map(
            lambda whole, part, at=at: np.testing.assert_allclose(
                np.asarray(whole[at], float), np.asarray(part, float), atol=1e-5
            ),
            together,
            alone,
        )


def test_another_world_does_not_recompile():
    traced = []

    @jax.jit
    def judged(world, states, actions):
        traced.append(True)
        return imagination.judge(THREE, world, THREE.branch(world, states, actions), first, discount=0.9)

    for seed in range(3):
        judged(fitted(experience(seed), max_leverage=0.1 + seed), *questions(seed))
    assert len(traced) == 1


def test_gradients_of_a_path_are_finite():
    world = fitted(experience(), max_leverage=0.5)
    states, actions = questions()
    slopes = jax.grad(lambda here: jnp.sum(every_state(THREE.branch(world, here, actions))))(states)
    assert np.all(np.isfinite(slopes))
    assert np.all(slopes != 0)


def test_gradients_of_a_judgement_are_the_weights_of_what_is_alive():
    # 1, 2 and 3, the last beyond the limit: moved by one, the total moves by 1/2 + 1/4.
    world = line(upper=2.5)

    def total(here):
        branches = TWO.branch(world, here[None, None], jnp.array([[1, 1, 1]]))
        return imagination.judge(TWO, world, branches, first, discount=0.5)[0][0, 0]

    assert jax.grad(total)(jnp.float32(0.0)) == 0.75
