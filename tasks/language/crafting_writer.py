"""Writes the plans of a factory: a goal as a request, and the steps that reach it as sentences.

An item has one sentence, the same in every plan, and a list of goals one request. Which of several templates they are
written by is drawn from the names of the items, so that it is the same everywhere and always.
"""

from collections.abc import Mapping, Sequence

from tasks.language import draws
from tasks.language.recipes import Item, Recipes

# By the kind of machine: the sentences, each with the product and, but for raw materials, what it is made of.
_STEPS: Mapping[str, tuple[str, ...]] = {
    "axe": ("Chop down trees for {product}.",),
    "mine": (
        "Mine {product} out of the ground.",
        "Dig up {product} from its deposit.",
        "Extract {product} from the ground.",
    ),
    "offshore pump": ("Pump {product} from the lake.",),
    "pumpjack": ("Pump {product} out of the oil field.",),
    "furnace": (
        "Make {product} by smelting {parts}.",
        "Smelt {product} from {parts}.",
    ),
    "oil refinery": (
        "Refine {parts} into {product}.",
        "Distil {product} from {parts}.",
    ),
    "chemical plant": (
        "Make {product} out of {parts} in the chemical works.",
        "Prepare {product} from {parts}.",
        "Produce {product} from {parts}.",
        "Use {parts} to make {product} in the chemical works.",
    ),
    "centrifuge": (
        "Separate {product} from {parts} in the centrifuge.",
        "Spin {parts} in the centrifuge to obtain {product}.",
    ),
    "rocket silo": ("Assemble {product} in the silo from {parts}.",),
    "rocket launch": ("Earn {product} by launching {parts} into space.",),
    "workbench": (
        "Build {product} on the workbench: {parts}.",
        "Put together {product}: {parts}.",
        "Take {parts} for {product}.",
        "{product} is built on the workbench by fixing {parts}.",
    ),
}
_JOINTS = ("on", "over", "inside", "beside", "under", "onto")
"""Between the parts of what is built on a workbench, whose recipe is no list that a comma or an "and" divides."""
_ASSEMBLE_ONE = (
    "Assemble {product} from {parts}.",
    "Assemble {product} in the workshop from {parts}.",
    "Construct {product} using {parts}.",
    "Manufacture {product} from {parts}.",
    "Use {parts} to build {product}.",
    "With {parts} at hand, build {product}.",
)
_ASSEMBLE_MANY = (
    "Make {product} from {parts}.",
    "Manufacture {product} from {parts}.",
    "Produce {product} in the workshop from {parts}.",
    "Use {parts} to make {product}.",
)
_GOALS = (
    "make {product}",
    "I need {product}",
    "produce {product}",
    "I want {product}",
    "please make {product}",
    "we need {product}",
)
_GOALS_OF_PIECES = (
    "build {product}",
    "assemble {product}",
    "construct {product}",
    "I want to build {product}",
    *_GOALS,
)


def goal_text(recipes: Recipes, goals: Sequence[str]) -> str:
    """A request for one item or several, such as "make an inserter and a radar".

    Args:
        goals: names of the items, in the order in which they are asked for.

    Raises:
        ValueError: if there are no goals, or one is not an item.
    """
    items = [recipes[name] for name in _checked(goals)]
    templates = _GOALS_OF_PIECES if all(item.counted for item in items) else _GOALS
    return draws.choose(templates, "goal", *goals).format(product=_listed([item.product for item in items]))


def plan(recipes: Recipes, goals: Sequence[str]) -> tuple[str, ...]:
    """Names of the items to make, in order: all that a goal is made of before it, each once.

    Ingredients are made in their order, each with all that it takes, and goals one after the other, without what has
    been made for the goals before.

    Args:
        goals: names of the items that are asked for.

    Raises:
        ValueError: if there are no goals, or one is not an item.
    """
    made: dict[str, None] = {}

    def make(name: str) -> None:
        if name not in made:
            for ingredient in recipes[name].ingredients:
                make(ingredient)
            made[name] = None

    for goal in _checked(goals):
        make(goal)
    return tuple(made)


def step(item: Item) -> str:
    """The sentence that makes an item, such as "Assemble a radar from electronic circuits, ... and iron plates."."""
    templates = _STEPS.get(item.machine) or (_ASSEMBLE_ONE if item.counted else _ASSEMBLE_MANY)
    template = draws.choose(templates, "step", item.name)
    parts = _joined(item) if item.machine == "workbench" else _listed(item.ingredient_phrases)
    sentence = template.format(product=item.product, parts=parts)
    return sentence[0].upper() + sentence[1:]


def steps(recipes: Recipes, goals: Sequence[str]) -> tuple[str, ...]:
    """The sentences of the plan for one goal or several; as `plan`."""
    return tuple(step(recipes[name]) for name in plan(recipes, goals))


def items_by_step(recipes: Recipes) -> Mapping[str, str]:
    """The name of the item that each sentence makes.

    Raises:
        ValueError: if two items have one sentence.
    """
    found: dict[str, str] = {}
    for item in recipes.items:
        if (sentence := step(item)) in found:
            raise ValueError(f"{found[sentence]} and {item.name} are both made by {sentence!r}; tell them apart")
        found[sentence] = item.name
    return found


def _checked(goals: Sequence[str]) -> Sequence[str]:
    if isinstance(goals, str) or not goals:
        raise ValueError(f"the goals are {goals!r}; expected a list of one name at least")
    return goals


def _joined(item: Item) -> str:
    """The ingredients of what is built on a workbench: "a on b", "a on b under c"."""
    words = [*item.ingredient_phrases[:1]]
    for number, phrase in enumerate(item.ingredient_phrases[1:]):
        words += [draws.choose(_JOINTS, "joint", item.name, str(number)), phrase]
    return " ".join(words)


def _listed(phrases: Sequence[str]) -> str:
    """Phrases as a list in a sentence: "a", "a and b", "a, b and c"."""
    *most, last = phrases or ("",)
    return f"{', '.join(most)} and {last}" if most else last
