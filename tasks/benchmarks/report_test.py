"""Tables, charts and the report, from results as they are written."""

import pathlib
from typing import Any

from tasks.benchmarks import report


def _row(name, framework="jax", **values):
    whole = {
        "name": name,
        "framework": framework,
        "device": "cpu",
        "size": 1000,
        "work": 1,
        "compile_seconds": 0.25,
        "dispatch_seconds": None,
        "median_seconds": 1e-3,
        "low": 9e-4,
        "high": 2e-3,
        "repeats": 30,
        "calls": 334,
        "gbytes_per_second": None,
        "gflops": None,
        "share_of_peak": None,
    }
    return whole | values


_RESULTS: dict[str, Any] = {
    "rows": [
        _row("dispatch", median_seconds=4e-6, low=3e-6, high=5e-6),
        _row("selu_jit", gbytes_per_second=8.0, gflops=6.0, share_of_peak=0.4, dispatch_seconds=5e-6),
        _row("selu_jit", "torch", gbytes_per_second=4.0, gflops=3.0, share_of_peak=0.2),
        _row("react_1", median_seconds=4e-4, low=3e-4, high=5e-4),
    ],
    "peaks": [{"framework": "jax", "device": "cpu", "gbytes_per_second": 20.0, "gflops": 100.0}],
    "ratios": [{"kernel": "table", "device": "cpu", "ratio": 3.5, "low": 3.0, "high": 4.0, "rounds": 30}],
    "machine": {"cpu": "AMD EPYC"},
    "threads": {"wanted": 2, "jax": 2, "torch": None},
    "notes": ["torch has no gpu here: not measured"],
}


def test_a_line_has_all_that_was_found():
    lines = report.rows_table(_RESULTS).to_text().splitlines()
    assert lines[3].split() == [
        *("selu_jit", "jax", "cpu", "1,000", "1", "0.250", "5.0", "1,000.0", "900.0", "2,000.0"),
        *("8.0", "6.0", "40.0", "30", "x", "334"),
    ]


def test_conditions_name_machine_threads_and_what_is_missing():
    assert report.conditions(_RESULTS) == [
        "machine: cpu: AMD EPYC",
        "threads: wanted: 2, jax: 2, torch: unknown",
        "note: torch has no gpu here: not measured",
    ]


def test_targets_are_met_or_not():
    table = report.targets_table(_RESULTS)
    # 4 of 10 us, 400 of 300 us, 3.5 of 3 times.
    assert [row[-1] for row in table.rows] == [True, False, True]
    worse = [{"kernel": "table", "device": "cpu", "ratio": 2.99, "low": 2.0, "high": 4.0, "rounds": 30}]
    assert [row[-1] for row in report.targets_table(_RESULTS | {"ratios": worse}).rows] == [True, False, False]


def test_the_report_holds_tables_charts_and_notes(tmp_path: pathlib.Path):
    report.write(tmp_path, _RESULTS)
    page = (tmp_path / "report.html").read_text()
    assert page.count("<img ") == 2
    for text in ("react_1", "AMD EPYC", "torch has no gpu here", "one by one / chunk"):
        assert text in page
    assert {path.name for path in tmp_path.glob("*.png")} == {"selu.png", "calls.png"}


def test_a_run_of_one_framework_has_the_charts_that_it_has_rows_for(tmp_path: pathlib.Path):
    results = _RESULTS | {"rows": _RESULTS["rows"][1:3], "ratios": []}
    assert [path.name for path in report.draw(tmp_path, results)] == ["selu.png"]
    report.write(tmp_path, results)
    assert "one by one / chunk" not in (tmp_path / "report.html").read_text()
