"""Inventions: things that no factory has, each with a recipe of things that it has.

What is asked of a model that is shown such a recipe, a sentence, is to make all that it takes and then the thing
itself. The things are the same everywhere and always, for they are drawn from their names.
"""

import itertools
from collections.abc import Sequence

from tasks.language import draws
from tasks.language.recipes import Item, Recipes

_KINDS = (
    *(
        "ancient",
        "armored",
        "bent",
        "brass",
        "broad",
        "compact",
        "covered",
        "double",
        "electric",
        "floating",
        "folding",
    ),
    *("giant", "heated", "hidden", "hollow", "humming", "lunar", "magnetic", "mobile", "narrow", "painted", "polar"),
    *("quiet", "rapid", "rotating", "rugged", "sealed", "silent", "solar", "spare", "striped", "submerged", "tilted"),
    *("towed", "tropical", "twin", "vertical", "winding", "wooden", "woven"),
)
_THINGS = (
    *("anchor", "antenna", "balloon", "barge", "beacon", "bellows", "bridge", "cannon", "clock", "crane", "drone"),
    *("ferry", "filter", "gate", "glider", "hoist", "kiln", "ladder", "lantern", "lathe", "lift", "loom"),
    *("mast", "mill", "organ", "press", "printer", "scale", "shuttle", "siren", "sledge", "telescope", "tower"),
    *("valve", "wagon", "winch"),
)
MAX_INVENTIONS = len(_KINDS) * len(_THINGS)
_SIZES = (2, 3)
"""How many things an invention is made of."""
_NUM_DRAWN = 12
"""How many things are drawn for each invention, of which the first that go together are taken."""


def invent(recipes: Recipes, number: int) -> Recipes:
    """The recipes and those of inventions, which come last.

    An invention is made of two or three things that are made of something themselves and of which none is needed for
    another. No two inventions are made of the same things.

    Args:
        recipes: of what the inventions are made of.
        number: of inventions, up to `MAX_INVENTIONS`.

    Raises:
        ValueError: if there are not as many.
    """
    if not 0 <= number <= MAX_INVENTIONS:
        raise ValueError(f"the number of inventions must lie between 0 and {MAX_INVENTIONS}, not {number}")
    made = [item for item in recipes.items if item.ingredients]
    closures = {item.name: recipes.closure(item.name) for item in made}
    # An order that looks like chance: it is that of draws from the names.
    names = sorted((f"{kind} {thing}" for kind in _KINDS for thing in _THINGS), key=draws.number)[:number]
    taken: set[frozenset[str]] = set()
    invented: list[Item] = []
    for name in names:
        size = draws.choose(_SIZES, "size", name)
        fitting = (
            parts
            for parts in itertools.combinations(_some(made, name), size)
            if frozenset(part.name for part in parts) not in taken
            and not any(one.name in closures[other.name] for one, other in itertools.permutations(parts, 2))
        )
        parts = next(fitting, None)
        if parts is None:
            raise ValueError(
                f"there are only {len(invented)} inventions to be made of {len(made)} things, not {number}"
            )
        taken.add(frozenset(part.name for part in parts))
        invented.append(_invention(name, parts))
    return Recipes((*recipes.items, *invented))


def _some(made: Sequence[Item], name: str) -> list[Item]:
    """Things that an invention may be made of, in the order in which they are drawn."""
    return sorted(made, key=lambda item: draws.number("invention", name, item.name))[:_NUM_DRAWN]


def _invention(name: str, parts: Sequence[Item]) -> Item:
    return Item(
        name=name,
        machine="workbench",
        product=f"{'an' if name[0] in 'aeiou' else 'a'} {name}",
        counted=True,
        ingredients=tuple(part.name for part in parts),
        ingredient_phrases=tuple(part.product for part in parts),
    )
