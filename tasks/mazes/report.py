"""What the point mazes show: the tables and the report."""

import pathlib
from collections.abc import Mapping
from typing import Any

from humain.viewing.report import Report
from humain.viewing.tables import Cell, ReportTable
from tasks.mazes import drawing, published

_SECONDS = ("data", "learn", "evaluate")
_FORMATS = {
    "success %": ".1f",
    "steps": ".1f",
    **{f"{name} s": ".1f" for name in _SECONDS},
    "think ms": ".2f",
    "peak MB": ",.0f",
}


def entries(results: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The results of the data sets alone."""
    return {name: entry for name, entry in results.items() if name not in ("baselines", "ablations")}


def results_table(results: Mapping[str, Any]) -> ReportTable:
    """One row for each data set."""
    rows: list[list[Cell]] = [
        [
            name,
            100 * entry["success"]["mean"],
            _per_task(entry),
            entry["success"]["episodes"],
            entry["mean_steps"],
            *(entry[f"{part}_seconds"] for part in _SECONDS),
            entry["think_ms"],
            entry["places"],
            entry["edges"],
            entry["jumps"],
            entry["peak_rss_mb"],
        ]
        for name, entry in entries(results).items()
    ]
    seconds = [f"{name} s" for name in _SECONDS]
    return ReportTable(
        columns=[
            "data set",
            "success %",
            "of each task",
            "episodes",
            "steps",
            *seconds,
            "think ms",
            "places",
            "edges",
            "jumps",
            "peak MB",
        ],  # fmt: skip
        rows=rows,
        formats=_FORMATS,
    )


def rivals_table(results: Mapping[str, Any]) -> ReportTable | None:
    """Success in per cent, one row a data set, the model and each rival a column; None where there are no rivals."""
    rivals = results["baselines"]
    run_here = list(dict.fromkeys(name for each in rivals.values() for name in each if name != "published"))
    printed = any("published" in each for each in rivals.values())
    if not run_here and not printed:
        return None
    rows: list[list[Cell]] = []
    for name, entry in entries(results).items():
        row: list[Cell] = [name, 100 * entry["success"]["mean"]]
        row += [100 * rivals[name][rival]["success"]["mean"] if rival in rivals[name] else None for rival in run_here]
        figures = rivals[name].get("published")
        row += [_published(figures, method) for method in published.METHODS] if printed else []
        rows.append(row)
    columns = ["data set", "model", *run_here, *(f"{method} (published)" for method in published.METHODS)]
    return ReportTable(
        columns=columns if printed else columns[: 2 + len(run_here)],
        rows=rows,
        formats=dict.fromkeys(["model", *run_here], ".1f"),
        caption=f"Success in per cent. Published: {published.SOURCE}." if printed else "Success in per cent.",
    )


def ablations_table(results: Mapping[str, Any]) -> ReportTable | None:
    """Success in per cent without a part, one row a data set; None where nothing was taken away."""
    taken = results["ablations"]
    names = list(dict.fromkeys(name for each in taken.values() for name in each))
    if not names:
        return None
    rows: list[list[Cell]] = [
        [
            name,
            100 * entry["success"]["mean"],
            *(100 * taken[name][each]["success"]["mean"] if each in taken[name] else None for each in names),
        ]
        for name, entry in entries(results).items()
    ]
    return ReportTable(
        columns=["data set", "whole", *names],
        rows=rows,
        formats=dict.fromkeys(["whole", *names], ".1f"),
        caption="Success in per cent without a part of the model.",
    )


def scale_table(results: Mapping[str, Any]) -> ReportTable:
    """The figures of the maze of many places, one row each."""
    found = results["scale"]
    rows: list[list[Cell]] = [
        [name, ", ".join(f"{each:,}" for each in value) if isinstance(value, list) else _number(value)]
        for name, value in found.items()
    ]
    return ReportTable(columns=["figure", "value"], rows=rows)


def write_scale_report(workdir: pathlib.Path, results: Mapping[str, Any]) -> None:
    """The report of the maze of many places."""
    report = Report("A maze of many places")
    report.prose(
        "A stack with gates learned a synthetic maze from short random walks, and planned between random places. "
        "Costs are compared with those of Dijkstra's ways; seconds are of the processor."
    )
    report.table(scale_table(results))
    report.write(workdir / "report.html")


def write_report(workdir: pathlib.Path, results: Mapping[str, Any]) -> None:
    """The report, with the pictures that are in the work directory."""
    report = Report("Point mazes")
    report.prose(
        "A stack learned each maze from trajectories alone and was asked for the five tasks of OGBench, in its own "
        "environments: success is the environment's own flag within 1,000 steps. `steps` is the mean of the episodes "
        "that succeeded, `think` the time of a whole plan."
    )
    report.table(results_table(results))
    for heading, table in (("Rivals", rivals_table(results)), ("Ablations", ablations_table(results))):
        if table is not None:
            report.heading(heading)
            report.table(table)
    for name in entries(results):
        report.heading(name)
        picture = workdir / f"places_{name}.png"
        if picture.exists():
            report.figure(
                picture,
                caption="Places by their distance to the goal, near ones light and far ones dark, grey where none is "
                "known, with the plan of the first episode: amber the places on the way, red the crossroads.",
            )
        films = sorted(workdir.glob(f"episode_{name}_*.gif"))
        if films:
            report.prose(drawing.CAPTION)
        for film in films:
            report.figure(film, caption=f"{name}, episode; those that failed come first")
    report.write(workdir / "report.html")


def _per_task(entry: Mapping[str, Any]) -> str:
    return " ".join(f"{100 * rate:.0f}" for rate in entry["success"]["per_task"])


def _published(figures: Mapping[str, Any] | None, method: str) -> str | None:
    if figures is None:
        return None
    return f"{figures[method]['mean']} ± {figures[method]['deviation']}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
