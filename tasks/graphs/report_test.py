"""Tables and reports of made-up results."""

import json

import pytest

from tasks.graphs import report

_SCORE = {
    "pairs": 12,
    "arrived": 0.75,
    "optimal": 0.5,
    "mean_length": 2.5,
    "ratio_to_optimal": 1.125,
    "invalid_steps": 3,
    "seconds": 0.25,
}
# Nothing arrived: means of nothing are null in JSON.
_LOST = _SCORE | {"arrived": 0.0, "optimal": 0.0, "mean_length": None, "ratio_to_optimal": None}
_RESULTS = {
    "sets": {
        "table": {
            "react": _SCORE,
            "think": _LOST,
            "lookup": _SCORE | {"arrived": 1.0},
            "train_seconds": 4.0,
            "compile_seconds": 2.0,
            "plans": [{"start": "a", "goal": "<d>", "text": "from a to <d>", "tree": {}}],
            "trace": "at a",
            "walk": "layer 1: a [b]",
        }
    },
    "baselines": {"dijkstra": _SCORE | {"arrived": 1.0, "optimal": 1.0}},
}
_CURVE = {
    "curve": [
        {"walk_steps": 512, "ideal": 0.9, "replay": 0.895, "hindsight": 0.5},
        {"walk_steps": 1024, "ideal": 1.0, "replay": 0.99, "hindsight": 0.75},
    ]
}


def _rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if not line.startswith("-")]


@pytest.fixture(name="workdir")
def _workdir(tmp_path):
    lines = [
        {"name": name, "step": step, "layer_0/loss": 1 / step, "layer_0/improved": 0.0, "layer_0/refused": 0.0}
        for step in (10, 20)
        for name in ("table", "other")
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def _picture(path):
    assert path.read_bytes().startswith(b"\x89PNG")
    return path.name


def test_the_table_of_scores():
    rows = _rows(report.scores_table(_RESULTS).to_text())
    assert rows[1] == ["table", "react", "12", "75.00", "50.00", "2.500", "1.1250", "3", "0.250", "4.0", "2.0"]
    assert rows[2] == ["table", "think", "12", "0.00", "0.00", "–", "–", "3", "0.250", "–", "–"]
    assert rows[3] == ["table", "lookup", "12", "100.00", "50.00", "2.500", "1.1250", "3", "0.250", "–", "–"]
    assert rows[4] == ["dijkstra", "12", "100.00", "100.00", "2.500", "1.1250", "3", "0.250", "–", "–"]
    assert len(rows) == 5


def test_the_table_of_the_curve():
    rows = _rows(report.curve_table(_CURVE).to_text())
    assert rows[1:] == [["512", "90.00", "89.50", "50.00"], ["1,024", "100.00", "99.00", "75.00"]]


def test_the_table_of_the_scale():
    rows = _rows(report.scale_table({"scale": {"nodes": 1024, "arrived": 0.999}}).to_text())
    assert [row[0] for row in rows[1:]] == ["nodes", "arrived"]


def test_losses_are_drawn_one_picture_a_set(workdir):
    pictures = report.draw_losses(workdir, ["other", "table"])
    assert [_picture(path) for path in pictures] == ["learning_other.png", "learning_table.png"]


def test_the_report_on_sets_is_one_file(workdir):
    report.write_sets_report(workdir, _RESULTS, "Planning on 5 nodes")
    page = (workdir / "report.html").read_text()
    assert "Planning on 5 nodes" in page
    assert "from a to &lt;d&gt;" in page
    assert "<d>" not in page
    # Only the learning curve: no graph and no plan was drawn.
    assert page.count('src="data:image/png;base64,') == page.count("<img") == 1
    assert "http:" not in page and "https:" not in page
    assert "75.00" in page


def test_pictures_that_were_drawn_are_in_the_report(workdir):
    picture = report.draw_losses(workdir, ["table"])[0].read_bytes()
    for name in ("graph.png", "plan_table_0.png"):
        (workdir / name).write_bytes(picture)
    report.write_sets_report(workdir, _RESULTS, "Planning")
    assert (workdir / "report.html").read_text().count('src="data:image/png;base64,') == 3


def test_the_report_on_the_curve(tmp_path):
    report.write_curve_report(tmp_path, _CURVE)
    assert _picture(tmp_path / "curve.png")
    assert (tmp_path / "report.html").read_text().count('src="data:image/png;base64,') == 1


def test_the_report_on_the_scale(workdir):
    report.write_scale_report(workdir, {"scale": {"nodes": 1024, "arrived": 0.999}}, "table")
    page = (workdir / "report.html").read_text()
    assert page.count('src="data:image/png;base64,') == 1
    assert "0.999" in page
