"""Figures that say how good guides are, each computed by hand."""

import numpy as np
import pytest

from humain.language.dataset import Dataset
from humain.language.vocabulary import IndexedPlan
from tasks.language import crafting_writer, judging, recipes

_RECIPES = recipes.load()
_ITEMS = ("iron ore", "iron plate", "copper ore", "copper plate", "iron gear wheel")
_VOCABULARY = (*(crafting_writer.step(_RECIPES[name]) for name in _ITEMS), "Dig up the moon.")
_ORE, _PLATE, _COPPER_ORE, _COPPER_PLATE, _WHEEL, _MOON = range(6)


def _data(plans=None):
    """Two plans of training, two held out; sentence i is embedded as unit vector i."""
    plans = plans or (
        IndexedPlan("make iron plates", (_ORE, _PLATE), "train", ("iron plate",)),
        IndexedPlan("make copper plates", (_COPPER_ORE, _COPPER_PLATE), "train", ("copper plate",)),
        IndexedPlan("make a gear", (_ORE, _PLATE, _WHEEL), "heldout", ("iron gear wheel",)),
        IndexedPlan("make both", (_ORE, _PLATE, _COPPER_ORE, _COPPER_PLATE), "heldout", ("iron plate", "copper plate")),
    )
    embeddings = np.eye(len(_VOCABULARY), dtype=np.float32)
    return Dataset(plans, _VOCABULARY, embeddings, embeddings[: len(plans)], "e", "crafting")


def _large(num_sentences=100):
    """One held-out plan through all of many sentences."""
    plans = (IndexedPlan("go", tuple(range(num_sentences)), "heldout"),)
    embeddings = np.eye(num_sentences, dtype=np.float32)
    return Dataset(
        plans, tuple(f"Do {number}." for number in range(num_sentences)), embeddings, embeddings[:1], "e", "w"
    )


def test_the_nearest_sentence_is_the_one_at_the_least_distance():
    embeddings = np.array([[0, 0], [3, 0], [0, 4]], np.float32)
    # To (2, 0): 4, 1 and 20. To (1, 1): 2, 5 and 10. To (0, 3): 9, 18 and 1, though (3, 0) and (0, 4) are longer.
    answers = np.array([[2, 0], [1, 1], [0, 3]], np.float32)
    assert judging.nearest(answers, embeddings).tolist() == [1, 0, 2]
    assert judging.nearest(np.zeros((0, 0), np.float32), embeddings).tolist() == []


def test_candidates_have_the_right_sentence_and_others_once_each():
    data = _large()
    for time in range(100):
        found = judging.candidates(data, 0, time, num_candidates=64, seed=0)
        assert len(set(found.tolist())) == 64
        assert time in found
        assert found.tolist() == sorted(found.tolist())


def test_the_place_of_the_right_sentence_tells_nothing():
    # Drawn uniformly, 10 of 100 sentences are expected to have 4.5 others of 9 below the one in the middle.
    data = _large()
    below = [sum(judging.candidates(data, 0, 50, num_candidates=10, seed=seed) < 50) for seed in range(200)]
    assert 4 < np.mean(below) < 5.1
    assert min(below) < 2
    assert max(below) > 7


def test_candidates_are_drawn_by_seed_plan_and_time_alone():
    data = _large()
    first = judging.candidates(data, 0, 3, num_candidates=8, seed=1)
    judging.candidates(data, 0, 4, num_candidates=8, seed=1)
    assert judging.candidates(data, 0, 3, num_candidates=8, seed=1).tolist() == first.tolist()
    assert judging.candidates(data, 0, 3, num_candidates=8, seed=2).tolist() != first.tolist()
    others = set(judging.candidates(data, 0, 4, num_candidates=8, seed=1).tolist()) - {4}
    assert others != set(first.tolist()) - {3}


def test_a_small_vocabulary_is_drawn_whole_and_one_candidate_is_the_right_one():
    assert judging.candidates(_data(), 2, 1, num_candidates=64, seed=0).tolist() == [0, 1, 2, 3, 4, 5]
    assert judging.candidates(_data(), 2, 1, num_candidates=1, seed=0).tolist() == [_PLATE]


def test_of_some_sentences_the_nearest_is_picked():
    embeddings = np.array([[0, 0], [3, 0], [0, 4]], np.float32)
    answer = np.array([0.1, 0.1], np.float32)
    assert judging.pick(answer, np.array([0, 1, 2]), embeddings) == 0
    # (2.9, 0.1) is nearer than (0.1, 3.9).
    assert judging.pick(answer, np.array([1, 2]), embeddings) == 1


def test_plans_are_judged_by_the_recipes():
    data = _data()
    plans = {
        0: [_ORE, _PLATE],  # as in the data
        1: [_ORE, _COPPER_ORE, _COPPER_PLATE],  # works, and the iron ore is idle
        2: [_PLATE, _ORE, _WHEEL],  # no ore for the plate
        3: [_COPPER_ORE, _COPPER_PLATE, _ORE, _PLATE],  # works, in another order than in the data
    }
    assert judging.scores(data, plans, _RECIPES) == {
        "train": {"exact": 0.5, "valid": 1.0, "complete": 1.0, "minimal": 0.5},
        "heldout": {"exact": 0.0, "valid": 0.5, "complete": 0.5, "minimal": 0.5},
    }


@pytest.mark.parametrize(
    ("steps", "valid", "complete", "minimal"),
    [
        ([_ORE, _PLATE, _WHEEL], 1, 1, 1),
        ([_ORE, _PLATE, _WHEEL, _WHEEL], 1, 1, 0),  # done twice
        ([_ORE, _PLATE], 1, 0, 0),  # stops early; no step is idle, and yet it is not a minimal way to the goal
        ([], 1, 0, 0),
        ([_ORE, _PLATE, _WHEEL, _MOON], 0, 0, 0),  # makes the wheel, and says what is no step
    ],
)
def test_a_plan_counts_as_complete_only_if_it_is_valid_and_as_minimal_only_if_complete(steps, valid, complete, minimal):
    found = judging.scores(_data(), {2: steps}, _RECIPES)["heldout"]
    exact = float(steps == [_ORE, _PLATE, _WHEEL])
    assert found == {"exact": exact, "valid": valid, "complete": complete, "minimal": minimal}


def test_a_plan_is_judged_with_what_is_against_it():
    assert judging.verdict(_data(), 2, [_ORE, _PLATE, _WHEEL], _RECIPES) == {
        "exact": True,
        "valid": True,
        "complete": True,
        "minimal": True,
        "faults": (),
    }
    assert judging.verdict(_data(), 2, [_ORE, _WHEEL], _RECIPES) == {
        "exact": False,
        "valid": False,
        "complete": False,
        "minimal": False,
        "faults": (
            "step 2 makes iron gear wheel and lacks iron plate",
            "iron gear wheel is a goal and is not made",
        ),
    }
    assert judging.verdict(_data(), 2, [_ORE, _WHEEL], None) == {"exact": False}


def test_without_a_truth_plans_are_held_against_the_data_alone():
    assert judging.scores(_data(), {0: [_ORE, _PLATE], 1: [_ORE]}, None) == {"train": {"exact": 0.5}}
    assert judging.scores(_data(), {}, None) == {}


def test_the_right_sentence_is_picked_or_not():
    data = _data()
    unit = data.vocabulary_embeddings
    answers = {
        (0, 0): unit[_MOON],  # of training, which does not count
        (2, 0): unit[_ORE],
        (2, 1): unit[_MOON],
        (2, 2): None,
        (3, 0): 0.6 * unit[_ORE] + 0.5 * unit[_MOON],
    }
    # Picked for (2, 0) and (3, 0), of four questions; all 6 sentences are candidates.
    assert judging.top1(data, answers, split="heldout", num_candidates=64, seed=0) == {
        "top1": 0.5,
        "nearest1": 0.5,
        "questions": 4,
    }
    # With no one to take it for, an answer is right; none stays wrong.
    assert judging.top1(data, answers, split="heldout", num_candidates=1, seed=0) == {
        "top1": 0.75,
        "nearest1": 0.5,
        "questions": 4,
    }


def test_among_few_candidates_a_wrong_sentence_is_often_not_among_them():
    data = _large()
    # Each answer is nearest to the sentence after the right one, and second nearest to the right one.
    unit = data.vocabulary_embeddings
    answers = {(0, time): 0.5 * unit[time] + 0.6 * unit[time + 1] for time in range(99)}
    found = judging.top1(data, answers, split="heldout", num_candidates=10, seed=0)
    # The other one is drawn 9 times in 99, so that about 90 of 99 are right: 0.91 with a deviation of 0.03.
    assert 0.82 < found["top1"] < 1
    assert found["nearest1"] == 0
    drawn = sum(time + 1 in judging.candidates(data, 0, time, num_candidates=10, seed=0) for time in range(99))
    assert found["top1"] == pytest.approx(1 - drawn / 99)


def test_without_a_question_there_is_no_share():
    none = {"top1": None, "nearest1": None, "questions": 0}
    assert judging.top1(_data(), {}, split="heldout", num_candidates=64, seed=0) == none
    assert judging.top1(_data(), {(0, 0): None}, split="heldout", num_candidates=64, seed=0) == none
