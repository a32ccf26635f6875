"""The report of `//tasks:memory`: a table, bars with error bars, curves of recall, and the worlds of rooms."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.figure import Figure

from humain.viewing import plots
from humain.viewing.report import Report
from humain.viewing.tables import Cell, ReportTable
from tasks.ablations.experiments import EXPERIMENTS

_MARKS = {"entropy": ("s", 130), "neural_entropy": ("o", 60), "skip": ("D", 25)}


def table(results: Mapping[str, Any]) -> ReportTable:
    """Returns a table with a row for each experiment; the reference is the simplest rival, where it is not `off`."""
    rows: list[Sequence[Cell]] = []
    for name, numbers in results.items():
        experiment = EXPERIMENTS[name]
        on, off = numbers["on"], numbers["off"]
        met = "met" if experiment.holds(numbers) else "NOT MET"
        cells = [cell for share in (on, off) for cell in (share["mean"], share["sd"])]
        reference = numbers.get("reference", {})
        known = [reference.get(key) for key in ("name", "mean", "sd")]
        rows.append([name, *cells, on["mean"] - off["mean"], *known, experiment.must, met])
    shares = ["on", "sd of on", "off", "sd of off", "difference"]
    references = ["reference", "its share", "its sd"]
    formats = dict.fromkeys([*shares, *references[1:]], ".3f")
    return ReportTable(columns=["experiment", *shares, *references, "must", ""], rows=rows, formats=formats)


def write(workdir: pathlib.Path, results: Mapping[str, Any]) -> None:
    """Writes the report, with its pictures beside it."""
    report = Report("Parts of the memory, on and off")
    report.prose(
        "Each experiment is a small world whose optimum can be computed, with one part of the library on and with it "
        "off. Shares of the optimum, mean and standard deviation over seeds."
    )
    report.table(table(results))
    bars = workdir / "parts.png"
    draw_bars(bars, results)
    report.figure(bars, caption="On and off; bars are means over seeds, lines one standard deviation up and down.")
    for name, numbers in results.items():
        report.heading(name)
        report.prose(numbers["title"])
        if "sweep" in numbers:
            draw_sweep(workdir / f"{name}.png", numbers["sweep"])
            report.figure(workdir / f"{name}.png", caption=f"{name}: patterns recalled by number of patterns stored.")
        if "thinking" in numbers:
            report.table(thinking_table(numbers["thinking"]))
        if "worlds" in numbers:
            draw_worlds(workdir / f"{name}.png", numbers["worlds"])
            report.figure(workdir / f"{name}.png", caption="Worlds of the first seed: doors, and what was found.")
    report.write(workdir / "report.html")


def thinking_table(thinking: Mapping[str, Any]) -> ReportTable:
    """Returns a table of what plans cost, with a row for each abstraction."""
    figures = ["complete", "optimum", "layer_0_steps", "layer_0_steps_for_one_sub_goal_at_most", "sub_goals"]
    names = [name for name, numbers in thinking.items() if isinstance(numbers, Mapping) and "complete" in numbers]
    rows: list[Sequence[Cell]] = [
        [name, *(None if thinking[name][figure] is None else thinking[name][figure]["mean"] for figure in figures)]
        for name in names
    ]
    heads = ["pivots by", *(figure.replace("_", " ") for figure in figures)]
    return ReportTable(columns=heads, rows=rows, formats=dict.fromkeys(heads[1:], ".3f"))


def draw_bars(path: pathlib.Path, results: Mapping[str, Any]) -> None:
    """Draws the means of on and off with error bars."""
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(1.6 + 1.2 * len(results), 4.2), layout="constrained")
        axes = figure.add_subplot()
        places = np.arange(len(results))
        for number, side in enumerate(("on", "off")):
            shares = [numbers[side] for numbers in results.values()]
            axes.bar(
                places + 0.4 * number - 0.2,
                [share["mean"] for share in shares],
                0.38,
                yerr=[share["sd"] for share in shares],
                capsize=3,
                color=plots.PALETTE[number],
                label=side,
            )
        axes.set_xticks(places, list(results))
        axes.set(ylabel="share of the optimum")
        axes.legend(frameon=False)
        plots.save(figure, path)


def draw_sweep(path: pathlib.Path, sweep: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Draws how many patterns are recalled of more and more patterns stored, one curve per memory."""
    plots.curves(path, sweep_series(sweep), x_label="patterns stored", y_label="patterns recalled", markers=True)


def sweep_series(sweep: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, tuple[list[float], list[float]]]:
    """Returns the numbers of patterns stored and the means of those recalled, by the memory's name."""
    return {name: ([row["patterns"] for row in rows], [row["mean"] for row in rows]) for name, rows in sweep.items()}


def draw_worlds(path: pathlib.Path, worlds: Sequence[Mapping[str, Any]]) -> None:
    """Draws floor plans with their doors, and marks the states that an abstraction found."""
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(4.6 * len(worlds), 4.6), layout="constrained")
        for number, world in enumerate(worlds):
            axes = figure.add_subplot(1, len(worlds), number + 1)
            image = np.array([[1.0 if cell == "." else 0.2 for cell in row] for row in world["floor"]])
            for row, column in world["doors"]:
                image[row, column] = 0.75
            axes.imshow(image, cmap="gray", vmin=0, vmax=1)
            for place, (name, states) in enumerate(world["found"].items()):
                marker, size = _MARKS.get(name, ("^", 60))
                rows, columns = np.array(states).reshape(-1, 2).T
                color = plots.PALETTE[place % len(plots.PALETTE)]
                axes.scatter(columns, rows, s=size, marker=marker, label=name, facecolors="none", edgecolors=color)
            axes.set_title(world["name"].replace("_", " ") + " (doors in grey)")
            axes.set(xticks=[], yticks=[])
            axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=3)
        plots.save(figure, path)
