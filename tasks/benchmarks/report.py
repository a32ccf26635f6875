"""The output of the benchmark: tables, charts and the report."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.style
from matplotlib.figure import Figure

from humain.viewing import plots
from humain.viewing.report import Report
from humain.viewing.tables import Cell, ReportTable

_FORMATS = {
    "compile s": ".3f",
    "dispatch us": ",.1f",
    "median us": ",.1f",
    "95 % low": ",.1f",
    "95 % high": ",.1f",
    "GB/s": ".1f",
    "GFLOP/s": ".1f",
    "of peak %": ".1f",
}
_ROW_INCHES = 0.32
_LIMITS = {("dispatch", "jax", "cpu"): 10.0, ("react_1", "jax", "cpu"): 300.0}
"""The target times in microseconds, on two cores."""

_LEAST_RATIO = 3.0


def rows_table(results: Mapping[str, Any]) -> ReportTable:
    """Returns a table with a line per row; times are in microseconds per call."""
    return ReportTable(
        columns=["row", "framework", "device", "size", "work", *_FORMATS, "repeats"],
        rows=[
            [
                *(row[key] for key in ("name", "framework", "device", "size", "work", "compile_seconds")),
                *(_scaled(row[key], 1e6) for key in ("dispatch_seconds", "median_seconds", "low", "high")),
                row["gbytes_per_second"],
                row["gflops"],
                _scaled(row["share_of_peak"], 100),
                f"{row['repeats']} x {row['calls']}",
            ]
            for row in results["rows"]
        ],
        formats=_FORMATS,
    )


def peaks_table(results: Mapping[str, Any]) -> ReportTable:
    """Returns a table of the machine's measured peaks."""
    return ReportTable(
        columns=["framework", "device", "copy GB/s", "matrix product GFLOP/s"],
        rows=[
            [peak[key] for key in ("framework", "device", "gbytes_per_second", "gflops")] for peak in results["peaks"]
        ],
        formats={"copy GB/s": ".1f", "matrix product GFLOP/s": ".1f"},
        caption="peaks",
    )


def ratios_table(results: Mapping[str, Any]) -> ReportTable:
    """Returns a table of how much faster chunks are."""
    return ReportTable(
        columns=["kernel", "device", "one by one / chunk", "95 % low", "95 % high", "rounds"],
        rows=[
            [ratio[key] for key in ("kernel", "device", "ratio", "low", "high", "rounds")]
            for ratio in results["ratios"]
        ],
        formats=dict.fromkeys(("one by one / chunk", "95 % low", "95 % high"), ".2f"),
        caption="time of updates one by one over that of a chunk",
    )


def targets_table(results: Mapping[str, Any]) -> ReportTable:
    """Returns a table of the project's targets on two cores, for the default config, and the results of this run."""
    found: list[list[Cell]] = []
    for row in results["rows"]:
        limit = _LIMITS.get((row["name"], row["framework"], row["device"]))
        if limit is not None:
            microseconds = 1e6 * row["median_seconds"]
            found.append([f"{row['name']}, us", f"at most {limit:g}", microseconds, microseconds <= limit])
    for ratio in results["ratios"]:
        if ratio["device"] == "cpu":
            name = f"update_{ratio['kernel']}, chunk against one by one"
            found.append([name, f"at least {_LEAST_RATIO:g} x", ratio["ratio"], ratio["ratio"] >= _LEAST_RATIO])
    return ReportTable(
        columns=("target", "wanted", "found", "met"), rows=found, formats={"found": ".2f"}, caption="targets, two cores"
    )


def conditions(results: Mapping[str, Any]) -> list[str]:
    """Returns lines on the conditions of the measurement, and what is missing."""
    machine = ", ".join(f"{device}: {name}" for device, name in results["machine"].items())
    threads = ", ".join(
        f"{name}: {'unknown' if count is None else count}" for name, count in results["threads"].items()
    )
    return [f"machine: {machine}", f"threads: {threads}", *(f"note: {note}" for note in results["notes"])]


def draw(workdir: pathlib.Path, results: Mapping[str, Any]) -> list[pathlib.Path]:
    """Draws bar charts of SELU's bytes per second and of the other rows' times; one file for each that has rows."""
    selus = [row for row in results["rows"] if row["gbytes_per_second"] is not None]
    others = [row for row in results["rows"] if row["gbytes_per_second"] is None]
    paths = []
    if selus:
        bounds = {
            f"copy, {peak['framework']}, {peak['device']}": peak["gbytes_per_second"] for peak in results["peaks"]
        }
        path = workdir / "selu.png"
        values = [row["gbytes_per_second"] for row in selus]
        _bars(path, selus, values, None, label="GB/s of SELU (higher is better); lines: a copy", bounds=bounds)
        paths.append(path)
    if others:
        path = workdir / "calls.png"
        values = [1e6 * row["median_seconds"] for row in others]
        ends = [(1e6 * row["low"], 1e6 * row["high"]) for row in others]
        _bars(path, others, values, ends, label="microseconds per call, log scale (lower is better)", bounds={})
        paths.append(path)
    return paths


def write(workdir: pathlib.Path, results: Mapping[str, Any]) -> None:
    """Writes the report with its charts."""
    report = Report("Devices and frameworks, side by side")
    report.prose(
        "Medians over repeats with 95 % intervals; `repeats` is their number, times calls in each. `work` is what one "
        "call does besides its size: steps of a loop, updates in a chunk, nodes of a plan, iterations of k-means. "
        "`of peak` is the larger of the shares of a copy's bytes and of a matrix product's operations."
    )
    for line in conditions(results):
        report.prose(line)
    report.table(rows_table(results))
    for path in draw(workdir, results):
        report.figure(path, caption="SELU" if path.stem == "selu" else "Dispatch, and the project's own hot paths")
    report.heading("Peaks")
    report.table(peaks_table(results))
    if results["ratios"]:
        report.heading("Chunks")
        report.table(ratios_table(results))
    report.write(workdir / "report.html")


def _bars(
    path: pathlib.Path,
    rows: Sequence[Mapping[str, Any]],
    values: Sequence[float],
    ends: Sequence[tuple[float, float]] | None,
    *,
    label: str,
    bounds: Mapping[str, float],
) -> None:
    """Draws a horizontal bar for each row; the axis is logarithmic if there are intervals to show."""
    colors = {"jax": plots.PALETTE[0], "torch": plots.PALETTE[1]}
    places = range(len(rows))
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(7.0, 1.4 + _ROW_INCHES * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        errors = None
        if ends is not None:
            errors = [
                [value - low for value, (low, _) in zip(values, ends, strict=True)],
                [high - value for value, (_, high) in zip(values, ends, strict=True)],
            ]
            axes.set_xscale("log")
        axes.barh(places, values, xerr=errors, color=[colors[row["framework"]] for row in rows])
        for number, (name, bound) in enumerate(bounds.items()):
            axes.axvline(bound, color=plots.PALETTE[2 + number % 5], linestyle="--", label=name)
        if bounds:
            axes.legend(frameon=False)
        axes.set_yticks(places, [f"{row['name']}, {row['framework']}, {row['device']}" for row in rows])
        axes.invert_yaxis()
        axes.grid(axis="x", alpha=0.3)
        axes.set(xlabel=label)
        plots.save(figure, path)


def _scaled(value: float | None, factor: float) -> Cell:
    return None if value is None else factor * value
