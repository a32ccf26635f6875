"""SELU in C++ against `jax.nn.selu`, the reference: values, shapes, transformations, compilations."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain import errors
from humain.native import selu

_LEFT_END = -1.7580993408473766
_CHUNK = 32768
"""Elements that a thread of the operation takes at a time."""


def _values(*shape: int) -> jax.Array:
    return jnp.asarray(3 * np.random.default_rng(0).standard_normal(shape, dtype=np.float32))


def _exact(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float64)
    return selu.SCALE * np.where(values > 0, values, selu.ALPHA * np.expm1(np.minimum(values, 0)))


def test_values_by_hand():
    # A line right of 0; at -1 the left end's value times 1 - 1/e; far left the left end.
    found = selu.selu(jnp.array([2.0, 0.0, -1.0, -30.0]))
    expected = [2 * 1.0507009873554805, 0.0, _LEFT_END * (1 - np.exp(-1)), _LEFT_END]
    np.testing.assert_allclose(found, expected, rtol=2.5e-7)


def test_special_values_are_those_of_the_reference():
    values = jnp.array([0.0, -0.0, np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-42, -1e-42], jnp.float32)
    found, expected = np.asarray(selu.selu(values)), np.asarray(jax.nn.selu(values))
    # Subnormal numbers may be kept or be zeros.
    np.testing.assert_allclose(found, expected, rtol=2.5e-7, atol=2e-42)
    np.testing.assert_array_equal(np.signbit(found[:2]), [False, True])


def test_errors_are_no_larger_than_stated():
    # Near 0, where exp(x) - 1 would cancel, as well as over the range in which SELU is curved.
    values = np.concatenate([np.linspace(-20, 3, 1_000_003), -np.logspace(-36, 0, 100_001)]).astype(np.float32)
    exact = _exact(values)
    units = np.spacing(np.abs(exact).astype(np.float32))
    error = np.abs(np.asarray(selu.selu(jnp.asarray(values))) - exact) / units
    assert error.max() < 2


# Every rest of a vector of 16, one chunk and one element on either side, and what no thread gets a whole chunk of.
_SIZES = [*range(18), _CHUNK - 1, _CHUNK, _CHUNK + 1, 5 * _CHUNK + 3]


@pytest.mark.parametrize("shape", [*((size,) for size in _SIZES), (), (3, 5), (0, 4), (2, 3, _CHUNK // 2 + 1)])
@pytest.mark.parametrize("in_place", [False, True])
def test_every_shape_gets_the_reference_s_values(shape, in_place):
    values = _values(*shape)
    before = np.asarray(values).copy()
    found = selu.selu(values, in_place)
    assert (found.shape, found.dtype) == (shape, jnp.float32)
    np.testing.assert_allclose(found, jax.nn.selu(values), rtol=1e-6, atol=2e-7)
    # What was not given away is as it was.
    np.testing.assert_array_equal(values, before)


def test_jit_is_eager():
    values = _values(100_003)
    np.testing.assert_array_equal(jax.jit(selu.selu)(values), selu.selu(values))


def test_one_compilation_for_one_shape():
    compiled = jax.jit(lambda values: selu.selu(values))
    for _ in range(3):
        compiled(_values(7, 3)).block_until_ready()
    assert compiled._cache_size() == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("axis", [0, 1])
def test_vmap_is_a_loop(axis):
    values = _values(4, 5)
    expected = jnp.stack([selu.selu(row) for row in jnp.moveaxis(values, axis, 0)])
    np.testing.assert_array_equal(jax.vmap(selu.selu, in_axes=axis)(values), expected)


def test_a_scan_carries_it():
    values = _values(1000)
    found = jax.jit(lambda values: jax.lax.fori_loop(0, 3, lambda _, carried: selu.selu(carried, True), values))(values)
    np.testing.assert_array_equal(found, selu.selu(selu.selu(selu.selu(values))))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("differentiate", [jax.jacfwd, jax.jacrev])
def test_derivatives_are_those_of_the_reference(order, differentiate):
    values = jnp.array([-50.0, -3.0, -1e-3, 0.0, 1e-3, 2.0])

    def derivative(function):
        for _ in range(order):
            function = differentiate(function)
        return jax.vmap(function)(values)

    np.testing.assert_allclose(derivative(selu.selu), derivative(jax.nn.selu), rtol=1e-6, atol=3e-7)


def test_memory_that_is_given_away_is_written_over():
    values = jnp.copy(_values(100_003))
    expected = selu.selu(values)
    place = values.unsafe_buffer_pointer()
    found = jax.jit(lambda values: selu.selu(values, True), donate_argnums=0)(values)
    assert found.unsafe_buffer_pointer() == place
    np.testing.assert_array_equal(found, expected)


def test_calls_in_parallel_do_not_mix():
    values = [_values(3 * _CHUNK + number) for number in range(8)]
    expected = [np.asarray(jax.nn.selu(one)) for one in values]
    compiled = jax.jit(lambda values: [selu.selu(one) for one in values])
    for _ in range(10):
        for found, wanted in zip(compiled(values), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=2e-7)


@pytest.mark.parametrize("dtype", [jnp.int32, jnp.bfloat16])
def test_other_types_are_refused(dtype):
    with pytest.raises(ValueError, match=f"values must be float32, not {dtype.__name__}; convert them"):
        selu.selu(jnp.zeros(3, dtype))


def test_a_library_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path):
    assert selu.missing() == ""
    monkeypatch.setattr(selu, "_LIBRARY", tmp_path / "libselu.so")
    selu._register.cache_clear()
    assert "not built" in selu.missing()
    with pytest.raises(errors.UserError, match=r"libselu\.so is not built"):
        selu.selu(jnp.zeros(3))
