"""What is held out is practised and never asked for, and pairs join two plans that are known."""

import dataclasses
import functools

import pytest

from humain.files import records
from tasks.language import crafting, crafting_truth, recipes
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
