"""Where a table keeps its rows: `DenseRows` has one for every question, `SparseRows` one for every question met.

A question is a context id and a goal id. Both stores are pure: `locate` and `find` turn questions into row numbers.
"""

import dataclasses
from typing import Protocol

import jax
import jax.numpy as jnp
from flax import struct

from humain.types import Array

_FREE = -1
"""Both words of a hash entry that holds no question; ids are 0 or more, so any id beats it in a scatter-max."""


@struct.dataclass
class Index:
    """The questions that have a row.

    Attributes:
        contexts: `[R]` int32, context id of each row; empty for dense rows.
        goals: `[R]` int32, goal id of each row; empty for dense rows.
        refused: `[]` int32, how often a question found no free row.
    """

    contexts: Array
    goals: Array
    refused: Array


class Rows(Protocol):
    """A store of rows. Row number `num_rows` means: no such row."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""

    def init(self) -> Index:
        """The index of an empty table."""

    def find(self, index: Index, contexts: Array, goals: Array) -> Array:
        """Row numbers `[B]` of questions `[B]`; `num_rows` where a question has none."""

    def locate(self, index: Index, contexts: Array, goals: Array, mask: Array) -> tuple[Index, Array]:
        """Row numbers `[B]`, with a new row for each unmasked question that has none while there is room."""


@dataclasses.dataclass(frozen=True)
class DenseRows:
    """A row for every pair of `num_contexts` and `num_goals`."""

    num_contexts: int
    num_goals: int

    @property
    def num_rows(self) -> int:
        """All pairs."""
        return self.num_contexts * self.num_goals

    def init(self) -> Index:
        """Nothing needs to be indexed."""
        return Index(jnp.zeros(0, jnp.int32), jnp.zeros(0, jnp.int32), jnp.int32(0))

    def find(self, index: Index, contexts: Array, goals: Array) -> Array:
        """By arithmetic."""
        del index
        return contexts * self.num_goals + goals

    def locate(self, index: Index, contexts: Array, goals: Array, mask: Array) -> tuple[Index, Array]:
        """By arithmetic; masked questions get no row."""
        return index, jnp.where(mask, self.find(index, contexts, goals), self.num_rows)


@dataclasses.dataclass(frozen=True)
class SparseRows:
    """A hash table with open addressing and linear probing; whole batches are looked up and inserted at once.

    Attributes:
        capacity: rows, a power of two; fill it to three quarters at most.
        max_probes: places that are tried before a question is refused (counted in `Index.refused`).
    """

    capacity: int
    max_probes: int = 256

    def __post_init__(self) -> None:
        if self.capacity < 1 or self.capacity & (self.capacity - 1):
            raise ValueError(f"the capacity of a sparse table must be a power of two, not {self.capacity}")

    @property
    def num_rows(self) -> int:
        """The capacity."""
        return self.capacity

    def init(self) -> Index:
        """All entries free."""
        # Two arrays and not one twice: a state that is donated must not hold the same buffer in two places.
        return Index(jnp.full(self.capacity, _FREE, jnp.int32), jnp.full(self.capacity, _FREE, jnp.int32), jnp.int32(0))

    def find(self, index: Index, contexts: Array, goals: Array) -> Array:
        """Probes until the question or a free entry turns up."""

        def probe(carry: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
            count, places, rows, pending = carry
            found_contexts = index.contexts[places]
            hit = pending & (found_contexts == contexts) & (index.goals[places] == goals)
            rows = jnp.where(hit, places, rows)
            pending = pending & ~hit & (found_contexts != _FREE)
            return count + 1, self._next(places), rows, pending

        start = (
            jnp.int32(0),
            self._home(contexts, goals),
            jnp.full(contexts.shape, self.capacity, jnp.int32),
            jnp.ones(contexts.shape, bool),
        )
        return jax.lax.while_loop(lambda c: (c[0] < self.max_probes) & jnp.any(c[3]), probe, start)[2]

    def locate(self, index: Index, contexts: Array, goals: Array, mask: Array) -> tuple[Index, Array]:
        """Probes, and claims free entries.

        Several questions may claim one free entry in the same round. A scatter-max over the first word, then one over
        the second among those whose first word stands, leaves exactly one question in the entry; the others see that it
        is taken and probe on.
        """

        def probe(carry: tuple[Index, Array, Array, Array, Array]) -> tuple[Index, Array, Array, Array, Array]:
            table, count, places, rows, pending = carry
            free = pending & (table.contexts[places] == _FREE)
            first = table.contexts.at[jnp.where(free, places, self.capacity)].max(contexts, mode="drop")
            stands = free & (first[places] == contexts)
            second = table.goals.at[jnp.where(stands, places, self.capacity)].max(goals, mode="drop")
            hit = pending & (first[places] == contexts) & (second[places] == goals)
            rows = jnp.where(hit, places, rows)
            table = dataclasses.replace(table, contexts=first, goals=second)
            return table, count + 1, self._next(places), rows, pending & ~hit

        start = (
            index,
            jnp.int32(0),
            self._home(contexts, goals),
            jnp.full(contexts.shape, self.capacity, jnp.int32),
            mask,
        )
        index, _, _, rows, pending = jax.lax.while_loop(
            lambda c: (c[1] < self.max_probes) & jnp.any(c[4]), probe, start
        )
        return dataclasses.replace(index, refused=index.refused + jnp.sum(pending, dtype=jnp.int32)), rows

    def _next(self, places: Array) -> Array:
        return (places + 1) & (self.capacity - 1)

    def _home(self, contexts: Array, goals: Array) -> Array:
        """Where probing starts: both words mixed by the finaliser of MurmurHash3 (Appleby)."""
        mixed = contexts.astype(jnp.uint32) * jnp.uint32(0x9E3779B1) ^ goals.astype(jnp.uint32)
        mixed = (mixed ^ (mixed >> 16)) * jnp.uint32(0x85EBCA6B)
        mixed = (mixed ^ (mixed >> 13)) * jnp.uint32(0xC2B2AE35)
        return ((mixed ^ (mixed >> 16)) & jnp.uint32(self.capacity - 1)).astype(jnp.int32)
