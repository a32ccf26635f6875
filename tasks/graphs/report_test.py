"""Tables and reports of made-up results."""

import json
from typing import Any

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
            "search": _SCORE | {"optimal": 1.0},
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
    assert rows[4] == ["table", "search", "12", "75.00", "100.00", "2.500", "1.1250", "3", "0.250", "–", "–"]
    assert rows[5] == ["dijkstra", "12", "100.00", "100.00", "2.500", "1.1250", "3", "0.250", "–", "–"]
    assert len(rows) == 6


def test_the_table_of_the_curve():
    rows = _rows(report.curve_table(_CURVE).to_text())
    assert rows[1:] == [["512", "90.00", "89.50", "50.00"], ["1,024", "100.00", "99.00", "75.00"]]


def test_the_table_of_the_scale():
    rows = _rows(report.scale_table({"scale": {"nodes": 1024, "arrived": 0.999}}).to_text())
    assert [row[0] for row in rows[1:]] == ["nodes", "arrived"]


_QUALITY = {"arrived": 0.5, "within_5_percent": 0.25, "ratio_to_optimal": 1.0625}
_LAYERS: dict[str, Any] = {
    "world": {"nodes": 1024, "edges": 3288, "mean_shortest": 16.25, "edges_seen": 0.999},
    "max_rows": 51_200,
    "layers": {
        "2": _QUALITY
        | {
            "rows": [30_000, 9000],
            "abstraction_rows": 1400,
            "rows_needed": 54_000,
            "think_us": 85.04,
            "think_alone_us": 772.6,
            "train_seconds": 33.0,
            "sweep_waiting": 7,
        },
    },
    # No abstraction, nothing to learn, and one agent at a time.
    "baselines": {
        "search": _QUALITY | {"arrived": 1.0, "rows": [3288], "think_us": 61.4, "form": "whole"},
    },
}


def test_the_table_of_layers():
    table = report.layers_table(_LAYERS)
    rows = _rows(table.to_text())
    assert " ".join(rows[0]) == (
        "1,024 nodes, 3,288 edges, mean shortest path 16.2, 99.9 % of the edges seen; at most 51,200 rows but for sets "
        "named _all, and a single layer's next power of two; fastest form of search: whole"
    )
    # 30,000 + 9,000 rows of tables and 1,400 of the abstractions.
    assert " ".join(rows[2]) == "2 50.00 25.00 1.0625 40,400 30,000 + 9,000 54,000 85.0 773 33.0"
    assert " ".join(rows[3]) == "search 100.00 25.00 1.0625 3,288 3,288 – – 61 –"
    assert len(rows) == 4
    assert table.columns == [
        *("layers", "arrived %", "within 5 %", "ratio", "rows", "of tables, bottom first", "needed", "think us"),
        *("alone us", "train s"),
    ]


def test_pairs_that_wait_are_warned_of_and_none_are_not():
    (line,) = report.layers_warnings(_LAYERS)
    assert line.startswith("warning: 2: 7 pairs still waited to be swept when training ended")
    swept = _LAYERS["layers"]["2"] | {"sweep_waiting": 0}
    assert report.layers_warnings(_LAYERS | {"layers": {"2": swept}}) == []


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
