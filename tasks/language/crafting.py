"""The data set `crafting`: goals of a factory and the plans that reach them, drawn by a seed into five splits.

- `heldout`: items which are part of training plans and never a goal of training. They are drawn from the items that are
  made in three steps or more and are an ingredient of another item.
- `train`: every other item that is made of something, each a goal for itself.
- `pairs`: two goals of training at once, in the order drawn. Their plans share a step, and neither is part of the
  other's, so that a plan for both has to join what is known and leave out what is there already.

Every sentence of `heldout` and `pairs` is in a plan of `train`. Two more splits are of inventions (`inventions`), whose
recipe is given with the goal, as one sentence:

- `blueprints`: inventions to learn from, made of goals of training.
- `composition`: inventions that are not learned from, made of goals of training that no plan of `train` and
  `blueprints` makes all of, and of which no blueprint takes two. So no plan that is known makes what they take.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Literal

from tasks.language import crafting_writer, draws, inventions
from tasks.language.recipes import Recipes

NUM_HELD_OUT = 14
NUM_PAIRS = 20
MIN_HELD_OUT_STEPS = 3
"""A plan of fewer says little about planning."""

NUM_INVENTIONS = 1200
"""Inventions that there are for every seed; `corpus` draws from them."""

Split = Literal["train", "heldout", "pairs", "blueprints", "composition"]


@dataclasses.dataclass(frozen=True)
class Record:
    """A goal and the plan that reaches it.

    Attributes:
        goal: the request, such as "make an inserter and a radar".
        items: names of the items it asks for, by which `crafting_truth` judges a plan.
        split: what the record is for.
        steps: the sentences of the reference plan, from raw materials to the last goal.
        given: sentences that come with the goal: the recipe of an invention.
    """

    goal: str
    items: tuple[str, ...]
    split: Split
    steps: tuple[str, ...]
    given: tuple[str, ...] = ()


def corpus(
    recipes: Recipes,
    *,
    seed: int,
    num_held_out: int = NUM_HELD_OUT,
    num_pairs: int = NUM_PAIRS,
    num_blueprints: int = 0,
    num_compositions: int = 0,
) -> tuple[Record, ...]:
    """All records: `train` and `heldout` in the order of the recipes, then `pairs`, `blueprints` and `composition`.

    Args:
        recipes: without inventions.
        seed: decides which goals are held out, paired and composed; sentences and requests are the same under every
            seed.

    Raises:
        ValueError: if the recipes do not have as many goals to hold out, pair or compose, or a number is negative.
    """
    for name, number in (
        ("num_held_out", num_held_out),
        ("num_pairs", num_pairs),
        ("num_blueprints", num_blueprints),
        ("num_compositions", num_compositions),
    ):
        if number < 0:
            raise ValueError(f"{name} must be 0 or more, not {number}")
    held_out = _draw_held_out(recipes, seed, num_held_out)
    train = [item.name for item in recipes.items if item.ingredients and item.name not in held_out]
    pairs = _draw_pairs(recipes, train, seed, num_pairs)
    invented = invented_recipes(recipes) if num_blueprints or num_compositions else recipes
    compositions = _draw_compositions(invented, train, seed, num_compositions)
    blueprints = _draw_blueprints(invented, train, compositions, seed, num_blueprints)
    return (
        *(_record(recipes, [name], "train") for name in train),
        *(_record(recipes, [item.name], "heldout") for item in recipes.items if item.name in held_out),
        *(_record(recipes, pair, "pairs") for pair in pairs),
        *(_record(invented, [name], "blueprints") for name in blueprints),
        *(_record(invented, [name], "composition") for name in compositions),
    )


def invented_recipes(recipes: Recipes) -> Recipes:
    """The recipes and those of all inventions that a corpus may ask for."""
    return inventions.invent(recipes, NUM_INVENTIONS)


def _record(recipes: Recipes, goals: Sequence[str], split: Split) -> Record:
    steps = crafting_writer.steps(recipes, goals)
    return Record(
        goal=crafting_writer.goal_text(recipes, goals),
        items=tuple(goals),
        split=split,
        steps=steps,
        given=steps[-1:] if split in ("blueprints", "composition") else (),
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


def _draw_compositions(recipes: Recipes, train: Sequence[str], seed: int, wanted: int) -> list[str]:
    """Inventions made of goals of training that no plan of training makes all of."""
    made = [recipes.closure(name) for name in train]
    fitting = [
        name for name in _inventions_of(recipes, train) if not any(made_of(recipes, name) <= plan for plan in made)
    ]
    return _first(fitting, "compositions", seed, wanted)


def _draw_blueprints(
    recipes: Recipes, train: Sequence[str], compositions: Sequence[str], seed: int, wanted: int
) -> list[str]:
    """Inventions made of goals of training that are no help with the compositions by what they are made of."""
    composed = [made_of(recipes, name) for name in compositions]

    def is_fitting(name: str) -> bool:
        parts, plan = made_of(recipes, name), recipes.closure(name)
        return not any(len(parts & others) > 1 or others <= plan for others in composed)

    fitting = [name for name in _inventions_of(recipes, train) if is_fitting(name)]
    return _first(fitting, "blueprints", seed, wanted)


def _inventions_of(recipes: Recipes, train: Sequence[str]) -> list[str]:
    """Inventions that are made of goals of training alone."""
    known = set(train)
    return [item.name for item in recipes.items[-NUM_INVENTIONS:] if made_of(recipes, item.name) <= known]


def made_of(recipes: Recipes, name: str) -> frozenset[str]:
    """Names of the items that an item's own recipe takes."""
    return frozenset(recipes[name].ingredients)


def _first(fitting: Sequence[str], kind: str, seed: int, wanted: int) -> list[str]:
    if len(fitting) < wanted:
        raise ValueError(f"{wanted} {kind} are not to be had, {len(fitting)} are; ask for fewer, or add recipes")
    return sorted(fitting, key=lambda name: draws.number(kind, str(seed), name))[:wanted]
