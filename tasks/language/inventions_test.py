"""Inventions are made of what is made, and are the same everywhere."""

import itertools

import pytest

from tasks.language import crafting_writer, inventions, recipes
from tasks.language.small_recipes import small_recipes

SHIPPED = recipes.load()
_NUMBER = 200


@pytest.fixture(scope="module", name="invented")
def _invented():
    return inventions.invent(SHIPPED, _NUMBER).items[len(SHIPPED.items) :]


def test_the_recipes_stay_and_inventions_come_last(invented):
    found = inventions.invent(SHIPPED, _NUMBER)
    assert found.items == (*SHIPPED.items, *invented)
    assert len(invented) == _NUMBER
    assert inventions.invent(SHIPPED, 50).items == found.items[: len(SHIPPED.items) + 50]
    assert inventions.invent(SHIPPED, 0) == SHIPPED


def test_an_invention_is_made_of_two_or_three_things_of_which_none_is_needed_for_another(invented):
    assert {len(item.ingredients) for item in invented} == {2, 3}
    for item in invented:
        for one, other in itertools.permutations(item.ingredients, 2):
            assert one not in SHIPPED.closure(other)
            assert SHIPPED[one].ingredients
    assert len({frozenset(item.ingredients) for item in invented}) == _NUMBER


def test_its_sentence_names_the_parts_and_has_no_list(invented):
    for item in invented:
        sentence = crafting_writer.step(item)
        assert item.product in sentence.lower()
        assert all(phrase in sentence for phrase in item.ingredient_phrases)
        assert "," not in sentence
        assert " and " not in sentence
    assert len({crafting_writer.step(item) for item in invented}) == _NUMBER


def test_few_things_make_few_inventions():
    # Of five things that are made: the coach needs all others, a cart the wheel and the bar, the wheel and the ring the
    # bar. Only wheel and ring, and cart and ring, go together.
    (first, second) = inventions.invent(small_recipes(), 2).items[-2:]
    assert {frozenset(first.ingredients), frozenset(second.ingredients)} <= {
        frozenset({"wheel", "ring"}),
        frozenset({"cart", "ring"}),
    }
    with pytest.raises(ValueError, match=r"there are only \d inventions to be made of 5 things, not 9"):
        inventions.invent(small_recipes(), 9)


@pytest.mark.parametrize("number", [-1, inventions.MAX_INVENTIONS + 1])
def test_a_number_that_can_t_be_is_refused(number):
    with pytest.raises(ValueError, match=f"the number of inventions must lie between 0 and .*, not {number}"):
        inventions.invent(SHIPPED, number)
