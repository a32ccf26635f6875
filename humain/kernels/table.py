"""The `table` kernel: exact memory for ids, best so far.

Each slot is one int32 that packs a quantised score above a value. So one scatter-max stores whatever is better than
what is there, whole, in any order, on any device, however many examples of a batch meet in one slot.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import struct

from humain.hippocampus.rotary import Rotary
from humain.kernels import slots as slots_lib
from humain.kernels.kernel import Metrics
from humain.kernels.rows import DenseRows, Index, Rows, SparseRows
from humain.spaces import Discrete, Space
from humain.types import Array, Context, Examples, Slots

_WORD_BITS = 31
_MOST_LEVELS = 2**24
"""More would not be whole numbers in float32: the best score would be rounded up, out of the word."""
_DENSE_LIMIT = 2**22
"""Most slots that are still kept densely when the choice is left to the table: 16 MB."""


@struct.dataclass
class TableState:
    """What a table holds.

    Attributes:
        index: the questions that have a row.
        packed: `[R, K]` int32; 0 where nothing is stored.
    """

    index: Index
    packed: Array


@dataclasses.dataclass(frozen=True)
class Table:
    """Index lookup over (context ids, goal id).

    Attributes:
        state_space: of contexts and goals.
        target_space: of values.
        num_slots: hypotheses a question.
        context_length: states in a context.
        rows: dense or sparse, with as many contexts as that makes.
        access: `value`: one slot for each distinct value, the worst one gives way to a better newcomer; `score`: one
            for each level of quality.
    """

    state_space: Discrete
    target_space: Discrete
    num_slots: int
    context_length: int
    rows: Rows
    access: slots_lib.Access = "value"

    def __post_init__(self) -> None:
        if self.num_slots < 1:
            raise ValueError(f"a kernel needs at least one slot, not {self.num_slots}")
        if self.access not in ("value", "score"):
            raise ValueError(f"access must be 'value' or 'score', not {self.access!r}")
        if self.num_levels < 64:
            raise ValueError(
                f"a table of {self.target_space.num_elements} values leaves {self.num_levels} levels for the score; it "
                "needs 64, which 2**24 values still leave"
            )

    @property
    def num_levels(self) -> int:
        """Scores are told apart in this many steps, over `[0, 1]`."""
        return min(2 ** (_WORD_BITS - self._value_bits) - 2, _MOST_LEVELS)

    def init(self, key: jax.Array) -> TableState:
        """Nothing stored; the key is not used."""
        del key
        return TableState(index=self.rows.init(), packed=jnp.zeros((self.rows.num_rows, self.num_slots), jnp.int32))

    def recall(self, state: TableState, context: Context, goals: Array) -> Slots:
        """What is stored.

        Where a slot holds nothing its score is `-inf` and its value the present state's id, or 0 when the targets are
        no states: an answer that changes nothing.
        """
        rows = self.rows.find(state.index, self._context_ids(context), goals)
        # By arithmetic an id outside the space would find another question's row.
        rows = jnp.where(self._in_space(context, goals), rows, self.rows.num_rows)
        packed = state.packed.at[rows].get(mode="fill", fill_value=0)
        stay = context.states[:, -1:] if self.target_space == self.state_space else jnp.int32(0)
        return Slots(
            values=jnp.where(packed > 0, self._values(packed), stay),
            scores=jnp.where(packed > 0, self._scores(packed), -jnp.inf),
        )

    def learn(self, state: TableState, examples: Examples) -> tuple[TableState, Metrics]:
        """Stores what is better than stored.

        New values that meet in one row within one batch claim the same slot, and the best of them gets it; the others
        are stored when they are met again.
        """
        # A value that does not fit its field would be stored as another one, at another score.
        fits = (examples.targets >= 0) & (examples.targets < self.target_space.num_elements)
        mask = examples.mask & fits & self._in_space(examples.context, examples.goals)
        index, rows = self.rows.locate(state.index, self._context_ids(examples.context), examples.goals, mask)
        before = state.packed.at[rows].get(mode="fill", fill_value=0)
        if self.access == "value":
            same = (before > 0) & (self._values(before) == examples.targets[:, None])
            chosen = jnp.where(jnp.any(same, axis=-1), jnp.argmax(same, axis=-1), jnp.argmin(before, axis=-1))
        else:
            chosen = slots_lib.score_ranks(examples.scores, self.num_slots)
        new = self._pack(examples.targets, examples.scores)
        old = jnp.take_along_axis(before, chosen[:, None], axis=-1)[:, 0]
        packed = state.packed.at[rows, chosen].max(new, mode="drop")
        stored = rows < self.rows.num_rows
        metrics = {
            "improved": jnp.mean((stored & (new > old)).astype(jnp.float32)),
            "refused": index.refused.astype(jnp.float32),
        }
        return TableState(index=index, packed=packed), metrics

    @property
    def _value_bits(self) -> int:
        return max(1, (self.target_space.num_elements - 1).bit_length())

    def _pack(self, values: Array, scores: Array) -> Array:
        levels = jnp.round(jnp.clip(scores, 0, 1) * (self.num_levels - 1)).astype(jnp.int32)
        return ((levels + 1) << self._value_bits) | values

    def _values(self, packed: Array) -> Array:
        return packed & (2**self._value_bits - 1)

    def _scores(self, packed: Array) -> Array:
        return ((packed >> self._value_bits) - 1).astype(jnp.float32) / (self.num_levels - 1)

    def _in_space(self, context: Context, goals: Array) -> Array:
        """Bool `[B]`: whether the goal and all states of the context that are there have an id of the space."""
        num_ids = self.state_space.num_elements
        states = (context.states >= 0) & (context.states < num_ids)
        return (goals >= 0) & (goals < num_ids) & jnp.all(states | ~context.mask, axis=1)

    def _context_ids(self, context: Context) -> Array:
        """One number for the states of a context: exact while the combinations fit (see `TableConfig.build`)."""
        if context.states.shape[1] != self.context_length:
            raise ValueError(
                f"this table is for context_length {self.context_length}, and the contexts have "
                f"{context.states.shape[1]} states; give layer and kernel the same"
            )
        base = self.state_space.num_elements + 1
        ids = context.states[:, -1]
        for age in range(2, context.states.shape[1] + 1):
            present = jnp.where(context.mask[:, -age], context.states[:, -age] + 1, 0)
            ids = ids + present * (self.state_space.num_elements * base ** (age - 2))
        return ids


@dataclasses.dataclass(frozen=True)
class TableConfig:
    """A memory that stores what it is told.

    Attributes:
        num_slots: hypotheses a question.
        access: see `Table`.
        sparse_capacity: rows of a sparse table; None chooses dense rows where they are few, and else a sparse table
            with room for half of all (state, goal) pairs, 2**22 rows at most.
    """

    reads_features: ClassVar[bool] = False
    attends: ClassVar[bool] = False

    num_slots: int = 4
    access: slots_lib.Access = "value"
    sparse_capacity: int | None = None

    def __post_init__(self) -> None:
        if self.num_slots < 1:
            raise ValueError(f"num_slots must be at least 1, not {self.num_slots}")
        if self.access not in ("value", "score"):
            raise ValueError(f"access must be 'value' or 'score', not {self.access!r}")
        if self.sparse_capacity is not None:
            SparseRows(self.sparse_capacity)  # refuses a capacity that is not a power of two

    def build(
        self, state_space: Space, target_space: Space, *, context_length: int = 1, rotary: Rotary | None = None
    ) -> Table:
        """A table for these spaces, dense where that is small and sparse where it is not.

        Args:
            state_space: of contexts and goals, ids.
            target_space: of values, ids.
            context_length: states in a context.
            rotary: None; a table looks ids up and attends to nothing.

        Raises:
            ValueError: if there are too many different contexts or values to number them, a space is not one of ids,
                or an encoding is given that has no effect.
        """
        for space in (state_space, target_space):
            if not isinstance(space, Discrete):
                raise ValueError(f"a table stores ids, and {space} is not a space of ids; choose another kernel")
        assert isinstance(state_space, Discrete) and isinstance(target_space, Discrete)
        if rotary is not None:
            raise ValueError("a rotary encoding acts inside self-attention; the kernel 'table' has none")
        if context_length < 1:
            raise ValueError(f"context_length must be at least 1, not {context_length}")
        num_states = state_space.num_elements
        num_contexts = num_states * (num_states + 1) ** (context_length - 1)
        if num_contexts >= 2**31:
            raise ValueError(
                f"{context_length} states out of {num_states} make {num_contexts} contexts, more than a table can "
                "number (2**31); use a shorter context_length or a network kernel"
            )
        rows: Rows
        if self.sparse_capacity is not None:
            rows = SparseRows(self.sparse_capacity)
        elif num_contexts * num_states * self.num_slots <= _DENSE_LIMIT:
            rows = DenseRows(num_contexts, num_states)
        else:
            rows = SparseRows(2 ** min(22, (num_contexts * num_states // 2).bit_length()))
        return Table(
            state_space=state_space,
            target_space=target_space,
            num_slots=self.num_slots,
            context_length=context_length,
            rows=rows,
            access=self.access,
        )
