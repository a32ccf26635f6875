"""The plugin makes JAX strict, also inside transformations."""

import warnings

import jax
import jax.numpy as jnp
import pytest


def test_ranks_are_not_promoted_silently():
    with pytest.raises(ValueError, match="rank_promotion"):
        jnp.ones((2, 3)) + jnp.ones(3)


@pytest.mark.parametrize("transform", [lambda function: function, jax.jit], ids=["plain", "jit"])
def test_a_key_used_twice_is_an_error(transform):
    def draw_twice(key):
        return jax.random.normal(key) + jax.random.uniform(key)

    with pytest.raises(jax.errors.KeyReuseError):
        transform(draw_twice)(jax.random.key(0))


def test_a_key_used_twice_inside_scan_is_an_error():
    def draw(key, _):
        return key, jax.random.normal(key)  # the same key in each round

    with pytest.raises(jax.errors.KeyReuseError):
        jax.lax.scan(draw, jax.random.key(0), None, length=2)


def test_split_and_folded_keys_are_good_under_vmap_and_scan():
    keys = jax.random.split(jax.random.key(0), 3)
    drawn = jax.vmap(jax.random.normal)(keys)
    root = jax.random.key(1)
    _, scanned = jax.lax.scan(
        lambda carry, step: (carry, jax.random.normal(jax.random.fold_in(root, step))), 0, jnp.arange(3)
    )
    assert len(set(drawn.tolist()) | set(scanned.tolist())) == 6


def test_warnings_are_errors():
    with pytest.raises(UserWarning, match="careful"):
        warnings.warn("careful", UserWarning, stacklevel=1)
