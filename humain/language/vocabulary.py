"""The vocabulary: every distinct sentence of a set of plans, and the plans as indices into it."""

import dataclasses
from collections.abc import Iterable, Sequence

from humain.language import sentences
from humain.language.plans import TextPlan


@dataclasses.dataclass(frozen=True)
class IndexedPlan:
    """A plan whose steps are indices into a vocabulary; otherwise like TextPlan.

    Attributes:
        goal: the goal, as a sentence.
        steps: indices, in order; at least one.
        split: the part of the data that the plan belongs to.
        items: the names of the items that the goal asks for.
    """

    goal: str
    steps: tuple[int, ...]
    split: str = "train"
    items: tuple[str, ...] = ()


def build(plans: Iterable[TextPlan]) -> tuple[tuple[str, ...], tuple[IndexedPlan, ...]]:
    """Builds the vocabulary of plans.

    Sentences that differ only in white space are the same.

    Args:
        plans: the plans; sentences are numbered in their order.

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
    """Returns the plan with the sentences that its steps stand for."""
    return TextPlan(plan.goal, tuple(vocabulary[step] for step in plan.steps), plan.split, plan.items)
