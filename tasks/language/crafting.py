"""The data set `crafting`: goals of a factory and the plans that reach them, drawn by a seed into three splits.

- `heldout`: items which are part of training plans and never a goal of training. They are drawn from the items that are
  made in three steps or more and are an ingredient of another item.
- `train`: every other item that is made of something, each a goal for itself.
- `pairs`: two goals of training at once, in the order drawn. Their plans share a step, and neither is part of the
  other's, so that a plan for both has to join what is known and leave out what is there already.

Every sentence of `heldout` and `pairs` is in a plan of `train`.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Literal

from tasks.language import crafting_writer, draws
from tasks.language.recipes import Recipes

NUM_HELD_OUT = 14
NUM_PAIRS = 20
MIN_HELD_OUT_STEPS = 3
"""A plan of fewer says little about planning."""

Split = Literal["train", "heldout", "pairs"]


@dataclasses.dataclass(frozen=True)
class Record:
    """A goal and the plan that reaches it.

    Attributes:
        goal: the request, such as "make an inserter and a radar".
        items: names of the items it asks for, by which `crafting_truth` judges a plan.
        split: what the record is for.
        steps: the sentences of the reference plan, from raw materials to the last goal.
    """

    goal: str
    items: tuple[str, ...]
    split: Split
    steps: tuple[str, ...]


def corpus(
    recipes: Recipes, *, seed: int, num_held_out: int = NUM_HELD_OUT, num_pairs: int = NUM_PAIRS
) -> tuple[Record, ...]:
    """All records: `train`, then `heldout`, both in the order of the recipes, then `pairs`.

    Args:
        seed: decides which goals are held out and paired; sentences and requests are the same under every seed.

    Raises:
        ValueError: if the recipes do not have as many goals to hold out, or to pair, or a number is negative.
    """
    for name, number in (("num_held_out", num_held_out), ("num_pairs", num_pairs)):
        if number < 0:
            raise ValueError(f"{name} must be 0 or more, not {number}")
    held_out = _draw_held_out(recipes, seed, num_held_out)
    train = [item.name for item in recipes.items if item.ingredients and item.name not in held_out]
    pairs = _draw_pairs(recipes, train, seed, num_pairs)
    return (
        *(_record(recipes, [name], "train") for name in train),
        *(_record(recipes, [item.name], "heldout") for item in recipes.items if item.name in held_out),
        *(_record(recipes, pair, "pairs") for pair in pairs),
    )


def _record(recipes: Recipes, goals: Sequence[str], split: Split) -> Record:
    return Record(
        goal=crafting_writer.goal_text(recipes, goals),
        items=tuple(goals),
        split=split,
        steps=crafting_writer.steps(recipes, goals),
    )


def _draw_held_out(recipes: Recipes, seed: int, wanted: int) -> frozenset[str]:
    """Names of items that training knows as parts: each is part of an item that is part of none, so never drawn."""
    used = {ingredient for item in recipes.items for ingredient in item.ingredients}
    candidates = [name for name in used if len(recipes.closure(name)) >= MIN_HELD_OUT_STEPS]
    if len(candidates) < wanted:
        raise ValueError(f"{wanted} goals cannot be held out, {len(candidates)} can; ask for fewer, or add recipes")
    drawn = sorted(candidates, key=lambda name: draws.number("heldout", str(seed), name))
    return frozenset(drawn[:wanted])


def _draw_pairs(recipes: Recipes, train: Sequence[str], seed: int, wanted: int) -> list[tuple[str, str]]:
    """Pairs of goals, each in one of its two orders."""
    closures = {name: recipes.closure(name) for name in train}
    candidates = [
        (first, second)
        for first, second in itertools.permutations(train, 2)
        if closures[first] & closures[second] and first not in closures[second] and second not in closures[first]
    ]
    pairs: list[tuple[str, str]] = []
    for first, second in sorted(candidates, key=lambda pair: draws.number("pairs", str(seed), *pair)):
        if len(pairs) < wanted and (second, first) not in pairs:
            pairs.append((first, second))
    if len(pairs) < wanted:
        raise ValueError(f"{wanted} pairs of goals are not to be had, {len(pairs)} are; ask for fewer, or add recipes")
    return pairs
