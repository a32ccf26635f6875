"""The cortex: a kernel, how its examples are scored, and how far it looks ahead."""

import dataclasses

import jax.numpy as jnp

from humain.cortex.scores import ScoreRule
from humain.kernels.inverse_model import InverseModel
from humain.kernels.kernel import Kernel, KernelState
from humain.selection import select
from humain.stopping import Stopping
from humain.types import Answer, Array, Context


@dataclasses.dataclass(frozen=True)
class Cortex:
    """One layer's goal-conditioned learner.

    Attributes:
        kernel: its memory.
        score_rule: how good an example is.
        lookahead: how many of the layer's pivots ahead a goal may lie in training, 1 or more.
        goal_discount: in `(0, 1]`; goals `d` steps ahead are drawn in proportion to `goal_discount ** d`, as is usual
            in goal-conditioned learning. Less than 1 shows a kernel more short ways for each pair of state and goal.
        pivot_to_pivot: whether hindsight shows it only what an agent meets that goes from pivot to pivot: the goal is
            the next pivot or the trajectory's end, the context is all since the pivot before, and each such example
            counts once, however often it occurs. By default goals lie anywhere within the lookahead.
        ends_at_goal: whether an answer with a stop signal (`Stopping`) is the goal itself, whatever state came with it.
            For layers whose goals are states of their paths: what ends the way there is then the goal, so that a goal
            need not be among the states that answers are taken for.
        max_steps: goals lie at most so many steps of a trajectory ahead in training, whatever the lookahead; 1 or more,
            None for no bound. 1 is what a kernel needs that learns what leads from a state to the next one.
    """

    kernel: Kernel
    score_rule: ScoreRule
    lookahead: int = 2
    goal_discount: float = 1.0
    pivot_to_pivot: bool = False
    ends_at_goal: bool = False
    max_steps: int | None = None

    def __post_init__(self) -> None:
        if self.lookahead < 1:
            raise ValueError(f"the lookahead must be 1 pivot or more, not {self.lookahead}")
        if not 0 < self.goal_discount <= 1:
            raise ValueError(f"the goal_discount must lie in (0, 1], not {self.goal_discount}")
        if self.max_steps is not None and self.max_steps < 1:
            raise ValueError(f"max_steps must be 1 or more, or None for no bound, not {self.max_steps}")
        if self.max_steps is not None and self.pivot_to_pivot:
            raise ValueError("pivot_to_pivot learns goals that are pivots, however far; leave max_steps out")
        if isinstance(self.kernel, InverseModel) and self.max_steps != 1:
            raise ValueError(
                "an inverse model learns which action leads from a state to the next one, so that goals must lie one "
                f"step ahead; set max_steps to 1, not {self.max_steps}"
            )
        if self.ends_at_goal and not isinstance(self.kernel.target_space, Stopping):
            raise ValueError(
                f"ends_at_goal needs answers with a stop signal, not those of {self.kernel.target_space}; make them "
                "Stopping, or set it to False"
            )

    def answer(self, state: KernelState, context: Context, goals: Array, ranks: Array | None = None) -> Answer:
        """The value of the slot with the best score; ties go to the first.

        Args:
            state: the kernel's.
            context: of `B` episodes.
            goals: `[B, *S]`.
            ranks: `[B]` int32, from 0 to the number of slots less 1: which hypothesis, the best one first. By default
                the best one of each.
        """
        slots = self.kernel.recall(state, context, goals)
        if ranks is None:
            chosen = jnp.argmax(slots.scores, axis=-1)
        else:
            order = jnp.argsort(-slots.scores, axis=-1, stable=True)
            chosen = jnp.take_along_axis(order, ranks[:, None], axis=1)[:, 0]
        score = jnp.take_along_axis(slots.scores, chosen[:, None], axis=1)[:, 0]
        index = chosen.reshape(-1, *[1] * (slots.values.ndim - 1))
        value = jnp.take_along_axis(slots.values, index, axis=1)[:, 0]
        ends = jnp.zeros(score.shape, bool)
        if isinstance(self.kernel.target_space, Stopping):
            value, ends = self.kernel.target_space.split(value)
        if self.ends_at_goal:
            value = select(ends, goals, value)
        return Answer(value=value, score=score, known=score > -jnp.inf, ends=ends)
