"""What is held out is practised and never asked for, and pairs join two plans that are known."""

import dataclasses
import functools

import pytest

from humain.files import records
from tasks.language import crafting, crafting_truth, crafting_writer, grounding, recipes
from tasks.language.small_recipes import item, small_recipes

SHIPPED = recipes.load()
SEEDS = range(8)


@functools.cache
def _corpus(seed):
    return crafting.corpus(SHIPPED, seed=seed)


def _split(corpus, name):
    return [record for record in corpus if record.split == name]


def _sentences(found):
    return {sentence for record in found for sentence in record.steps}


def test_a_record_is_the_request_and_the_plan():
    (record,) = (record for record in _corpus(0) if record.items == ("lubricant",))
    assert records.to_json(dataclasses.replace(record, split="train")) == {
        "given": [],
        "goal": "make lubricant",
        "items": ["lubricant"],
        "split": "train",
        "steps": [
            "Pump crude oil out of the oil field.",
            "Pump water from the lake.",
            "Refine crude oil and water into heavy oil.",
            "Make lubricant out of heavy oil in the chemical works.",
        ],
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_every_goal_has_one_place(seed):
    corpus = _corpus(seed)
    train, held_out = _split(corpus, "train"), _split(corpus, "heldout")
    # 82 items, 8 of them raw, 14 held out.
    assert (len(train), len(held_out), len(_split(corpus, "pairs"))) == (60, 14, 20)
    goals = [record.items for record in train + held_out]
    assert sorted(goals) == sorted((item.name,) for item in SHIPPED.items if item.ingredients)
    assert len({record.goal for record in corpus}) == len(corpus)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_held_out_is_practised_as_a_part(seed):
    train, held_out = (_split(_corpus(seed), name) for name in ("train", "heldout"))
    practised = _sentences(train)
    for record in held_out:
        assert len(record.steps) >= 3
        assert set(record.steps) <= practised
        assert record.steps[-1] not in {known.steps[-1] for known in train}


@pytest.mark.parametrize("seed", SEEDS)
def test_pairs_join_two_known_plans(seed):
    corpus = _corpus(seed)
    known = {record.items[0]: record.steps for record in _split(corpus, "train")}
    pairs = _split(corpus, "pairs")
    assert len({frozenset(record.items) for record in pairs}) == len(pairs)
    for record in pairs:
        first, second = (known[name] for name in record.items)
        rest = tuple(step for step in second if step not in first)
        assert record.steps == first + rest
        assert len(rest) < len(second)
        assert second[-1] not in first
        assert first[-1] not in second


@pytest.mark.parametrize("seed", SEEDS)
def test_all_plans_are_right(seed):
    for record in _corpus(seed):
        verdict = crafting_truth.check(SHIPPED, record.steps, goals=record.items)
        assert verdict == crafting_truth.Verdict(True, True, True, ())


def test_the_seed_decides_and_nothing_else():
    assert crafting.corpus(SHIPPED, seed=0) == _corpus(0)
    shuffled = recipes.Recipes(SHIPPED.items[::-1])
    assert set(crafting.corpus(shuffled, seed=0)) == set(_corpus(0))
    for split in ("heldout", "pairs"):
        drawn = [frozenset(record.items for record in _split(_corpus(seed), split)) for seed in SEEDS]
        assert len(set(drawn)) == len(SEEDS)
    # Pairs differ also where the goals they are drawn from do not.
    one, other = (crafting.corpus(SHIPPED, seed=seed, num_held_out=0) for seed in (0, 1))
    assert _split(one, "train") == _split(other, "train")
    assert _split(one, "pairs") != _split(other, "pairs")


def test_over_seeds_every_item_that_can_be_is_held_out():
    # 14 of fewer than 42: an item is passed over in one seed with a chance of two thirds, in 40 with 1e-7.
    used = {name for item in SHIPPED.items for name in item.ingredients}
    expected = {name for name in used if len(SHIPPED.closure(name)) >= 3}
    assert len(expected) < 42
    drawn = {
        record.items[0]
        for seed in range(40)
        for record in crafting.corpus(SHIPPED, seed=seed, num_pairs=0)
        if record.split == "heldout"
    }
    assert drawn == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_small_recipes_are_split_as_by_hand(seed):
    # Parts of others that take three steps: wheel, cart and ring. All can be held out, as a coach takes all three.
    corpus = crafting.corpus(small_recipes(), seed=seed, num_held_out=3, num_pairs=0)
    assert [(record.split, record.items) for record in corpus] == [
        ("train", ("bar",)),
        ("train", ("coach",)),
        ("heldout", ("wheel",)),
        ("heldout", ("cart",)),
        ("heldout", ("ring",)),
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_pairs_that_one_plan_answers_are_none(seed):
    # Without the coach, which contains all, bar < wheel < cart and bar < ring: wheel and ring, or cart and ring.
    few = recipes.Recipes(small_recipes().items[:-1])
    corpus = crafting.corpus(few, seed=seed, num_held_out=0, num_pairs=2)
    assert {frozenset(record.items) for record in _split(corpus, "pairs")} == {
        frozenset(("wheel", "ring")),
        frozenset(("cart", "ring")),
    }


def test_pairs_that_share_nothing_are_none():
    apart = recipes.Recipes((item("ore"), item("gem"), item("bar", "ore"), item("jewel", "gem")))
    with pytest.raises(ValueError, match="1 pairs of goals are not to be had, 0 are"):
        crafting.corpus(apart, seed=0, num_held_out=0, num_pairs=1)


def test_more_than_can_be_held_out_is_refused():
    # Wheel, cart and ring; a bar takes two steps, a gem one, and a coach is part of nothing.
    with pytest.raises(ValueError, match="4 goals cannot be held out, 3 can"):
        crafting.corpus(small_recipes(), seed=0, num_held_out=4, num_pairs=0)


@pytest.mark.parametrize("name", ["num_held_out", "num_pairs"])
def test_fewer_than_none_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be 0 or more, not -1"):
        crafting.corpus(small_recipes(), seed=0, **{"num_held_out": 0, "num_pairs": 0, name: -1})


@functools.cache
def _invented():
    return crafting.invented_recipes(SHIPPED)


@functools.cache
def _composed(seed):
    return crafting.corpus(SHIPPED, seed=seed, num_blueprints=200, num_compositions=20)


@pytest.mark.parametrize("seed", (0, 1))
def test_inventions_change_nothing_of_the_other_splits(seed):
    assert _composed(seed)[: len(_corpus(seed))] == _corpus(seed)
    splits = [record.split for record in _composed(seed)[len(_corpus(seed)) :]]
    assert splits == ["blueprints"] * 200 + ["composition"] * 20


@pytest.mark.parametrize("seed", (0, 1))
def test_an_invention_is_made_of_goals_of_training_and_its_recipe_is_given(seed):
    known = {record.items[0]: set(record.steps) for record in _split(_composed(seed), "train")}
    for record in _split(_composed(seed), "blueprints") + _split(_composed(seed), "composition"):
        parts = _invented()[record.items[0]].ingredients
        assert record.given == record.steps[-1:]
        # All that its parts take, each once, and its own recipe, which no other plan has.
        assert set(record.steps[:-1]) == set().union(*(known[part] for part in parts))
        assert record.given[0] not in set().union(*known.values())
        verdict = crafting_truth.check(_invented(), record.steps, goals=record.items)
        assert (verdict.valid, verdict.complete, verdict.minimal) == (True, True, True)


@pytest.mark.parametrize("seed", (0, 1))
def test_no_composition_can_be_looked_up(seed):
    corpus = _composed(seed)
    learned = [record for record in corpus if record.split in ("train", "blueprints")]
    items_by_step = crafting_writer.items_by_step(_invented())
    stored = [{items_by_step[step] for step in record.steps} for record in learned]
    goals = {record.items[0] for record in _split(corpus, "blueprints")}
    for record in _split(corpus, "composition"):
        parts = set(_invented()[record.items[0]].ingredients)
        assert record.items[0] not in goals
        # No plan that is learned from makes all that it takes, let alone has its last sentence.
        assert not any(parts <= made for made in stored)
        assert not any(record.steps[-1] in other.steps for other in learned)
        # No recipe that is learned from takes two of its parts.
        recipes_learned = [set(_invented()[name].ingredients) for name in goals]
        assert all(len(parts & others) < 2 for others in recipes_learned)
        # Neither the request nor the recipe is a list that the splitting of goals would divide.
        assert len(grounding.parts(record.goal)) == len(grounding.parts(record.given[0])) == 1


def test_compositions_and_blueprints_are_drawn_by_the_seed():
    drawn = [tuple(record.items for record in _split(_composed(seed), "composition")) for seed in (0, 1)]
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("wanted", [{"num_compositions": 2000}, {"num_blueprints": 2000}])
def test_more_inventions_than_there_are_are_refused(wanted):
    with pytest.raises(ValueError, match=r"2000 (compositions|blueprints) are not to be had, \d+ are; ask for fewer"):
        crafting.corpus(SHIPPED, seed=0, **wanted)
