"""SELU as an operation in C++ for XLA on the CPU, implemented in `selu.cc` beside this file.

`jax.nn.selu` is the reference: same values up to rounding, same derivatives.
"""

import functools
import pathlib

import jax
import jax.numpy as jnp

from humain.native import library
from humain.types import Array

ALPHA = 1.6732632423543772
SCALE = 1.0507009873554805

_LIBRARY = pathlib.Path(__file__).with_name("libselu.so")
_TARGET = "humain_selu"


def missing() -> str:
    """Returns why the operation can't be used here, with the remedy, or "" if it can."""
    return library.missing(_LIBRARY)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def selu(values: Array, in_place: bool = False) -> Array:
    """Applies SELU to every element (G. Klambauer and others, "Self-Normalizing Neural Networks", 2017).

    The error is less than 2 units in the last place (1.5e-7 where the result is negative), and the last bit may differ
    between processors. Subnormal numbers may become zeros, as in XLA's own operations. NaN stays NaN. On the CPU only;
    a sharded array is gathered first.

    Args:
        values: float32, of any shape.
        in_place: overwrite the values. This allocates no memory if the values are donated to the surrounding `jax.jit`
            (`donate_argnums`); XLA copies them if they are needed afterwards.

    Returns:
        float32, of the same shape.

    Raises:
        ValueError: if the values are not float32.
        UserError: if the library is not built, or was built against another jaxlib.
    """
    values = jnp.asarray(values)
    if values.dtype != jnp.float32:
        raise ValueError(f"values must be float32, not {values.dtype}; convert them, or use jax.nn.selu")
    _register()
    call = jax.ffi.ffi_call(
        _TARGET,
        jax.ShapeDtypeStruct(values.shape, values.dtype),
        vmap_method="broadcast_all",
        input_output_aliases={0: 0} if in_place else None,
    )
    return call(values)


@selu.defjvp
def _selu_jvp(in_place: bool, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    """The derivative is `SCALE` right of 0, and `SCALE * ALPHA * exp(x)`, in terms of the answer, left of it."""
    (values,), (tangent,) = primals, tangents
    answer = selu(values, in_place)
    return answer, tangent * jnp.where(values > 0, jnp.float32(SCALE), answer + jnp.float32(SCALE * ALPHA))


@functools.cache
def _register() -> None:
    """Registers the operation with XLA, once per process."""
    loaded = library.load(_LIBRARY)
    jax.ffi.register_ffi_target(_TARGET, jax.ffi.pycapsule(loaded.HumainSelu), platform="cpu")
