"""The vocabulary: every distinct sentence of a set of plans, and the plans as indices into it."""

import dataclasses
import itertools
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
        given: indices of sentences that come with the goal.
    """

    goal: str
    steps: tuple[int, ...]
    split: str = "train"
    items: tuple[str, ...] = ()
    given: tuple[int, ...] = ()


def build(plans: Iterable[TextPlan]) -> tuple[tuple[str, ...], tuple[IndexedPlan, ...]]:
    """Builds the vocabulary of plans.

    Sentences that differ only in white space are the same.

    Args:
        plans: the plans; sentences are numbered in their order, those that are given with a goal after all others.

    Returns:
        The vocabulary, in order of first use, normalised; and the plans, in order.
    """
    listed = list(plans)
    given = [_normalized(plan.given) for plan in listed]
    steps = [_normalized(plan.steps) for plan in listed]
    last = {sentence for texts in given for sentence in texts}
    used = dict.fromkeys(itertools.chain(*steps, *given))
    ordered = (*(sentence for sentence in used if sentence not in last), *(each for each in used if each in last))
    index_of = {sentence: index for index, sentence in enumerate(ordered)}
    indexed = tuple(
        IndexedPlan(
            sentences.normalize(plan.goal),
            tuple(index_of[step] for step in taken),
            plan.split,
            plan.items,
            tuple(index_of[sentence] for sentence in shown),
        )
        for plan, taken, shown in zip(listed, steps, given, strict=True)
    )
    return ordered, indexed


def _normalized(texts: Sequence[str]) -> list[str]:
    return [sentences.normalize(text) for text in texts]


def spell_out(plan: IndexedPlan, vocabulary: Sequence[str]) -> TextPlan:
    """Returns the plan with the sentences that its steps stand for."""
    steps, given = (tuple(vocabulary[index] for index in indices) for indices in (plan.steps, plan.given))
    return TextPlan(plan.goal, steps, plan.split, plan.items, given)
