"""Turns by hand, and what they leave alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.hippocampus.rotary import Rotary


def test_a_turn_by_hand():
    # Width 4 is two pairs. The first turns by 1 a position, the second by 10000**(-2/4) = 1/100.
    vector = jnp.array([[[1.0, 0.0, 0.0, 2.0]]])
    turned = Rotary().turn(jnp.tile(vector, (2, 1, 1)), jnp.array([0, 50]))
    np.testing.assert_allclose(turned[0, 0], vector[0, 0], atol=1e-6)
    # (1, 0) by 50: cos 50 = 0.964966, sin 50 = -0.262375. (0, 2) by a half: -2 sin 0.5, 2 cos 0.5.
    np.testing.assert_allclose(turned[1, 0], [0.964966, -0.262375, -0.958851, 1.755165], atol=1e-5)


def test_the_periods_are_the_ends_of_the_ladder():
    # 32 / 2 = 16: the pairs turn by 1/2 and by 16**(-2/4) / 2 = 1/8 a position.
    rotary = Rotary(longest_period=32.0, shortest_period=2.0)
    turned = rotary.turn(jnp.tile(jnp.array([1.0, 0.0, 1.0, 0.0]), (1, 1, 1)), jnp.array([4]))
    np.testing.assert_allclose(turned[0, 0], [np.cos(2), np.sin(2), np.cos(0.5), np.sin(0.5)], atol=1e-6)


@pytest.mark.parametrize("shift", [1, 17, 1000])
def test_products_depend_on_distances_alone(shift):
    queries, keys = (jax.random.normal(jax.random.key(seed), (2, 6, 3, 8)) for seed in range(2))
    rotary = Rotary()

    def products(positions):
        turned = (rotary.turn(vectors, positions) for vectors in (queries, keys))
        return jnp.einsum("btnd,bsnd->bnts", *turned)

    here = products(jnp.arange(6))
    # Angles of hundreds of turns are known to 1e-4 in float32.
    np.testing.assert_allclose(here, products(shift + jnp.arange(6)), atol=2e-3)
    assert np.abs(here - products(2 * jnp.arange(6))).max() > 0.1


def test_lengths_are_kept_and_nothing_is_turned_at_zero():
    vectors = jax.random.normal(jax.random.key(0), (5, 2, 6))
    turned = Rotary().turn(vectors, jnp.array([0, 1, 2, 50, 400]))
    np.testing.assert_allclose(jnp.linalg.norm(turned, axis=-1), jnp.linalg.norm(vectors, axis=-1), rtol=1e-5)
    np.testing.assert_array_equal(turned[0], vectors[0])


def test_jit_and_vmap_turn_the_same():
    vectors = jax.random.normal(jax.random.key(0), (3, 5, 2, 4))
    turn = Rotary().turn
    together = turn(vectors, jnp.arange(5))
    np.testing.assert_allclose(jax.jit(turn)(vectors, jnp.arange(5)), together, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(turn, in_axes=(0, None))(vectors, jnp.arange(5)), together, atol=1e-6)


def test_an_odd_width_is_refused():
    with pytest.raises(ValueError, match="must be even, not 3"):
        Rotary().turn(jnp.zeros((1, 1, 3)), jnp.arange(1))


@pytest.mark.parametrize(("longest", "shortest"), [(1.0, 1.0), (10.0, 0.0), (10.0, float("nan"))])
def test_periods_without_a_ladder_are_refused(longest, shortest):
    with pytest.raises(ValueError, match=f"less than longest_period, {longest}, and is {shortest}"):
        Rotary(longest_period=longest, shortest_period=shortest)


def test_by_default_the_periods_go_from_1_to_10000():
    assert Rotary() == Rotary(longest_period=10_000.0, shortest_period=1.0)
