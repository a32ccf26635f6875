"""Lookup and insertion in a sparse table as operations in C++ for XLA on the CPU, implemented in `sparse_rows.cc`.

`humain.kernels.rows.SparseRows` is the reference. The two fill an index in different orders, but each can read an index
that the other has filled, and a table gives the same answers with both.
"""

import dataclasses
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from humain.kernels.rows import Index, SparseRows
from humain.native import library
from humain.types import Array

_LIBRARY = pathlib.Path(__file__).with_name("libsparse_rows.so")
_FIND = "humain_find"
_LOCATE = "humain_locate"


def missing() -> str:
    """Returns why the operations can't be used here, with the remedy, or "" if they can."""
    return library.missing(_LIBRARY)


@dataclasses.dataclass(frozen=True)
class NativeSparseRows(SparseRows):
    """Sparse rows whose lookups and insertions are one call each; on the CPU only, on one device.

    Raises:
        UserError: on first use, if the library is not built, or was built against another jaxlib.
        ValueError: on use, if the queries' shapes differ (nothing is broadcast), or the index has another capacity.
    """

    def find(self, index: Index, contexts: Array, goals: Array) -> Array:
        """Probes until it finds the query's entry or a free one."""
        self._check(index, contexts=contexts, goals=goals)
        _register()
        call = jax.ffi.ffi_call(_FIND, jax.ShapeDtypeStruct(jnp.shape(contexts), jnp.int32), vmap_method="sequential")
        return call(index.contexts, index.goals, contexts, goals, max_probes=np.int64(self.max_probes))

    def locate(self, index: Index, contexts: Array, goals: Array, mask: Array) -> tuple[Index, Array]:
        """Probes like `find`; queries without an entry take free ones in the order of the batch."""
        self._check(index, contexts=contexts, goals=goals, mask=mask)
        _register()
        table = jax.ShapeDtypeStruct((self.capacity,), jnp.int32)
        call = jax.ffi.ffi_call(
            _LOCATE,
            (
                table,
                table,
                jax.ShapeDtypeStruct(jnp.shape(contexts), jnp.int32),
                jax.ShapeDtypeStruct((), jnp.int32),
            ),
            vmap_method="sequential",
            input_output_aliases={0: 0, 1: 1},
        )
        first, second, rows, refused = call(
            index.contexts, index.goals, contexts, goals, mask, max_probes=np.int64(self.max_probes)
        )
        return Index(contexts=first, goals=second, refused=index.refused + refused), rows

    def _check(self, index: Index, **questions: Array) -> None:
        shapes = {name: jnp.shape(value) for name, value in questions.items()}
        if len(set(shapes.values())) > 1:
            listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
            raise ValueError(f"the queries of a batch must have one shape, but have {listed}; broadcast them")
        found = jnp.shape(index.contexts), jnp.shape(index.goals)
        if found != ((self.capacity,), (self.capacity,)):
            raise ValueError(
                f"an index of {self.capacity} rows has contexts and goals of shape {(self.capacity,)}, and this one "
                f"has {found[0]} and {found[1]}; make it with init() of rows with the same capacity"
            )


@functools.cache
def _register() -> None:
    """Registers the operations with XLA, once per process."""
    loaded = library.load(_LIBRARY)
    jax.ffi.register_ffi_target(_FIND, jax.ffi.pycapsule(loaded.HumainFind), platform="cpu")
    jax.ffi.register_ffi_target(_LOCATE, jax.ffi.pycapsule(loaded.HumainLocate), platform="cpu")
