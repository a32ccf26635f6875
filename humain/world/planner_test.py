"""Search without layers: the first push of the best branch, by hand on a line."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.environments.actions import DiscreteActions
from humain.testing.imagining import SMALL
from humain.world import dynamics, limits, planner
from humain.world.knowledge import Knowledge
from humain.world.linear import LinearWorld, LinearWorldState
from humain.world.normalization import Normalizer

WORLD = LinearWorld(DiscreteActions(2), max_leverage=1.0)
# Of 64 sequences of two pushes none of the four is missing: each is drawn with probability 1/3 or 1/6, and
# (5/6) ** 64 < 1e-5.
CONFIG = dataclasses.replace(
    SMALL, num_branches=64, branch_steps=2, num_pushes=1, subgoal_steps=1, goal_weights=(1.0,), closeness_width=1.0
)

# As one program: its parts, called one by one, would each have to be compiled.
CHOOSE = jax.jit(planner.choose, static_argnums=(0, 1))


def line(*, lower=-np.inf, upper=np.inf):
    """Knowledge of a line on which push 0 goes 1 to the left and push 1 goes 1 to the right."""
    state = LinearWorldState(
        # Features: x, push 0, push 1, a constant.
        dynamics=dynamics.LinearDynamics(weights=jnp.array([[0.0], [-1.0], [1.0], [0.0]]), root=jnp.zeros((4, 4))),
        limits=limits.Limits(lower=jnp.array([lower]), upper=jnp.array([upper])),
        max_leverage=jnp.float32(1),
        num_steps=jnp.int32(1),
    )
    one = jnp.ones(1)
    return Knowledge(
        world=state,
        normalizer=Normalizer(mean=jnp.zeros(1), scale=one),
        spread=one,
        starts=jnp.zeros((1, 1)),
        num_starts=jnp.int32(1),
        lowest=-9 * one,
        highest=9 * one,
        target=jnp.zeros(1),
        free=jnp.zeros(1, bool),
    )


def choose(knowledge, state, goal, *, config=CONFIG, seed=0):
    pushes, after = CHOOSE(config, WORLD, knowledge, jnp.array([[state]]), jnp.array([[goal]]), jax.random.key(seed))
    return int(pushes[0]), float(after[0, 0])


@pytest.mark.parametrize(
    ("bounds", "goal", "expected"),
    [
        # Right, right comes to the goal; the state after one step is 1.
        ({}, 2.0, (1, 1.0)),
        ({}, -2.0, (0, -1.0)),
        # 1 is not survived. Whatever begins to the right is worth 0, all the way; to the left and back is worth more.
        ({"upper": 0.5}, 2.0, (0, -1.0)),
        # 2 is not survived. To 1 and back to 0, which counts for all that comes later, is best: the closeness to 2 is
        # 1 / (1 + 0.75) at 1 and 1 / (1 + 1.75) at 0, and with a discount of 0.9 that is worth
        # 0.1 * 0.571 + 0.09 * 0.364 + 0.81 * 0.364 = 0.384. To -1 and back: 0.1 / 3.75 + 0.9 * 0.364 = 0.354. To 1 and
        # dead at 2: 0.057.
        ({"upper": 1.5}, 2.0, (1, 1.0)),
    ],
)
def test_the_first_push_of_the_best_branch_by_hand(bounds, goal, expected):
    assert choose(line(**bounds), 0.0, goal) == expected


def test_each_state_has_a_goal_of_its_own():
    pushes, _ = CHOOSE(
        CONFIG, WORLD, line(), jnp.array([[0.0], [0.0], [5.0]]), jnp.array([[2.0], [-2.0], [2.0]]), jax.random.key(1)
    )
    np.testing.assert_array_equal(pushes, [1, 0, 0])


def test_where_nothing_is_known_any_branch_will_do():
    # All are worth nothing, and the first one that was drawn is taken.
    found = {choose(line(lower=5.0), 0.0, 2.0, seed=seed)[0] for seed in range(20)}
    assert found == {0, 1}


def test_the_same_key_finds_the_same():
    assert choose(line(), 0.3, 0.4, seed=3) == choose(line(), 0.3, 0.4, seed=3)
