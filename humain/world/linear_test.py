"""How far a linear world is known and what of it is free, by hand; how it goes on is in `imagination_test`."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.environments.actions import DiscreteActions
from humain.environments.transitions import Transitions
from humain.world.dynamics import LinearDynamics
from humain.world.limits import Limits
from humain.world.linear import LinearWorld, LinearWorldState

INF = np.inf
WORLD = LinearWorld(DiscreteActions(2), max_leverage=1.0)


def world(*, curvature=(1.0, 0.0), max_leverage=5.0, num_steps=1, lower=(-INF, -INF), upper=(INF, INF), weights=None):
    """Two coordinates, two actions and a constant; the leverage of a state x, y is `curvature` times its squares."""
    root = jnp.diag(jnp.sqrt(jnp.array([*curvature, 0.0, 0.0, 0.0])))
    return LinearWorldState(
        dynamics=LinearDynamics(weights=jnp.zeros((5, 2)) if weights is None else weights, root=root),
        limits=Limits(lower=jnp.array(lower), upper=jnp.array(upper)),
        max_leverage=jnp.float32(max_leverage),
        num_steps=jnp.int32(num_steps),
    )


def test_the_extent_is_where_the_leverage_is_the_largest_that_is_known():
    # Of 5 the middle takes 1 / 1: x ** 2 / 4 = 5 - 1 at 4. Along y there is no leverage, and so no end.
    lower, upper = WORLD.extent(world(curvature=(0.25, 0.0)))
    np.testing.assert_array_equal([lower, upper], [[-4, -INF], [4, INF]])
    # A hundred steps leave the middle 1 / 100.
    lower, upper = WORLD.extent(world(num_steps=100, max_leverage=1.01))
    np.testing.assert_allclose([lower, upper], [[-1, -INF], [1, INF]], rtol=1e-6)


def test_a_limit_that_is_nearer_is_the_extent():
    lower, upper = WORLD.extent(world(lower=(-1.5, -7.0), upper=(9.0, 3.0)))
    np.testing.assert_array_equal([lower, upper], [[-1.5, -7], [2, 3]])


def test_where_not_even_the_middle_is_known_nothing_is():
    lower, upper = WORLD.extent(world(max_leverage=0.5))
    np.testing.assert_array_equal([lower, upper], np.zeros((2, 2)))


def test_free_is_what_changes_no_step_by_a_thousandth():
    weights = jnp.zeros((5, 2))
    for weight, expected in ((1e-3, [False, True]), (-1e-3, [False, True]), (0.9e-3, [True, True])):
        # What the first coordinate does to the second; what actions do does not count.
        given = weights.at[0, 1].set(weight).at[2, 0].set(5.0).at[4, 1].set(5.0)
        assert WORLD.free(world(weights=given)).tolist() == expected
    assert WORLD.free(world(weights=weights.at[1, 0].set(1.0))).tolist() == [True, False]


def test_what_is_known_counts_undecided_actions():
    # Half of each action: (1/2) ** 2 + (1/2) ** 2 = 1/2, and 1 of the constant.
    state = world(curvature=(0.0, 0.0))
    root = jnp.diag(jnp.array([0.0, 0.0, 1.0, 1.0, 1.0]))
    for largest, expected in ((1.5, True), (1.49, False)):
        given = dataclasses.replace(
            state, dynamics=dataclasses.replace(state.dynamics, root=root), max_leverage=jnp.float32(largest)
        )
        assert bool(WORLD.known(given, jnp.zeros(2))) is expected


def test_a_world_of_no_steps_counts_one():
    nothing = Transitions(
        states=jnp.zeros((3, 2)),
        actions=jnp.zeros(3, jnp.int32),
        rewards=jnp.zeros(3),
        next_states=jnp.zeros((3, 2)),
        terminated=jnp.zeros(3, bool),
        truncated=jnp.zeros(3, bool),
        count=jnp.int32(0),
    )
    stores = [dataclasses.replace(nothing, count=jnp.int32(count)) for count in (0, 1, 2)]
    assert [int(WORLD.fit(store, jax.random.key(0)).num_steps) for store in stores] == [1, 1, 2]


@pytest.mark.parametrize("leverage", [0.0, -1.0, np.nan])
def test_a_largest_leverage_of_nothing_is_refused(leverage):
    with pytest.raises(ValueError, match=f"max_leverage must be more than 0, not {leverage}"):
        LinearWorld(DiscreteActions(2), max_leverage=leverage)
    assert LinearWorld(DiscreteActions(2), max_leverage=1e-6).max_leverage == 1e-6
