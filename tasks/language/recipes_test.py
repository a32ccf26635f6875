"""Recipes are read as they are written, and those that cannot be followed are refused by name."""

import json
import re

import pytest

from humain import errors
from tasks.language import recipes
from tasks.language.recipes import Item, Recipes
from tasks.language.small_recipes import item, small_recipes

_ORE = {"name": "ore", "many": "ore", "machine": "mine", "product": "ore", "ingredients": []}
_BAR = {
    "name": "bar",
    "one": "a bar",
    "many": "bars",
    "machine": "furnace",
    "product": "bars",
    "ingredients": ["ore"],
}
_AXLE = {
    "name": "axle",
    "one": "an axle",
    "many": "axles",
    "machine": "assembling machine",
    "product": "an axle",
    "ingredients": ["bars", "ore"],
}


def _written(folder, content):
    path = folder / "own.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def _message(path):
    with pytest.raises(errors.UserError) as caught:
        recipes.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_file_is_read(tmp_path):
    found = recipes.load(_written(tmp_path, [_AXLE, _ORE, _BAR]))
    assert found.items == (
        Item("axle", "assembling machine", "an axle", True, ("bar", "ore"), ("bars", "ore")),
        Item("ore", "mine", "ore", False, (), ()),
        Item("bar", "furnace", "bars", False, ("ore",), ("ore",)),
    )
    assert found["bar"] is found.items[2]


def test_a_name_without_a_recipe_is_refused():
    with pytest.raises(ValueError, match="no item 'moon'; there are 7, such as ore, gem, bar"):
        small_recipes()["moon"]
    with pytest.raises(ValueError, match="no item 'moon'"):
        small_recipes().closure("moon")


def test_the_closure_is_all_that_an_item_takes():
    found = small_recipes()
    assert found.closure("ore") == {"ore"}
    assert found.closure("wheel") == {"ore", "bar", "wheel"}
    assert found.closure("ring") == {"ore", "bar", "gem", "ring"}
    assert found.closure("coach") == {name.name for name in found.items}


def test_no_item_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no item"):
        Recipes(())
    assert "there is no item" in _message(_written(tmp_path, []))


def test_two_recipes_for_an_item_are_refused(tmp_path):
    with pytest.raises(ValueError, match="bar has two recipes"):
        Recipes((item("ore"), item("bar", "ore"), item("bar", "ore")))
    assert "bar has two recipes" in _message(_written(tmp_path, [_ORE, _BAR, _BAR]))


def test_an_ingredient_without_a_recipe_is_refused(tmp_path):
    with pytest.raises(ValueError, match="bar is made of ore, which has no recipe"):
        Recipes((item("bar", "ore"),))
    assert "bar is made of 'ore', which is no item's" in _message(_written(tmp_path, [_BAR]))
    # The name is no phrase of what is counted.
    assert "'bar'" in _message(_written(tmp_path, [_ORE, _BAR, {**_AXLE, "ingredients": ["bar"]}]))


@pytest.mark.parametrize(
    "items", [(item("ore", "ore"),), (item("gem"), item("ore", "gem", "bar"), item("bar", "rod"), item("rod", "ore"))]
)
def test_a_cycle_is_refused(items):
    with pytest.raises(ValueError, match="ore is made of (ore|bar), and needs itself"):
        Recipes(items)


def test_a_cycle_in_a_file_is_refused(tmp_path):
    # A bar is made of an axle, and an axle of bars.
    assert "needs itself" in _message(_written(tmp_path, [_ORE, {**_BAR, "ingredients": ["an axle"]}, _AXLE]))


def test_an_ingredient_listed_twice_is_refused(tmp_path):
    entry = {**_AXLE, "ingredients": ["a bar", "bars"]}
    assert "axle lists an ingredient twice" in _message(_written(tmp_path, [_ORE, _BAR, entry]))


def test_phrases_are_one_for_each_ingredient():
    with pytest.raises(ValueError, match="axle has 1 ingredients and 2 phrases"):
        Item("axle", "mine", "an axle", True, ("bar",), ("a bar", "ore"))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**_BAR, "machine": "wand"}, "bar is made by 'wand'; expected one of axe, mine"),
        ({**_BAR, "product": "lots of bars"}, "the product of bar is 'lots of bars'"),
        ({**_BAR, "amount": 2}, "bar has the keys amount, "),
        ({key: value for key, value in _BAR.items() if key != "machine"}, "bar has the keys ingredients, "),
        ({**_BAR, "many": " "}, "many of bar is ' '; expected text"),
        ({**_BAR, "one": None}, "one of bar is None; expected text"),
        ({**_BAR, "ingredients": "ore"}, "the ingredients of bar are 'ore'"),
        ({**_BAR, "ingredients": [1]}, "the ingredients of bar are [1]"),
        ({**_BAR, "many": "ore"}, "'ore' is a form of ore and of bar"),
        ({**_BAR, "name": 3}, "entry 1 has no name"),
        ("bar", "entry 1 has no name"),
    ],
)
def test_an_entry_of_another_form_is_refused(tmp_path, entry, message):
    assert message in _message(_written(tmp_path, [_ORE, entry]))


def test_a_file_that_is_none_is_refused(tmp_path):
    assert "can't be read" in _message(tmp_path / "missing.json")
    assert "can't be read" in _message(tmp_path)
    assert "is not valid JSON (" in _message(_written(tmp_path, "[{"))
    assert "expected a list of items and not a dict" in _message(_written(tmp_path, {"items": []}))


def test_the_shipped_recipes_can_be_followed():
    found = recipes.load()
    assert len(found.items) == 82
    raw = {"wood", "coal", "stone", "iron ore", "copper ore", "uranium ore", "water", "crude oil"}
    assert {item.name for item in found.items if not item.ingredients} == raw
    # What is built on a workbench is invented.
    assert {item.machine for item in found.items} == set(recipes.MACHINES) - {"workbench"}
    sizes = [len(found.closure(item.name)) for item in found.items if item.ingredients]
    # A stone furnace is stone and a furnace; a space science pack takes most.
    assert (min(sizes), max(sizes)) == (2, 31)


@pytest.mark.parametrize(
    ("name", "ingredients"),
    [
        ("electronic circuit", {"copper cable", "iron plate"}),
        ("fast inserter", {"inserter", "electronic circuit", "iron plate"}),
        ("flying robot frame", {"electric engine unit", "battery", "electronic circuit", "steel plate"}),
        ("sulfuric acid", {"sulfur", "iron plate", "water"}),
        ("rocket part", {"rocket control unit", "low density structure", "rocket fuel"}),
    ],
)
def test_shipped_recipes_are_those_of_the_game(name, ingredients):
    assert set(recipes.load()[name].ingredients) == ingredients


def test_shipped_ingredients_stand_by_the_length_of_their_plans():
    found = recipes.load()
    for made in found.items:
        sizes = [len(found.closure(ingredient)) for ingredient in made.ingredients]
        assert sizes == sorted(sizes, reverse=True), made.name


def test_shipped_articles_suit_the_sound_of_the_word():
    for entry in json.loads(recipes.SHIPPED.read_text()):
        if "one" in entry:
            vowel = re.match("[aeio]", entry["name"]) is not None  # "a uranium", "a utility"
            assert entry["one"] == f"{'an' if vowel else 'a'} {entry['name']}"
            assert entry["many"] in (f"{entry['name']}s", entry["name"].removesuffix("y") + "ies")
        else:
            assert entry["many"] == entry["name"]
