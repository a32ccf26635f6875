"""Tables, curves and reports of made-up results."""

import base64
import copy
import re

import numpy as np
import pytest

from tasks.control import cart_pole_drawing as drawing
from tasks.control import report
from tasks.control.trial import Trial


def _entry(seed: int, mean: float, env_steps: int, *, lowest: float = 100.0, curve=((100, 50.0), (200, 400.0))):
    return {
        "seed": seed,
        "mean": mean,
        "sd": 12.5,
        "min": lowest,
        "episodes": 100,
        "env_steps": env_steps,
        "collect_seconds": 0.5,
        "learn_seconds": 1.25,
        "compile_seconds": 3.0,
        "curve": [{"env_steps": steps, "mean": value, "sd": 1.0, "min": value - 1} for steps, value in curve],
    }


WORDS = {"scores": "Scores are <returns>.", "caption": drawing.CAPTION}
_RANDOM = {"mean": 22.25, "sd": 11.5, "min": 8.0, "episodes": 100}
_ONE = {"sets": {"curriculum": [_entry(7, 499.5, 1200)]}, "baselines": {"random": _RANDOM}}
_SEVERAL = {
    "sets": {
        "kindergarten": [_entry(0, 480.0, 2000)],
        "curriculum": [
            _entry(0, 500.0, 900, lowest=500.0),
            _entry(1, 494.0, 3000, lowest=200.0),
            _entry(2, 500.0, 1000, lowest=500.0),
        ],
    },
    "baselines": {"random": _RANDOM},
}


def _rows(text: str) -> list[list[str]]:
    """Cells of the lines below the head; two blanks or more part them."""
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()[2:]]


def _pictures(page: str) -> list[tuple[str, bytes]]:
    found = re.findall(r'src="data:(image/[a-z]+);base64,([^"]*)"', page)
    return [(kind, base64.b64decode(content)) for kind, content in found]


@pytest.fixture(name="film")
def _film(tmp_path):
    trial = Trial(np.zeros((4, 4)), np.zeros((3, 4)), np.zeros(3, int), goal="stay up", terminated=False)
    drawing.draw_trial(tmp_path / "films" / "trial.gif", trial)
    return tmp_path / "films" / "trial.gif"


def test_scores_of_one_seed():
    table = report.scores_table(_ONE)
    assert list(table.columns)[-3:] == ["collect s", "learn s", "compile s"]
    assert _rows(table.to_text()) == [
        ["curriculum", "7", "499.50", "12.50", "100", "100", "1,200", "0.50", "1.25", "3.00"],
        ["random", "–", "22.25", "11.50", "8", "100", "–", "–", "–", "–"],
    ]


def test_scores_of_several_seeds_have_a_row_over_them():
    table = report.scores_table(_SEVERAL)
    assert list(table.columns)[-3:] == ["lowest mean", "median env steps", "worst env steps"]
    rows = _rows(table.to_text())
    assert [row[:2] for row in rows] == [
        ["kindergarten", "0"],
        *(["curriculum", seed] for seed in ("0", "1", "2", "all 3")),
        ["random", "–"],
    ]
    # Means 500, 494, 500: mean 498, deviations 2, -4, 2, so sd = sqrt((4 + 16 + 4) / 3) = 2.83.
    # Steps 900, 3000, 1000: median 1000, worst 3000.
    seconds = ["0.50", "1.25", "3.00"]
    assert rows[4] == ["curriculum", "all 3", "498.00", "2.83", "200", "300", "–", *seconds, "494.00", "1,000", "3,000"]
    assert rows[0] == ["kindergarten", "0", "480.00", "12.50", "100", "100", "2,000", *seconds, "–", "–", "–"]
    # Those of all seeds together are no single seed's.
    assert rows[1] == ["curriculum", "0", "500.00", "12.50", "500", "100", "900", *["–"] * 6]


def test_scores_without_the_single_seeds():
    rows = _rows(report.scores_table(_SEVERAL, each_seed=False).to_text())
    assert [row[:2] for row in rows] == [["kindergarten", "0"], ["curriculum", "all 3"], ["random", "–"]]
    assert report.scores_table(_ONE, each_seed=False) == report.scores_table(_ONE)


def test_goals():
    goals = {"x=1.0": {"trials": 20, "successes": 19}, "x=-1.0": {"trials": 0, "successes": 0}}
    rows = _rows(report.goals_table({"goals": goals}).to_text())
    assert rows == [["x=1.0", "20", "19", "95.0"], ["x=-1.0", "0", "0", "–"]]
    with_seeds = report.goals_table({"goals": goals | {"x=2.0": {"trials": 8, "successes": 1, "seeds": 4}}})
    assert list(with_seeds.columns) == ["goal", "seeds", "trials", "successes", "success %"]
    assert _rows(with_seeds.to_text())[2] == ["x=2.0", "4", "8", "1", "12.5"]
    assert report.goals_table({}).rows == []


def test_goals_of_sets_with_fewer_layers_stand_below():
    fewer = {"no_layers": {"trials": 20, "successes": 5, "seeds": 1}}
    goals = {"x=1.0": {"trials": 20, "successes": 19, "seeds": 1, "fewer_layers": fewer}}
    table = report.goals_table({"goals": goals})
    assert list(table.columns) == ["goal", "set", "seeds", "trials", "successes", "success %"]
    rows = _rows(table.to_text())
    assert rows == [["x=1.0", "the asked set", "1", "20", "19", "95.0"], ["x=1.0", "no_layers", "1", "20", "5", "25.0"]]


def test_moving_goals():
    moving = {"curriculum": {"goals": 60, "held": 45, "held_by_seed": [20, 25], "fallen": 0}}
    table = report.moving_goals_table({"moving_goals": moving})
    # Of 30 goals each seed: 66.7 % and 83.3 %, mean 75, deviations of 8.3.
    assert _rows(table.to_text()) == [["moving_goals", "curriculum", "2", "60", "45", "75.0", "8.3", "66.7", "0"]]
    assert report.moving_goals_table({}).rows == []


def test_action_times():
    times = {
        "alone": {"actions": 1, "microseconds": {"no_layers": 640.4, "curriculum": 512.0}},
        "batch": {"actions": 2000, "microseconds": {"no_layers": 99.96, "curriculum": 8.25}},
    }
    table = report.action_times_table({"action_times": times})
    assert list(table.columns) == ["set", "us an action, alone", "us in a batch of 2,000"]
    assert _rows(table.to_text()) == [["no_layers", "640", "100.0"], ["curriculum", "512", "8.2"]]
    assert report.action_times_table({}).rows == []


def test_one_curve_over_seeds():
    curves = [_entry(0, 0, 0, curve=curve)["curve"] for curve in (((10, 1.0), (30, 5.0)), ((20, 4.0), (40, 2.0)))]
    # Both have begun at 20. First seed: 1 at 20, 5 at 30 and after it. Second: 4 at 20 and 30, 2 at 40.
    steps, means, lowest = report.curve_over_seeds(curves)
    assert steps == [20, 30, 40]
    assert means == [2.5, 4.5, 3.5]
    assert lowest == [1.0, 4.0, 2.0]


def test_the_curve_of_one_seed_is_its_own():
    assert report.curve_over_seeds([_entry(0, 0, 0)["curve"]]) == ([100, 200], [50.0, 400.0], [50.0, 400.0])


def test_curves_have_a_line_a_set_and_one_for_the_lowest_seed(tmp_path, monkeypatch):
    drawn: dict[str, dict] = {}

    def record(path, series, **settings):
        drawn.update(series=series, settings=settings)
        path.write_bytes(b"picture")

    monkeypatch.setattr(report.plots, "curves", record)
    assert report.draw_curves(tmp_path, _SEVERAL) == [tmp_path / "returns.png"]
    assert list(drawn["series"]) == ["kindergarten", "curriculum, mean of 3 seeds", "curriculum, lowest seed"]
    # All begin with the mean of random pushes.
    assert drawn["series"]["kindergarten"] == ([0, 100, 200], [22.25, 50.0, 400.0])
    assert drawn["series"]["curriculum, lowest seed"] == ([0, 100, 200], [22.25, 50.0, 400.0])
    assert drawn["settings"]["markers"]
    long = _ONE | {"sets": {"curriculum": [_entry(0, 0, 0, curve=[(step, 1.0) for step in range(1, 101)])]}}
    report.draw_curves(tmp_path, long)
    assert not drawn["settings"]["markers"]


def test_curves_are_drawn_with_equal_bytes(tmp_path):
    pictures = []
    for name in ("first", "again"):
        (path,) = report.draw_curves(tmp_path / name, _SEVERAL)
        pictures.append(path.read_bytes())
    assert pictures[0].startswith(b"\x89PNG")
    assert pictures[0] == pictures[1]


def test_without_a_point_no_curve_is_drawn(tmp_path):
    assert report.draw_curves(tmp_path, {"sets": {"curriculum": [_entry(0, 0, 0, curve=())]}}) == []
    assert not list(tmp_path.iterdir())


def test_the_report_holds_each_picture_and_loads_nothing(tmp_path, film):
    results = copy.deepcopy(_SEVERAL)
    results["goals"] = {"x=1.0": {"trials": 20, "successes": 19}}
    results["plan"] = {"title": "step 40 of <a trial>", "text": "from x=0\n└─ x=+1  (sub-goal & step)"}
    report.write_report(tmp_path, results, "Cart pole", [(film, "Seed 0 & up"), (film, "Seed 1")], **WORDS)
    page = (tmp_path / "report.html").read_text()
    assert _pictures(page) == [
        ("image/png", (tmp_path / "returns.png").read_bytes()),
        ("image/gif", film.read_bytes()),
        ("image/gif", film.read_bytes()),
    ]
    assert page.count("<img") == 3
    assert not re.findall(r"https?:|<link|<script|<iframe|url\(", page)
    assert "<figcaption>Seed 0 &amp; up</figcaption>" in page
    assert "step 40 of &lt;a trial&gt;" in page
    assert "└─ x=+1  (sub-goal &amp; step)</pre>" in page
    assert "ghost" in page
    assert "Scores are &lt;returns&gt;. <code>env steps</code> counts" in page
    # Over seeds once in the open and once among the single seeds.
    assert page.count("all 3") == 2
    in_the_open, unfolding = page.split("<details>")
    assert in_the_open.count(">curriculum<") == 1
    assert unfolding.count(">curriculum<") == 4
    assert "95.0" in page


def test_a_report_of_scores_alone(tmp_path):
    report.write_report(
        tmp_path, _ONE | {"sets": {"curriculum": [_entry(7, 499.5, 1200, curve=())]}}, "Cart pole", [], **WORDS
    )
    page = (tmp_path / "report.html").read_text()
    assert "499.50" in page and "22.25" in page
    assert "<h2>" not in page and "<img" not in page and "<details>" not in page
