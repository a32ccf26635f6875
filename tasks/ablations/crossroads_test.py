"""The experiment on crossroads: small runs of it, and that the parts find doors."""

import numpy as np
import pytest

from tasks.ablations import crossroads
from tasks.ablations.crossroads import CrossroadsSettings

_SMALL = CrossroadsSettings(
    smallest=3, largest=3, num_ways=1500, density_steps=400, strides=(4,), num_updates=20, batch_size=256, num_pairs=16
)


@pytest.fixture(scope="module", name="numbers")
def _numbers():
    return crossroads.measure(_SMALL, seed=0, num_seeds=2).to_json()


def test_doors_are_found(numbers):
    # Of two seeds' ten doors none may be missed, and next to nothing found beside them.
    for name in ("entropy", "neural_entropy"):
        assert numbers[name]["recall"] == 1
        assert numbers[name]["precision"] >= 0.9
    assert numbers["on"]["mean"] > numbers["off"]["mean"]


def test_the_reference_is_exact_counts(numbers):
    assert numbers["reference"]["name"] == "entropy"
    # F1 of precision p and recall 1 is 2 p / (p + 1), which is concave: the mean is at most F1 of the mean.
    precision = numbers["entropy"]["precision"]
    assert 0.9 <= numbers["reference"]["mean"] <= 2 * precision / (precision + 1) + 1e-9


def test_results_have_the_documented_form(numbers):
    assert set(numbers) == {"on", "off", "reference", "entropy", "neural_entropy", "skip", "thinking", "worlds"}
    for name in ("entropy", "neural_entropy", "skip"):
        assert set(numbers[name]) == {"precision", "precision_sd", "recall", "recall_sd"}
    assert set(numbers["thinking"]) == {"skip_stride", "entropy", "neural_entropy", "skip", "strides"}
    assert len(numbers["on"]["seeds"]) == 2


def test_plans_take_as_many_steps_as_they_have(numbers):
    for name in ("entropy", "neural_entropy", "skip"):
        figures = numbers["thinking"][name]
        assert 0 < figures["complete"]["mean"] <= 1
        # What is planned was seen to be a shortest way, so a complete plan is one.
        assert figures["optimum"]["mean"] == pytest.approx(figures["complete"]["mean"], abs=0.05)
        assert figures["layer_0_steps"]["mean"] >= figures["layer_0_steps_for_one_sub_goal_at_most"]["mean"]


def test_the_pictures_show_the_doors(numbers):
    for world in numbers["worlds"]:
        floor = np.array([list(row) for row in world["floor"]])
        assert all(floor[row, column] == "." for row, column in world["doors"])
        assert set(world["found"]) == {"entropy", "neural_entropy", "skip"}
