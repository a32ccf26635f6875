"""Whether a plan works: its sentences, held against the recipes."""

import dataclasses
from collections.abc import Sequence

from tasks.language import crafting_writer
from tasks.language.recipes import Recipes


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What is true of a plan.

    Attributes:
        valid: every sentence is a step of the recipes, and whatever a step needs has been made before.
        complete: every goal has been made. A step that lacks something makes nothing.
        minimal: no step is idle: each makes a goal or what a goal is made of, and none that there has been already.
        faults: what is against it, a line each, in the order of the steps and then of the goals; none if all is well.
    """

    valid: bool
    complete: bool
    minimal: bool
    faults: tuple[str, ...]


def check(recipes: Recipes, steps: Sequence[str], *, goals: Sequence[str]) -> Verdict:
    """Follows a plan step by step.

    A sentence is known by its exact text. A plan without steps is valid and minimal, and complete for no goal.

    Args:
        steps: the sentences, in order.
        goals: names of the items that were asked for; they come with the record, and no text is read for them.

    Raises:
        ValueError: if there is no goal, or one is no item.
    """
    if isinstance(goals, str) or not goals:
        raise ValueError(f"the goals are {goals!r}; expected a list of one name at least")
    needed = frozenset[str]().union(*(recipes.closure(goal) for goal in goals))
    items_by_step = crafting_writer.items_by_step(recipes)
    valid = minimal = True
    made: set[str] = set()
    seen: set[str] = set()
    faults: list[str] = []
    for number, sentence in enumerate(steps, start=1):
        name = items_by_step.get(sentence)
        if name is None:
            valid = minimal = False
            faults.append(f"step {number} is not a recipe: {sentence!r}")
            continue
        lacking = [ingredient for ingredient in recipes[name].ingredients if ingredient not in made]
        if lacking:
            valid = False
            faults.append(f"step {number} makes {name} and lacks {', '.join(lacking)}")
        else:
            made.add(name)
        if name in seen:
            minimal = False
            faults.append(f"step {number} makes {name} again")
        elif name not in needed:
            minimal = False
            faults.append(f"step {number} makes {name}, which no goal needs")
        seen.add(name)
    missing = [goal for goal in goals if goal not in made]
    faults.extend(f"{goal} is a goal and is not made" for goal in missing)
    return Verdict(valid=valid, complete=not missing, minimal=minimal, faults=tuple(faults))
