"""Recipes of a factory: what is made of what, and by what kind of machine.

The recipes that come with the project, recipes.json, are written down after the game Factorio (version 1.1), amounts
and times left out. Where the game has several recipes for an item there is one, and of a recipe with several products
each is an item for itself. Ingredients stand in the order in which they are made: the one that takes most steps first.

A file of recipes is a JSON list of items, such as

    {"name": "inserter", "one": "an inserter", "many": "inserters", "machine": "assembling machine",
     "product": "an inserter", "ingredients": ["an electronic circuit", "an iron gear wheel", "iron plates"]}

where `one` and `many` are how one speaks of one and of several, `product` is whichever of them suits what the recipe
makes, and each ingredient is the `one` or `many` of an item. What is not counted, such as water, has no `one`. What is
taken from nature has no ingredients.
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from humain import errors
from humain.files import records

SHIPPED = pathlib.Path(__file__).with_name("recipes.json")
MACHINES = (
    "axe",
    "mine",
    "offshore pump",
    "pumpjack",
    "furnace",
    "oil refinery",
    "chemical plant",
    "centrifuge",
    "assembling machine",
    "rocket silo",
    "rocket launch",
    "workbench",
)
"""Every kind of machine that a recipe may name."""
_KEYS = {"name", "one", "many", "machine", "product", "ingredients"}
_OPTIONAL = {"one"}


@dataclasses.dataclass(frozen=True)
class Item:
    """What the factory makes, and how.

    Attributes:
        name: without an article, such as "iron gear wheel".
        machine: that makes it, one of `MACHINES`.
        product: how one speaks of what the recipe makes, such as "an iron gear wheel".
        counted: whether that is one piece.
        ingredients: names of the items it is made of, in the order in which they are made; none for a raw material.
        ingredient_phrases: how the recipe speaks of them, in the same order, such as "iron plates".
    """

    name: str
    machine: str
    product: str
    counted: bool
    ingredients: tuple[str, ...]
    ingredient_phrases: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuses machines that are not known, and lists of unlike length."""
        if self.machine not in MACHINES:
            raise ValueError(f"{self.name} is made by {self.machine!r}; expected one of {', '.join(MACHINES)}")
        if len(self.ingredients) != len(self.ingredient_phrases):
            raise ValueError(
                f"{self.name} has {len(self.ingredients)} ingredients and {len(self.ingredient_phrases)} phrases for"
                " them; give one phrase for each"
            )
        if len(set(self.ingredients)) != len(self.ingredients):
            raise ValueError(f"{self.name} lists an ingredient twice in {self.ingredients}; list it once")


@dataclasses.dataclass(frozen=True)
class Recipes:
    """One recipe for each of some items.

    Attributes:
        items: in any order.

    Raises:
        ValueError: if there is no item, two have one name, an ingredient is not one of them, or an item is needed to
            make itself.
    """

    items: tuple[Item, ...]

    def __post_init__(self) -> None:
        """Refuses what cannot be made."""
        if not self.items:
            raise ValueError("there is no item; expected one at least")
        known: set[str] = set()
        for item in self.items:
            if item.name in known:
                raise ValueError(f"{item.name} has two recipes; keep one")
            known.add(item.name)
        for item in self.items:
            for ingredient in item.ingredients:
                if ingredient not in known:
                    raise ValueError(f"{item.name} is made of {ingredient}, which has no recipe; add one")
        for item in self.items:
            for ingredient in item.ingredients:
                if item.name in self.closure(ingredient):
                    raise ValueError(
                        f"{item.name} is made of {ingredient}, and needs itself for its own making; break the cycle"
                    )

    def __getitem__(self, name: str) -> Item:
        if name not in self._by_name:
            some = ", ".join(list(self._by_name)[:8])
            raise ValueError(f"there is no item {name!r}; there are {len(self.items)}, such as {some}")
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> Mapping[str, Item]:
        return {item.name: item for item in self.items}

    def closure(self, name: str) -> frozenset[str]:
        """Names of an item and of all that it is made of, down to the raw materials."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            item = self[waiting.pop()]
            if item.name not in found:
                found.add(item.name)
                waiting.extend(item.ingredients)
        return frozenset(found)


def load(path: pathlib.Path = SHIPPED) -> Recipes:
    """Reads a file of recipes; without an argument, the one that comes with the project.

    Raises:
        UserError: if there is no such file, or it holds no recipes that can be followed.
    """
    try:
        content: Any = records.read_json(path)
    except OSError as error:
        raise errors.UserError(f"{path} can't be read ({error.strerror}); name a file of recipes") from error
    except ValueError as error:
        raise errors.UserError(f"{error}; name a file of recipes") from error
    try:
        if not isinstance(content, list):
            raise ValueError(f"expected a list of items and not a {type(content).__name__}")
        for place, entry in enumerate(content):
            _check_entry(place, entry)
        forms = _forms(content)
        return Recipes(tuple(_to_item(entry, forms) for entry in content))
    except ValueError as error:
        raise errors.UserError(f"{path} is no file of recipes: {error}") from error


def _check_entry(place: int, entry: Any) -> None:
    """Refuses an entry that is not of the form this module describes."""
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise ValueError(f"entry {place} has no name; expected an object with {', '.join(sorted(_KEYS))}")
    name, keys = entry["name"], set(entry)
    if keys - _KEYS or _KEYS - _OPTIONAL - keys:
        raise ValueError(
            f"{name} has the keys {', '.join(sorted(keys))}; expected {', '.join(sorted(_KEYS))}, {_OPTIONAL} if it is"
            " counted"
        )
    ingredients = entry["ingredients"]
    if not isinstance(ingredients, list) or not all(isinstance(phrase, str) for phrase in ingredients):
        raise ValueError(f"the ingredients of {name} are {ingredients!r}; expected a list of strings")
    for key in sorted(keys - {"ingredients"}):
        if not isinstance(entry[key], str) or not entry[key].strip():
            raise ValueError(f"{key} of {name} is {entry[key]!r}; expected text")


def _forms(entries: list[Any]) -> Mapping[str, str]:
    """The name of the item that each phrase stands for."""
    forms: dict[str, str] = {}
    for entry in entries:
        for phrase in (entry.get("one", entry["many"]), entry["many"]):
            if forms.setdefault(phrase, entry["name"]) != entry["name"]:
                raise ValueError(f"{phrase!r} is a form of {forms[phrase]} and of {entry['name']}; tell them apart")
            forms[phrase] = entry["name"]
    return forms


def _to_item(entry: Mapping[str, Any], forms: Mapping[str, str]) -> Item:
    name, product, phrases = entry["name"], entry["product"], entry["ingredients"]
    if product not in (entry.get("one"), entry["many"]):
        raise ValueError(f"the product of {name} is {product!r}; expected its `one` or its `many`")
    for phrase in phrases:
        if phrase not in forms:
            raise ValueError(f"{name} is made of {phrase!r}, which is no item's `one` or `many`; add that item")
    return Item(
        name=name,
        machine=entry["machine"],
        product=product,
        counted=product == entry.get("one"),
        ingredients=tuple(forms[phrase] for phrase in phrases),
        ingredient_phrases=tuple(phrases),
    )
