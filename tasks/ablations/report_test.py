"""The report on made-up results."""

import pathlib
from typing import Any

from tasks.ablations import report

_SHARE = {"mean": 0.9, "sd": 0.1, "seeds": [0.8, 1.0]}
_THINKING: dict[str, Any] = {
    "complete": _SHARE,
    "optimum": _SHARE,
    "layer_0_steps": None,
    "layer_0_steps_for_one_sub_goal_at_most": _SHARE,
    "sub_goals": _SHARE,
}
_RESULTS: dict[str, dict[str, Any]] = {
    "crossroads": {
        "title": "Are doors <found>?",
        "on": _SHARE,
        "off": _SHARE | {"mean": 0.25},
        "reference": _SHARE | {"name": "entropy", "mean": 0.95},
        "entropy": {"precision": 1.0, "recall": 0.95},
        "neural_entropy": {"precision": 0.9, "recall": 0.89},
        "thinking": {"skip_stride": 4, "skip": _THINKING},
        "worlds": [
            {
                "name": "two_rooms",
                "floor": ["..#..", "....."],
                "doors": [[1, 2]],
                "found": {"entropy": [[1, 2]], "skip": []},
            }
        ],
        "sweep": {"memory": [{"patterns": 1, "mean": 1.0, "sd": 0.0}, {"patterns": 2, "mean": 0.5, "sd": 0.1}]},
    }
}


def test_the_table_says_what_is_met():
    (row,) = report.table(_RESULTS).rows
    assert row[:6] == ["crossroads", 0.9, 0.1, 0.25, 0.1, 0.65]
    assert row[6:9] == ["entropy", 0.95, 0.1]
    # A recall of 0.89 is less than 0.9.
    assert row[-1] == "NOT MET"
    entry = _RESULTS["crossroads"] | {"neural_entropy": {"precision": 0.9, "recall": 0.9}}
    assert report.table({"crossroads": entry}).rows[0][-1] == "met"


def test_an_experiment_without_a_reference_has_none_in_the_table():
    windows = {"title": "Enter the door", "on": _SHARE, "off": _SHARE}
    (row,) = report.table({"windows": windows}).rows
    assert row[6:9] == [None, None, None]


def test_the_report_holds_table_and_pictures(tmp_path: pathlib.Path):
    report.write(tmp_path, _RESULTS)
    page = (tmp_path / "report.html").read_text()
    assert "Are doors &lt;found&gt;?" in page
    # Bars, the sweep's curves and the worlds; the last two share a name in these made-up results.
    assert page.count("<img") == 3
    assert (tmp_path / "parts.png").read_bytes()[1:4] == b"PNG"


def test_a_sweep_is_drawn_over_what_was_stored_in_whatever_order_its_keys_are():
    # Records come back from JSON with their keys sorted.
    sweep = {"memory": [{"mean": 1.0, "patterns": 1, "sd": 0.0}, {"mean": 0.5, "patterns": 2, "sd": 0.1}]}
    assert report.sweep_series(sweep) == {"memory": ([1, 2], [1.0, 0.5])}


def test_plans_that_none_shares_have_no_steps():
    table = report.thinking_table(_RESULTS["crossroads"]["thinking"])
    assert list(table.rows[0]) == ["skip", 0.9, 0.9, None, 0.9, 0.9]
