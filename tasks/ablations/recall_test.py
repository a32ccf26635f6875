"""Counting what is recalled, on sequences small enough to check."""

import jax.numpy as jnp
import numpy as np
import pytest

from tasks.ablations import recall

SMALL = recall.RecallSettings(num_bits=40, loads=(0.05, 0.5), longer_loads=(1.0, 1.5), num_sweeps=3)


@pytest.fixture(scope="module")
def outcome():
    return recall.measure(SMALL, seed=0, num_seeds=3)


def test_the_hippocampus_recalls_as_many_as_it_has_room_for(outcome):
    assert outcome.capacity == 40
    assert outcome.recalled.mean >= 39
    rows = {row["patterns"]: row["mean"] for row in outcome.to_json()["sweep"]["recalled"]}
    assert set(rows) == {2, 20, 40, 60}
    # Of 60 the newest 40 are kept.
    assert 39 <= rows[60] <= 40


def test_the_hopfield_network_recalls_a_few(outcome):
    rows = outcome.to_json()["sweep"]["hopfield"]
    assert [row["patterns"] for row in rows] == [2, 20]
    assert rows[0]["mean"] == 2
    assert rows[1]["mean"] < 10
    assert outcome.hopfield.mean < outcome.recalled.mean / 3


def test_rivals_that_keep_the_patterns_recall_as_many(outcome):
    # One update of a modern Hopfield network is what the hippocampus does: of equally long vectors, the squared
    # distance and the inner product give the same weights.
    results = outcome.to_json()
    assert results["sweep"]["modern_hopfield"] == results["sweep"]["recalled"]
    assert results["rivals"]["modern_hopfield"]["seeds"] == list(outcome.recalled.values)
    assert results["rivals"]["nearest_1"]["mean"] >= 39
    # Two of three neighbours are other patterns, and outvote the right one in a quarter of its bits.
    assert results["rivals"]["nearest_3"]["mean"] <= 2
    rows = {row["patterns"]: row["mean"] for row in results["sweep"]["nearest_1"]}
    # Of 60 the newest 40 are kept; an older one is nearest to another.
    assert 39 <= rows[60] <= 40
    assert results["reference"]["name"] in ("modern_hopfield", "nearest_1")
    assert results["reference"]["mean"] == pytest.approx(
        max(rival["mean"] for rival in results["rivals"].values()) / 40
    )


def test_results_say_what_docs_say(outcome):
    results = outcome.to_json()
    assert results["hopfield_theory"] == pytest.approx(5.52)
    assert results["recalled"] == outcome.recalled.mean
    assert results["hopfield_sd"] == outcome.hopfield.sd
    assert results["on"]["mean"] == pytest.approx(results["recalled"] / 40)
    assert results["off"]["mean"] == pytest.approx(results["hopfield"] / 40)
    memories = {"recalled", "hopfield", "modern_hopfield", "nearest_1", "nearest_3"}
    assert set(results["exact"]) == set(results["sweep"]) == memories
    assert set(results) >= {"capacity", "recalled_sd", "hopfield", "sweep"}


def test_only_what_comes_back_counts():
    def all_ones(patterns, present, cues):
        return jnp.ones_like(cues)

    counts = recall.count_recalled(SMALL, all_ones, [30], seed=0, num_seeds=4)
    np.testing.assert_array_equal(counts[30], np.zeros((4, 2)))

    def two_bits_wrong(patterns, present, cues):
        # 5 % of 40 bits is 2.
        return patterns.at[:, :2].multiply(-1)

    counts = recall.count_recalled(SMALL, two_bits_wrong, [30, 10], seed=0, num_seeds=4)
    np.testing.assert_array_equal(counts[30], [[30, 0]] * 4)
    np.testing.assert_array_equal(counts[10], [[10, 0]] * 4)


def test_settings_without_a_full_memory_are_refused():
    with pytest.raises(ValueError, match=r"load 1 \(a full memory\)"):
        recall.RecallSettings(loads=(0.1,), longer_loads=())


@pytest.mark.parametrize("neighbors", [(), (0,), (1, 201)])
def test_neighbors_that_there_can_not_be_are_refused(neighbors):
    with pytest.raises(ValueError, match=r"neighbors must be numbers from 1 to num_bits \(200\)"):
        recall.RecallSettings(neighbors=neighbors)
