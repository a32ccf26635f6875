"""The interface of a kernel, the memory inside a cortex."""

from typing import Any, ClassVar, Protocol

import jax

from humain.hippocampus.rotary import Rotary
from humain.spaces import Space
from humain.types import Array, Context, Examples, Slots

KernelState = Any
"""A pytree: all that a kernel has learned, its optimiser's state included."""

Metrics = dict[str, Array]
"""Scalars, float32."""


class Kernel(Protocol):
    """Pure functions over a kernel's state.

    Kernels are hashable; two equal ones can be trained together by vmap. Kernels that learn by gradient are equal only
    if their optimisers are, as those are that are built from equal configs: values of `kernels.optimizers`, or one and
    the same `optax` object.
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


class KernelConfig(Protocol):
    """What makes a kernel but for its spaces: a frozen dataclass of numbers and strings, so that it fits into JSON.

    `humain.kernels.configs` names them all.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    reads_features: ClassVar[bool]
    """Whether the kernel sees states and goals by their features; False if by their ids."""
    attends: ClassVar[bool]
    """Whether it attends from state to state, so that a rotary encoding has something to turn."""

    def build(
        self, state_space: Space, target_space: Space, *, context_length: int = 1, rotary: Rotary | None = None
    ) -> Kernel:
        """The kernel; equal configs give equal kernels.

        Args:
            state_space: of contexts and goals.
            target_space: of values.
            context_length: states in a context.
            rotary: of the context's positions in self-attention, or None.

        Raises:
            ValueError: if there is no such kernel for these spaces.
        """
