"""Curves by hand: what is checked, summed up and printed."""

import math
from typing import Any

import numpy as np
import pytest

from tasks.control import learning_curves
from tasks.control.learning_curves import Point

_SLOW = [Point(0, 10.0, 0.0), Point(300, 200.0, 3.0), Point(2000, 500.0, 9.0), Point(4000, 480.0, 12.0)]
_FAST = [Point(0, 20.0, 0.0), Point(400, 495.0, 1.0)]
_POOR = [Point(0, 30.0, 0.0), Point(900, 494.9, 2.0)]
_CURVES = {"slow": [_SLOW], "fast": [_FAST, _POOR]}


def test_learners_take_turns_over_the_seeds():
    calls: list[tuple[str, int]] = []
    lines: list[str] = []

    def learner(name):
        def train(seed):
            calls.append((name, seed))
            return [(0, 9.5, 0.0), (1234, 100.0 + seed, 2.5)]

        return train

    found = learning_curves.compare({"a": learner("a"), "b": learner("b")}, seeds=[3, 5], notify=lines.append)
    assert calls == [("a", 3), ("b", 3), ("a", 5), ("b", 5)]
    assert found == {name: [[(0, 9.5, 0.0), (1234, 100.0 + seed, 2.5)] for seed in (3, 5)] for name in "ab"}
    assert lines[1] == "b, seed 3: 103.0 after 1,234 steps, 2.5 s" and len(lines) == 4


def test_nothing_is_no_comparison():
    with pytest.raises(ValueError, match="0 learners with 1 seeds"):
        learning_curves.compare({}, seeds=[0])
    with pytest.raises(ValueError, match="1 learners with 0 seeds"):
        learning_curves.compare({"a": lambda seed: []}, seeds=[])


@pytest.mark.parametrize(
    ("points", "match"),
    [
        ([], "a has no point"),
        ([(5, 1.0, 1.0), (5, 2.0, 2.0)], "expected more steps"),
        ([(5, 1.0, 2.0), (6, 2.0, 1.0)], "no less seconds"),
        ([(5, math.nan, 1.0)], "not finite"),
        ([(5, 1.0, math.inf)], "not finite"),
    ],
)
def test_what_is_no_curve_is_refused(points, match):
    with pytest.raises(ValueError, match=match):
        learning_curves.to_curve("a", points)


def test_points_may_be_numpy_s():
    given: Any = (np.int64(5), np.float32(2.5), np.float64(0.5))
    (point,) = learning_curves.to_curve("a", [given])
    assert point == (5, 2.5, 0.5) and [type(value) for value in point] == [int, float, float]


@pytest.mark.parametrize(
    ("env_steps", "expected"), [(0, 0), (299, 0), (300, 1), (1999, 1), (2000, 2), (4000, 3), (10**6, 3)]
)
def test_the_last_test_holds_until_the_next(env_steps, expected):
    assert learning_curves.value_at(_SLOW, env_steps) is _SLOW[expected]


def test_before_the_first_test_nothing_is_known():
    assert learning_curves.value_at(_SLOW[1:], 299) is None


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([0, 300, 4000], [0, 500, 1000, 2000, 5000]),
        ([100, 150], [100, 200]),
        ([100], [100]),
        ([1, 6], [1, 2, 5, 10]),
        ([0], [0]),
    ],
)
def test_budgets_cover_all_curves(steps, expected):
    assert learning_curves.budgets({"a": [[Point(step, 0.0, 0.0) for step in steps]]}) == expected


def test_outcomes_by_hand():
    slow, fast = (learning_curves.summarise(curves) for curves in _CURVES.values())
    assert (slow.solved, slow.solved_steps, slow.solved_seconds) == (1, [2000], [9.0])
    assert (slow.final_returns, slow.final_steps, slow.final_seconds) == ([480.0], [4000], [12.0])
    # 495 is solved, 494.9 is not.
    assert (fast.solved, fast.solved_steps, fast.solved_seconds) == (1, [400, math.inf], [1.0, math.inf])


def test_the_table_of_curves_by_hand():
    # At 500 of the fast ones: (495 + 30) / 2 = 262.5; at 1000, where both have ended: (495 + 494.9) / 2 = 494.95.
    table = learning_curves.curve_table(_CURVES)
    assert list(table.columns) == ["env steps", "slow", "slow, worst", "slow, s", "fast", "fast, worst", "fast, s"]
    assert [tuple(row) for row in table.rows] == [
        (0, 10.0, 10.0, 0.0, 25.0, 20.0, 0.0),
        (500, 200.0, 200.0, 3.0, 262.5, 30.0, 0.5),
        (1000, 200.0, 200.0, 3.0, pytest.approx(494.95), 494.9, 1.5),
        (2000, 500.0, 500.0, 9.0, None, None, None),
        (5000, 480.0, 480.0, 12.0, None, None, None),
    ]


def test_a_learner_has_no_entry_before_all_its_first_tests():
    table = learning_curves.curve_table({"a": [_SLOW, _FAST[1:]], "b": [_POOR[:1]]})
    assert [tuple(row[:2]) for row in table.rows] == [
        (0, None),
        (500, 347.5),
        (1000, 347.5),
        (2000, 497.5),
        (5000, 487.5),
    ]
    assert [row[4] for row in table.rows] == [30.0, None, None, None, None]


def test_the_table_of_outcomes_by_hand():
    # Of the fast ones: the median of 400 and infinity is infinite; sd of 495 and 494.9 is 0.05.
    table = learning_curves.outcome_table(_CURVES)
    assert [tuple(row) for row in table.rows] == [
        ("slow", "1/1", 2000.0, 2000.0, 9.0, 480.0, 0.0, 480.0, 4000, 12.0),
        ("fast", "1/2", None, None, None, pytest.approx(494.95), pytest.approx(0.05), 494.9, 900, 1.5),
    ]
    assert "1/2" in table.to_text()


def test_a_drawing_is_a_png(tmp_path):
    path = tmp_path / "new" / "curves.png"
    learning_curves.draw(path, _CURVES, title="by hand")
    first = path.read_bytes()
    assert first.startswith(b"\x89PNG")
    learning_curves.draw(path, {"slow": _CURVES["slow"]}, title="by hand")
    assert path.read_bytes() != first
