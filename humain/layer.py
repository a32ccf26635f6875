"""One layer of the stack: its learner, its memory, and what the one sees of the other."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp

from humain.cortex.cortex import Cortex
from humain.hippocampus import encodings
from humain.hippocampus import memory as memory_lib
from humain.hippocampus import recall as recall_lib
from humain.hippocampus.memory import Memory
from humain.nearest import Nearest
from humain.selection import select
from humain.spaces import Space
from humain.stopping import Stopping
from humain.types import Array, Context


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer of the stack. Nothing in it knows which layer it is.

    Attributes:
        cortex: learns and answers.
        context_length: states that the hippocampus shows the cortex, the present one included.
        encoding: of their positions.
        refresh_on_new_goal: whether the hippocampus forgets when the layer's goal changes. Goals that count as equal in
            the space, as tagged ones that leave open what the other tells, are no change.
        hide_start: whether the state from which the layer sets out for a goal is hidden: a context then begins with
            zeros in its place. For goals that say all that is to be done, as means of chunks do: what to do for one
            does not depend on what was done before, and is known after anything. States must be vectors.
        max_sub_steps: answers that a plan may take for one goal.
        max_nodes: answers of this layer that a plan has room for.
        recall: how states that are no longer in the context are recalled into it, by the goal as the cue: before the
            `context_length` newest ones come those of the older ones that are most like the goal. None for the newest
            alone. The kernel is then for contexts of `shown_length`.
        recall_capacity: older states that are kept to recall from.
    """

    cortex: Cortex
    context_length: int = 1
    encoding: encodings.Encoding = encodings.none
    refresh_on_new_goal: bool = True
    hide_start: bool = False
    max_sub_steps: int = 16
    max_nodes: int = 64
    recall: recall_lib.Recall | None = None
    recall_capacity: int = 0

    def __post_init__(self) -> None:
        for name in ("context_length", "max_sub_steps", "max_nodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        num_recalled = 0 if self.recall is None else self.recall.num_recalled
        if self.recall_capacity < num_recalled or (self.recall is None and self.recall_capacity):
            raise ValueError(
                f"recall_capacity must be at least num_recalled ({num_recalled}), or 0 without recall, "
                f"not {self.recall_capacity}"
            )
        if self.hide_start and not jnp.issubdtype(self.space.dtype, jnp.floating):
            raise ValueError(f"hide_start needs states that are vectors, not those of {self.space}; set it to False")

    @property
    def space(self) -> Space:
        """Of the layer's states and goals."""
        return self.cortex.kernel.state_space

    @property
    def answers_states(self) -> bool:
        """Whether what the layer answers are states, and not actions."""
        target_space = self.cortex.kernel.target_space
        if isinstance(target_space, Stopping):
            target_space = target_space.space
        if isinstance(target_space, Nearest):
            target_space = target_space.whole
        return target_space == self.space

    @property
    def stored_length(self) -> int:
        """States that a context is made from, the present one included."""
        return self.context_length + self.recall_capacity

    @property
    def shown_length(self) -> int:
        """States in a context, the present one included."""
        return self.context_length + (0 if self.recall is None else self.recall.num_recalled)

    def begin(self, batch_size: int) -> Memory:
        """The hippocampi of `B` episodes before their first state."""
        memory = memory_lib.empty(self.stored_length - 1, self.space)
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (batch_size, *leaf.shape)), memory)

    def context(self, memories: Memory, states: Array, goals: Array) -> Context:
        """What the cortex sees of `B` episodes in the present states `[B, *S]`, asked for goals `[B, *S]`."""
        states = self._without_start(memories, states)
        show = partial(memory_lib.context, length=self.stored_length, space=self.space, encoding=self.encoding)
        return self.focus(jax.vmap(show)(memories, states), goals)

    def remember(self, memories: Memory, states: Array, present: Array) -> Memory:
        """The hippocampi of `B` episodes with states `[B, *S]` stored where `present`, `[B]` bool."""
        return jax.vmap(memory_lib.append)(memories, self._without_start(memories, states), present)

    def _without_start(self, memories: Memory, states: Array) -> Array:
        """The states, or zeros where they are the first ones since the last refresh and are to be hidden."""
        if not self.hide_start:
            return states
        return select(memories.count == 0, jnp.zeros_like(states), states)

    def focus(self, contexts: Context, goals: Array) -> Context:
        """Of all that is stored, `[B, stored_length]`, what the cortex sees when asked for goals `[B, *S]`."""
        if self.recall is None:
            return contexts
        focus = partial(recall_lib.focus, num_newest=self.context_length, space=self.space, encoding=self.encoding)
        return jax.vmap(partial(focus, self.recall))(contexts, goals)
