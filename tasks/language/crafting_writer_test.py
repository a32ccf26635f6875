"""Plans are those written down by hand, and sentences read as sentences and say one thing each."""

import re

import pytest

from tasks.language import crafting_writer, recipes
from tasks.language.recipes import MACHINES, Item, Recipes
from tasks.language.small_recipes import item, small_recipes

SHIPPED = recipes.load()
GOALS = [item.name for item in SHIPPED.items if item.ingredients]


def _plan(*goals):
    return crafting_writer.plan(SHIPPED, goals)


def test_a_raw_material_is_its_own_plan():
    assert _plan("coal") == ("coal",)


def test_a_plan_goes_down_to_the_first_ingredient_first():
    assert _plan("electronic circuit") == (
        "copper ore",
        "copper plate",
        "copper cable",
        "iron ore",
        "iron plate",
        "electronic circuit",
    )


def test_an_item_is_made_once():
    # A wheel and the cart it is for both take bars; a radar's circuits take the plates that its wheels do.
    assert crafting_writer.plan(small_recipes(), ["cart"]) == ("ore", "bar", "wheel", "cart")
    assert _plan("radar") == (*_plan("electronic circuit"), "iron gear wheel", "radar")


def test_a_long_plan_is_the_one_written_by_hand():
    assert _plan("flying robot frame") == (
        *("iron ore", "iron plate", "steel plate", "iron gear wheel", "pipe", "engine unit"),
        *("copper ore", "copper plate", "copper cable", "electronic circuit"),
        *("crude oil", "water", "heavy oil", "lubricant", "electric engine unit"),
        *("petroleum gas", "sulfur", "sulfuric acid", "battery", "flying robot frame"),
    )


def test_plans_of_several_goals_are_joined_without_what_is_there():
    found = small_recipes()
    assert crafting_writer.plan(found, ["wheel", "ring"]) == ("ore", "bar", "wheel", "gem", "ring")
    assert crafting_writer.plan(found, ["ring", "wheel"]) == ("ore", "bar", "gem", "ring", "wheel")
    assert crafting_writer.plan(found, ["cart", "wheel"]) == crafting_writer.plan(found, ["cart"])
    assert crafting_writer.plan(found, ["gem", "gem"]) == ("gem",)


@pytest.mark.parametrize("goal", GOALS)
def test_a_plan_makes_all_that_the_goal_takes_and_that_before_it(goal):
    plan = _plan(goal)
    assert len(plan) == len(set(plan))
    assert set(plan) == SHIPPED.closure(goal)
    assert plan[-1] == goal
    for place, name in enumerate(plan):
        assert set(SHIPPED[name].ingredients) <= set(plan[:place])


@pytest.mark.parametrize("call", [crafting_writer.plan, crafting_writer.steps, crafting_writer.goal_text])
def test_no_goal_and_no_item_are_refused(call):
    for goals in ((), "radar"):
        with pytest.raises(ValueError, match="expected a list of one name at least"):
            call(SHIPPED, goals)
    with pytest.raises(ValueError, match="no item 'moon'"):
        call(SHIPPED, ["radar", "moon"])


def test_sentences_are_these():
    said = [crafting_writer.step(SHIPPED[name]) for name in ("iron ore", "iron plate", "sulfur", "inserter", "rail")]
    assert said == [
        "Dig up iron ore from its deposit.",
        "Smelt iron plates from iron ore.",
        "Make sulfur out of petroleum gas and water in the chemical works.",
        "Construct an inserter using an electronic circuit, an iron gear wheel and an iron plate.",
        "Manufacture rails from an iron stick, a steel plate and stone.",
    ]


def test_the_sentence_of_an_item_does_not_depend_on_the_plan():
    sentences = crafting_writer.steps(SHIPPED, ["radar"])
    assert sentences == tuple(crafting_writer.step(SHIPPED[name]) for name in _plan("radar"))
    assert crafting_writer.steps(SHIPPED, ["satellite", "radar"]).count(sentences[-1]) == 1


@pytest.mark.parametrize("item", SHIPPED.items, ids=lambda item: item.name)
def test_a_sentence_is_one_and_names_product_and_ingredients(item):
    sentence = crafting_writer.step(item)
    # A capital, then neither a mark that ends a sentence nor one that splits it, then a full stop.
    assert re.fullmatch(r"[A-Z][^.!?:;\n]+\.", sentence)
    assert "  " not in sentence
    for phrase in (item.product, *item.ingredient_phrases):
        assert re.search(rf"\b{re.escape(phrase)}\b", sentence)


def test_every_kind_of_machine_has_its_sentences():
    for machine in MACHINES:
        for counted in (True, False):
            for number in range(40):  # of four templates, all are drawn
                made = Item(f"thing {number}", machine, "a thing", counted, ("ore", "gem"), ("ore", "a gem"))
                sentence = crafting_writer.step(made)
                assert "a thing" in sentence.lower()
                assert "{" not in sentence
                assert ("ore and a gem" in sentence) == (
                    machine not in ("axe", "mine", "offshore pump", "pumpjack", "workbench")
                )


def test_words_vary():
    beginnings = {crafting_writer.step(item).split()[0] for item in SHIPPED.items}
    assert len(beginnings) >= 12
    goals = {crafting_writer.goal_text(SHIPPED, [goal]).partition(SHIPPED[goal].product)[0] for goal in GOALS}
    assert len(goals) >= 9


def test_a_goal_names_what_is_asked_for():
    for goal in GOALS:
        assert crafting_writer.goal_text(SHIPPED, [goal]).endswith(f" {SHIPPED[goal].product}")
    assert len({crafting_writer.goal_text(SHIPPED, [goal]) for goal in GOALS}) == len(GOALS)


def test_several_goals_are_listed_in_their_order():
    assert crafting_writer.goal_text(SHIPPED, ["inserter", "radar"]).endswith(" an inserter and a radar")
    assert crafting_writer.goal_text(SHIPPED, ["radar", "inserter"]).endswith(" a radar and an inserter")
    assert crafting_writer.goal_text(SHIPPED, ["radar", "coal", "rail"]).endswith(" a radar, coal and rails")


def test_only_pieces_are_built():
    # Whichever template is drawn, for as many lists of two as there are goals, the second a fluid.
    for goal in GOALS:
        said = crafting_writer.goal_text(SHIPPED, [goal, "water"])
        assert not re.search("build|assemble|construct", said.partition(SHIPPED[goal].product)[0])
    assert crafting_writer.goal_text(SHIPPED, ["oil refinery"]) == "construct an oil refinery"


def test_sentences_lead_back_to_their_items():
    found = crafting_writer.items_by_step(SHIPPED)
    assert list(found.values()) == [item.name for item in SHIPPED.items]
    assert found["Smelt iron plates from iron ore."] == "iron plate"


def test_two_items_of_one_sentence_are_refused():
    twin = Item("second axle", "offshore pump", "an axle", True, (), ())
    with pytest.raises(ValueError, match="^axle and second axle are both made by 'Pump an axle from the lake.'"):
        crafting_writer.items_by_step(Recipes((Item("axle", "offshore pump", "an axle", True, (), ()), twin)))
    assert len(crafting_writer.items_by_step(Recipes((item("ore"), item("gem"))))) == 2
