"""Comparisons by hand: ratios, what can't be compared, and the verdict."""

import copy
import json
import pathlib
from typing import Any

import pytest

from humain import errors
from tasks.benchmarks import comparison

_HOT = ("react_1", "think")


def _row(name: str, seconds: float, *, device: str = "cpu", framework: str = "jax", **values: Any) -> dict[str, Any]:
    times = {"median_seconds": seconds, "low": 0.9 * seconds, "high": 1.1 * seconds}
    return {"name": name, "framework": framework, "device": device, "size": 1, "work": 1, **times, **values}


def _record(*rows: dict[str, Any]) -> dict[str, Any]:
    machine, threads = {"cpu": "AMD EPYC", "gpu": "H100"}, {"wanted": 2, "jax": 2, "torch": 2}
    return {
        "task": "benchmark",
        "config": {"updates": {"num_states": 16, "width": 8}, "kmeans": {"num_features": 64}, "selu": {}},
        "seed": 0,
        "matmul_precision": "highest",
        "results": {"rows": list(rows), "machine": machine, "threads": threads},
    }


def _compare(old: dict[str, Any], new: dict[str, Any]) -> list[comparison.ComparisonLine]:
    return comparison.compare(old, new, hot_paths=_HOT)


def test_a_ratio_is_new_over_old():
    (line,) = _compare(_record(_row("react_1", 2e-4)), _record(_row("react_1", 5e-4)))
    assert (line.ratio, line.hot, line.apart, line.remark) == (2.5, True, True, "")
    # 1.8 to 2.2 and 1.89 to 2.31 have something in common.
    (line,) = _compare(_record(_row("dispatch", 2.0)), _record(_row("dispatch", 2.1)))
    assert (line.ratio, line.hot, line.apart) == (1.05, False, False)


def test_rows_of_one_run_only_are_listed_as_such():
    lines = _compare(_record(_row("react_1", 1.0), _row("old", 1.0)), _record(_row("new", 2.0), _row("react_1", 1.0)))
    assert [(line.name, line.remark) for line in lines] == [
        ("new", "only in this run"),
        ("react_1", ""),
        ("old", "only in the old run"),
    ]
    assert (lines[0].old_seconds, lines[0].new_seconds, lines[0].ratio) == (None, 2.0, None)
    assert (lines[2].old_seconds, lines[2].new_seconds, lines[2].ratio) == (1.0, None, None)


def test_rows_of_different_devices_are_different_rows():
    lines = _compare(_record(_row("think", 1.0)), _record(_row("think", 1.0, device="gpu")))
    assert [line.remark for line in lines] == ["only in this run", "only in the old run"]


@pytest.mark.parametrize(
    ("change", "remark"),
    [
        ({"rows.size": 256}, "size was 1, is 256"),
        ({"rows.work": 9}, "work was 1, is 9"),
        ({"machine.cpu": "Xeon"}, "machine was AMD EPYC, is Xeon"),
        ({"threads.jax": 4}, "threads was 2, is 4"),
        ({"threads.wanted": 4}, "cores was 2, is 4"),
        # Threads of the other framework, and the other device, are nothing to this row.
        ({"threads.torch": 4}, ""),
        ({"machine.gpu": "A100"}, ""),
    ],
)
def test_what_differs_is_said_and_not_compared(change, remark):
    old = _record(_row("react_1", 1.0))
    new = copy.deepcopy(old)
    for key, value in change.items():
        group, name = key.split(".")
        target = new["results"]["rows"][0] if group == "rows" else new["results"][group]
        target[name] = value
    (line,) = _compare(old, new)
    assert line.remark == remark
    assert (line.ratio is None) == bool(remark)


_OTHER = {"num_states": 16, "width": 9}


@pytest.mark.parametrize(
    ("name", "changes", "remark"),
    [
        ("update_linear", {"updates": _OTHER}, "updates.width was 8, is 9"),
        ("update_linear_one_by_one", {"updates": _OTHER}, "updates.width was 8, is 9"),
        ("kmeans", {"kmeans": {"num_features": 8}}, "kmeans.num_features was 64, is 8"),
        ("kmeans", {"kmeans": {}}, "kmeans.num_features was 64, is None"),
        ("kmeans", {"kmeans": {"num_features": 64, "seed": 1}}, "kmeans.seed was None, is 1"),
        # What other rows are of is nothing to this one.
        ("kmeans", {"updates": _OTHER}, ""),
        ("update_linear", {"kmeans": {}}, ""),
        ("react_1", {"kmeans": {}, "updates": {}}, ""),
    ],
)
def test_rows_of_different_sizes_by_the_config_are_not_compared(name, changes, remark):
    old, new = _record(_row(name, 1.0)), _record(_row(name, 2.0))
    new["config"] |= changes
    (line,) = _compare(old, new)
    assert line.remark == remark
    assert (line.ratio is None) == bool(remark)


def test_runs_of_different_seeds_have_what_is_not_drawn_by_them_in_common():
    names = ("selu_jit", "kmeans", "react_1")
    old, new = (_record(*(_row(name, 1.0) for name in names)) for _ in range(2))
    new["seed"] = 7
    assert [(line.name, line.remark) for line in _compare(old, new)] == [
        ("selu_jit", "seed was 0, is 7"),
        ("kmeans", "seed was 0, is 7"),
        ("react_1", ""),
    ]


def test_runs_of_different_precision_have_only_their_dispatch_in_common():
    old, new = (_record(_row("react_1", 1.0), _row("dispatch", 1.0)) for _ in range(2))
    new["matmul_precision"] = "default"
    assert [(line.remark, line.ratio) for line in _compare(old, new)] == [
        ("matmul_precision was highest, is default", None),
        ("", 1.0),
    ]


def test_a_hot_path_that_got_slower_by_more_than_the_factor_fails():
    old = _record(_row("react_1", 1.0), _row("think", 1.0), _row("dispatch", 1.0))
    new = _record(_row("react_1", 1.5), _row("think", 1.6), _row("dispatch", 9.0))
    lines = _compare(old, new)
    with pytest.raises(errors.UserError, match=r"more than 1\.5 x: think on cpu \(1\.60 x\); repeat both"):
        comparison.judge(lines, 1.5)
    comparison.judge(lines, 1.6)


def test_a_comparison_of_nothing_is_no_pass():
    lines = _compare(_record(_row("dispatch", 1.0)), _record(_row("dispatch", 1.0)))
    with pytest.raises(errors.UserError, match="no hot path can be compared"):
        comparison.judge(lines, 1.5)


def test_the_table_shows_every_line():
    lines = _compare(_record(_row("react_1", 2e-4)), _record(_row("react_1", 5e-4), _row("think", 1e-3)))
    printed = comparison.to_table(lines).to_text().splitlines()
    assert printed[2].split() == ["react_1", "jax", "cpu", "200.0", "500.0", "2.50", "yes", "yes"]
    assert printed[3].endswith("only in this run")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"can't be read \(No such file or directory\); pass the results\.json of a finished run"),
        ("{", "is not valid JSON"),
        ("[]", "holds no results of this task"),
        (json.dumps({"task": "simple", "results": {}}), "holds no results of this task"),
        (json.dumps({"task": "benchmark"}), "has no config"),
        (json.dumps({"task": "benchmark", "config": {}}), r"has no results\.rows"),
        (json.dumps({"task": "benchmark", "config": {}, "results": {"rows": []}}), r"has no results\.rows"),
        (
            json.dumps({"task": "benchmark", "config": {}, "results": {"rows": [_row("a", 1.0)]}}),
            r"has no results\.machine",
        ),
        (json.dumps(_record({"name": "a"})), "has a row without its name and times"),
        (json.dumps(_record(_row("a", 0.0))), "has a row without its name and times"),
        (json.dumps(_record(_row("a", 1.0, median_seconds=None))), "has a row without its name and times"),
    ],
)
def test_what_is_no_older_run_is_refused(tmp_path: pathlib.Path, text, message):
    path = tmp_path / "old.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(errors.UserError, match=message) as caught:
        comparison.read(path)
    assert "\n" not in str(caught.value)


def test_an_older_run_is_read(tmp_path: pathlib.Path):
    record = _record(_row("react_1", 1.0))
    (tmp_path / "old.json").write_text(json.dumps(record))
    assert comparison.read(tmp_path / "old.json") == record
