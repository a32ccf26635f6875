"""SELU as an operation in C++, for XLA on the CPU: `selu.cc` beside this file.

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
    """Why the operation can't be used here, and the remedy; "" where it can."""
    return library.missing(_LIBRARY)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def selu(values: Array, in_place: bool = False) -> Array:
    """SELU of every element (G. Klambauer and others, "Self-Normalizing Neural Networks", 2017).

    Less than 2 units in the last place off the exact value (1.5e-7 where the result is negative). The last bit may
    differ between processors. Subnormal numbers may come back as zeros, as from XLA's own operations. NaN stays NaN. On
    the CPU only; an array that is sharded is gathered first.

    Args:
        values: float32, of any shape.
        in_place: write over the values. No memory is taken where the surrounding `jax.jit` is given them to keep
            (`donate_argnums`); XLA copies them where they are needed afterwards.

    Returns:
        float32, of the same shape.

    Raises:
        ValueError: if the values are not float32.
        UserError: if the library is not built, or was built against another jaxlib.
    """
    values = jnp.asarray(values)
    if values.dtype != jnp.float32:
        raise ValueError(f"values must be float32, not {values.dtype}: convert them, or use jax.nn.selu")
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
    """Makes the operation known to XLA, once in a process."""
    loaded = library.load(_LIBRARY)
    jax.ffi.register_ffi_target(_TARGET, jax.ffi.pycapsule(loaded.HumainSelu), platform="cpu")
