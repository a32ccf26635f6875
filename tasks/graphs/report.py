"""What the graph planner shows: the table, the plots and the report."""

import pathlib
from collections.abc import Mapping
from typing import Any

from humain.training.metrics import read_metrics
from humain.viewing import plots
from humain.viewing.report import Report
from humain.viewing.tables import ReportTable

_FORMATS = {
    "arrived %": ".2f",
    "optimal %": ".2f",
    "mean length": ".3f",
    "ratio to optimal": ".4f",
    "plan s": ".3f",
    "train s": ".1f",
    "compile s": ".1f",
}


def scores_table(results: Mapping[str, Any]) -> ReportTable:
    """Four rows for each set, its lookup and its search the last, and one for each baseline."""
    rows: list[tuple[str, str, Mapping[str, Any], float | None, float | None]] = []
    for name, entry in results["sets"].items():
        rows.append((name, "react", entry["react"], entry["train_seconds"], entry["compile_seconds"]))
        rows.append((name, "think", entry["think"], None, None))
        rows.extend((name, by, entry[by], None, None) for by in ("lookup", "search"))
    rows.extend((name, "", score, None, None) for name, score in results["baselines"].items())
    return ReportTable(
        columns=["set", "by", "pairs", *list(_FORMATS)[:4], "invalid steps", *list(_FORMATS)[4:]],
        rows=[
            [
                name,
                by,
                score["pairs"],
                100 * score["arrived"],
                100 * score["optimal"],
                score["mean_length"],
                score["ratio_to_optimal"],
                score["invalid_steps"],
                score["seconds"],
                train_seconds,
                compile_seconds,
            ]
            for name, by, score, train_seconds, compile_seconds in rows
        ],
        formats=_FORMATS,
    )


def curve_table(results: Mapping[str, Any]) -> ReportTable:
    """One row for each amount of experience, shares in percent."""
    columns = ["walk steps", "ideal %", "replay %", "hindsight %"]
    rows = [
        [row["walk_steps"], *(100 * row[key] for key in ("ideal", "replay", "hindsight"))] for row in results["curve"]
    ]
    return ReportTable(columns=columns, rows=rows, formats=dict.fromkeys(columns[1:], ".2f"))


def scale_table(results: Mapping[str, Any]) -> ReportTable:
    """One row for each figure."""
    return ReportTable(columns=["figure", "value"], rows=[[name, value] for name, value in results["scale"].items()])


def scale_warnings(results: Mapping[str, Any]) -> list[str]:
    """A line for each kind of thing that found no room; none where all had room."""
    figures = results["scale"]
    remarks = {
        "sweep_waiting": "pairs still waited to be swept when training ended; raise num_steps or sweep_batch_size",
        "sweep_dropped": "pairs found the queue of sweeping full and were dropped; lower batch_size",
        "rows_refused": "times the table had no row left; raise kernel.sparse_capacity",
    }
    return [f"warning: {figures[key]} {text}" for key, text in remarks.items() if figures.get(key)]


def layers_table(results: Mapping[str, Any]) -> ReportTable:
    """One row for each number of layers, and one for the rival that searches."""
    formats = {"arrived %": ".2f", "within 5 %": ".2f", "ratio": ".4f", "think us": ".1f", "train s": ".1f"}
    rows: list[list[str | float | None]] = []
    for name, entry in [*results["layers"].items(), *results["baselines"].items()]:
        rows.append(
            [
                name,
                100 * entry["arrived"],
                100 * entry["within_5_percent"],
                entry["ratio_to_optimal"],
                sum(entry["rows"]) + entry.get("abstraction_rows", 0),
                " + ".join(f"{count:,}" for count in entry["rows"]),
                entry.get("rows_needed"),
                # Search plans for one agent at a time.
                entry["think_us"] if "think_alone_us" in entry else None,
                entry.get("think_alone_us", entry["think_us"]),
                entry.get("train_seconds"),
            ]
        )
    names = ("rows", "of tables, bottom first", "needed", "think us", "alone us", "train s")
    columns = ["layers", "arrived %", "within 5 %", "ratio", *names]
    figures = results["world"]
    caption = (
        f"{figures['nodes']:,} nodes, {figures['edges']:,} edges, mean shortest path {figures['mean_shortest']:.1f}, "
        f"{100 * figures['edges_seen']:.1f} % of the edges seen; at most {results['max_rows']:,} rows but for sets "
        f"named _all, and a single layer's next power of two; fastest form of search: "
        f"{results['baselines']['search']['form']}"
    )
    return ReportTable(columns=columns, rows=rows, formats=formats | {"alone us": ".0f"}, caption=caption)


def layers_warnings(results: Mapping[str, Any]) -> list[str]:
    """A line for each set for which pairs still waited when training ended; none where all were swept."""
    return [
        f"warning: {name}: {entry['sweep_waiting']} pairs still waited to be swept when training ended; raise "
        "learning.num_steps"
        for name, entry in results["layers"].items()
        if entry["sweep_waiting"]
    ]


def draw_losses(workdir: pathlib.Path, names: list[str]) -> list[pathlib.Path]:
    """Learning curves, one picture a set: the loss of each layer, or for tables the share of examples that improved."""
    paths = []
    for name in names:
        lines = read_metrics(workdir / "metrics.jsonl", name=name)
        kinds = ("loss", "improved")
        series = {
            key: ([line["step"] for line in lines], [max(line[key], 1e-6) for line in lines])
            for key in sorted(lines[0])
            if key.split("/")[-1] in kinds
        }
        path = workdir / f"learning_{name}.png"
        plots.curves(path, series, x_label="update", y_label="loss, or share improved", title=name, log_y=True)
        paths.append(path)
    return paths


def write_sets_report(workdir: pathlib.Path, results: Mapping[str, Any], title: str) -> None:
    """The report on the model sets."""
    report = Report(title)
    report.prose(
        "Each set learned from walks and was asked for the way between every ordered pair of nodes that has one: "
        "step by step (`react`), and as a whole plan (`think`). Sets with half of the demonstrations are asked for the "
        "other half of the pairs. `lookup` and `search` have no layers and no network: of all that the set "
        "learned from, `lookup` takes the shortest stretch from start to goal, and `search` finds the shortest way by "
        "the steps that were seen. `ratio to optimal` is the mean, over pairs that arrived, of the steps "
        "taken to those of a shortest path."
    )
    report.table(scores_table(results))
    if (workdir / "graph.png").exists():
        report.heading("The world")
        report.figure(workdir / "graph.png", caption="The graph; every arrow is a step.")
    report.heading("Plans")
    report.prose(
        "The user's goal stands first. Under it stand the sub-goals of the top layer, under each of them those of the "
        "layer below, and at the bottom the steps. The rings in a picture are goals, wider for higher layers."
    )
    for name, entry in results["sets"].items():
        report.heading(name, level=3)
        for number, plan in enumerate(entry["plans"]):
            picture = workdir / f"plan_{name}_{number}.png"
            if picture.exists():
                report.figure(picture, caption=f"{name}: from {plan['start']} to {plan['goal']}")
            report.preformatted(plan["text"])
        with report.details("the same way by react: what each layer was asked for at each step"):
            report.preformatted(entry["trace"])
        with report.details("a walk that it learned from: sub-goals in brackets, before each the states it stands for"):
            report.preformatted(entry["walk"])
    report.heading("Learning")
    for path in draw_losses(workdir, list(results["sets"])):
        report.figure(path, caption=f"{path.stem.removeprefix('learning_')}: by update, mean over a chunk.")
    report.write(workdir / "report.html")


def write_curve_report(workdir: pathlib.Path, results: Mapping[str, Any]) -> None:
    """The report on how much experience is needed."""
    series = {
        kind: ([row["walk_steps"] for row in results["curve"]], [100 * row[kind] for row in results["curve"]])
        for kind in ("ideal", "replay", "hindsight")
    }
    plots.curves(
        workdir / "curve.png",
        series,
        x_label="steps of random walk in total",
        y_label="pairs planned optimally, %",
        log_x=True,
        markers=True,
    )
    report = Report("How much experience a plan needs")
    report.prose(
        "Share of the pairs with a path that are planned by a shortest one, mean over graphs. `ideal` is the best that "
        "anyone can do with the edges seen; `replay` composes what it has stored; `hindsight` only remembers."
    )
    report.table(curve_table(results))
    report.figure(workdir / "curve.png", caption="Pairs planned optimally against experience.")
    report.write(workdir / "report.html")


def write_scale_report(workdir: pathlib.Path, results: Mapping[str, Any], name: str) -> None:
    """The report on a large graph."""
    report = Report("Planning on a large graph")
    report.table(scale_table(results))
    for line in scale_warnings(results):
        report.prose(line)
    for path in draw_losses(workdir, [name]):
        report.figure(path, caption="Share of examples that improved the tables, by update.")
    report.write(workdir / "report.html")


def write_layers_report(workdir: pathlib.Path, results: Mapping[str, Any]) -> None:
    """The report on what layers are worth."""
    report = Report("What layers are worth on communities joined by few bridges")
    report.prose(
        "All learned from the same random walks, by as many updates of as many examples. Those without `_all` have at "
        "most the same memory: the rows of all tables, and the numbers that abstractions store; a single table has the "
        "next larger power of two. `search` knows the steps of the walks and searches anew for each pair, in the form "
        "that is fastest here. Times of a plan are in a batch of 256, and alone."
    )
    report.table(layers_table(results))
    for line in layers_warnings(results):
        report.prose(line)
    for path in draw_losses(workdir, [f"layers_{name}" for name in results["layers"]]):
        report.figure(
            path, caption=f"{path.stem.removeprefix('learning_')}: share of examples that improved, by update."
        )
    report.write(workdir / "report.html")
