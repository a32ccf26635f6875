"""Choosing between batches of any shape."""

import jax.numpy as jnp
import numpy as np
import pytest

from humain.selection import select


@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_each_entry_of_the_batch_is_chosen_whole(shape):
    first, second = jnp.zeros((3, *shape)), jnp.ones((3, *shape))
    chosen = select(jnp.array([True, False, True]), first, second)
    np.testing.assert_array_equal(chosen, np.array([0, 1, 0]).reshape(3, *[1] * len(shape)) * np.ones((3, *shape)))
