"""The vocabulary: every sentence of some plans once, and the plans as indices into it."""

import dataclasses
from collections.abc import Iterable, Sequence

from humain.language import sentences
from humain.language.plans import TextPlan


@dataclasses.dataclass(frozen=True)
class IndexedPlan:
    """A plan whose steps are indices into a vocabulary; the rest is a TextPlan's.

    Attributes:
        goal: what is to be reached.
        steps: indices, in order; at least one.
        split: the part of the data that the plan belongs to.
        items: names of what the goal asks for.
    """

    goal: str
    steps: tuple[int, ...]
    split: str = "train"
    items: tuple[str, ...] = ()


def build(plans: Iterable[TextPlan]) -> tuple[tuple[str, ...], tuple[IndexedPlan, ...]]:
    """Takes plans apart into sentences.

    Two sentences are one if they differ in white space alone.

    Args:
        plans: in the order in which their sentences are to be numbered.

    Returns:
        The vocabulary, in order of first use, normalised; and the plans, in order.
    """
    index_of: dict[str, int] = {}
    indexed = []
    for plan in plans:
        steps = tuple(index_of.setdefault(sentences.normalize(step), len(index_of)) for step in plan.steps)
        indexed.append(IndexedPlan(sentences.normalize(plan.goal), steps, plan.split, plan.items))
    return tuple(index_of), tuple(indexed)


def spell_out(plan: IndexedPlan, vocabulary: Sequence[str]) -> TextPlan:
    """The plan with the sentences that its steps stand for."""
    return TextPlan(plan.goal, tuple(vocabulary[step] for step in plan.steps), plan.split, plan.items)
