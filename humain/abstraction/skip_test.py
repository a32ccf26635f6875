"""`skip` by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from humain.abstraction.skip import Skip


@pytest.mark.parametrize(
    ("stride", "expected"), [(1, [1, 1, 1, 1, 1, 1, 1]), (2, [1, 0, 1, 0, 1, 0, 1]), (3, [1, 0, 0, 1, 0, 0, 1])]
)
def test_every_kth_state_is_a_pivot(stride, expected):
    state = jnp.zeros(7, jnp.int32)
    pivots = Skip(stride).is_pivot(state, state, state, jnp.arange(7))
    np.testing.assert_array_equal(pivots, np.array(expected, bool))


def test_states_and_goals_pass_unchanged():
    np.testing.assert_array_equal(Skip(2).lift(jnp.array([3])), [3])
    np.testing.assert_array_equal(Skip(2).specify(jnp.array([3]), jnp.array([4])), [3])


def test_a_stride_below_1_is_refused():
    with pytest.raises(ValueError, match="1 or more, not 0"):
        Skip(0)
