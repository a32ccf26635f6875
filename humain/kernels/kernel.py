"""The interface of a kernel, the memory inside a cortex."""

from typing import Any, Protocol

import jax

from humain.spaces import Space
from humain.types import Array, Context, Examples, Slots

KernelState = Any
"""A pytree: all that a kernel has learned, its optimiser's state included."""

Metrics = dict[str, Array]
"""Scalars, float32."""


class Kernel(Protocol):
    """Pure functions over a kernel's state.

    Kernels are hashable; two equal ones can be trained together by vmap. Kernels that learn by gradient are equal only
    if they hold one and the same optimiser object.
    """

    @property
    def state_space(self) -> Space:
        """Of contexts and goals."""

    @property
    def target_space(self) -> Space:
        """Of the values that are learned and recalled."""

    @property
    def num_slots(self) -> int:
        """How many hypotheses it keeps for one question."""

    def init(self, key: jax.Array) -> KernelState:
        """The state before anything was learned; `key` is consumed."""

    def recall(self, state: KernelState, context: Context, goals: Array) -> Slots:
        """What it knows about reaching `goals` `[B, *S]` in `context`: values `[B, K, *V]`, scores `[B, K]`."""

    def learn(self, state: KernelState, examples: Examples) -> tuple[KernelState, Metrics]:
        """One update from a batch. Masked entries change nothing."""
