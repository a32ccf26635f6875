"""Sentences that are given with a goal: where a user's plans may have them, so that models and baselines can use them.

No layer answers with a sentence that is given; it comes last on the way to what asks for it, and all that comes before
it is learned from plans of training.
"""

from collections.abc import Sequence

from humain import errors
from humain.language.plans import TextPlan
from tasks.language import grounding
from tasks.language.models import BLUEPRINTS, TRAIN


def check(plans: Sequence[TextPlan], where: str) -> None:
    """Refuses plans whose given sentences, or blueprints, nothing could be learned or asked from.

    Args:
        plans: all plans of a data set, with normalised sentences.
        where: what has them, such as a file's name.

    Raises:
        UserError: naming the plan, its sentence, and what is expected.
    """
    owners = {sentence: place for place, plan in reversed([*enumerate(plans, 1)]) for sentence in plan.given}
    learned = {step for plan in plans if plan.split == TRAIN for step in plan.steps}
    for number, plan in enumerate(plans, 1):
        name = f"{where}: plan {number} ({plan.goal!r}, split {plan.split!r})"
        if plan.given and plan.split == TRAIN:
            raise errors.UserError(
                f"{name} has the given sentence {plan.given[0]!r}, and plans of this split can have none; leave "
                f"'given' out, or make its split {BLUEPRINTS!r}, or one that is not learned from"
            )
        for sentence in plan.given:
            _check_place(plan, sentence, name)
        for step in plan.steps:
            if step in owners and step not in plan.given:
                raise errors.UserError(
                    f"{name} has the step {step!r}, which is given with plan {owners[step]}; only plans that it is "
                    "given with may have it: reword one of the two, or leave it out of 'given' there"
                )
            if plan.split == BLUEPRINTS and step not in plan.given and step not in learned:
                raise errors.UserError(
                    f"{name} has the step {step!r}, which is a step of no plan of the split {TRAIN!r}; add a plan that "
                    "has it, or, if the plan ends with it, name it in 'given'"
                )


def _check_place(plan: TextPlan, sentence: str, name: str) -> None:
    """Refuses a given sentence that its goal does not lead to."""
    # A goal of several things has a way to each, one after the other; blueprints are learned from as one way.
    if plan.split != BLUEPRINTS and len(grounding.parts(plan.goal)) > 1:
        if sentence not in plan.steps:
            raise errors.UserError(
                f"{name} has the given sentence {sentence!r}, which is not one of its steps; add it where it belongs"
            )
    elif sentence != plan.steps[-1] or sentence in plan.steps[:-1]:
        raise errors.UserError(
            f"{name} has the given sentence {sentence!r}, which must be its last step and no other; it ends with "
            f"{plan.steps[-1]!r}"
        )
