"""What a task of control shows: the tables, the curves and the report."""

import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from humain.viewing import plots
from humain.viewing.report import Report
from humain.viewing.tables import Cell, ReportTable

_FORMATS = {"mean": ".2f", "sd": ".2f", "min": ".0f", "collect s": ".2f", "learn s": ".2f", "compile s": ".2f"}
_OVER_SEEDS = {"lowest mean": ".2f", "median env steps": ",.0f", "worst env steps": ",.0f"}
_SECONDS = ("collect_seconds", "learn_seconds", "compile_seconds")
"""Of all seeds of an entry together, so that each of several seeds says the same."""
# Lines of more points than this would be hidden by their markers.
_MARKED_POINTS = 40


def scores_table(results: Mapping[str, Any], *, each_seed: bool = True) -> ReportTable:
    """One row for each set and seed, one over the seeds of a set that has several, and one for each baseline.

    In a row over seeds, `mean` is the mean of the seeds' means, `sd` the standard deviation of those, `min` the worst
    episode of any seed, and seconds are those of all seeds together, which no row of a single one of several seeds has;
    the columns that only such rows fill are left out where there is none.

    Args:
        results: with `sets`, a list of one entry a seed by name, and `baselines`.
        each_seed: whether a set that has a row over its seeds has one for each of them, too.
    """
    over_seeds = any(len(entries) > 1 for entries in results["sets"].values())
    extra = list(_OVER_SEEDS) if over_seeds else []
    rows: list[list[Cell]] = []
    for name, entries in results["sets"].items():
        if each_seed or len(entries) == 1:
            rows.extend(
                [name, str(entry["seed"]), *_score(entry), *_costs(entry, len(entries)), *[None] * len(extra)]
                for entry in entries
            )
        if len(entries) > 1:
            rows.append([name, f"all {len(entries)}", *_over_seeds(entries)])
    for name, score in results["baselines"].items():
        rows.append([name, None, *_score(score), *[None] * (4 + len(extra))])
    columns = ["set", "seed", "mean", "sd", "min", "episodes", "env steps", "collect s", "learn s", "compile s", *extra]
    formats = _FORMATS | _OVER_SEEDS if over_seeds else _FORMATS
    return ReportTable(columns=columns, rows=rows, formats=formats)


def goals_table(results: Mapping[str, Any]) -> ReportTable:
    """One row for each goal that was asked for at run time, and for each set with fewer layers; none where none was.

    Args:
        results: with `goals`, by what was asked for.
    """
    goals = results.get("goals", {})
    seeds = ["seeds"] if any("seeds" in entry for entry in goals.values()) else []
    fewer = ["set"] if any("fewer_layers" in entry for entry in goals.values()) else []
    asked = [(goal, "the asked set", entry) for goal, entry in goals.items()]
    asked += [(goal, name, entry) for goal, top in goals.items() for name, entry in top.get("fewer_layers", {}).items()]
    return ReportTable(
        columns=["goal", *fewer, *seeds, "trials", "successes", "success %"],
        rows=[
            [
                goal,
                *([name] if fewer else []),
                *(entry.get(column) for column in seeds),
                entry["trials"],
                entry["successes"],
                100 * entry["successes"] / entry["trials"] if entry["trials"] else None,
            ]
            for goal, name, entry in asked
        ],
        formats={"success %": ".1f"},
    )


def moving_goals_table(results: Mapping[str, Any]) -> ReportTable:
    """One row for each test in which goals took turns, and each set; none where no goals did.

    Args:
        results: with such tests under names that begin with `moving_goals`.
    """
    rows: list[list[Cell]] = []
    tested = [(test, sets) for test, sets in results.items() if test.startswith("moving_goals")]
    for test, name, entry in ((test, name, entry) for test, sets in tested for name, entry in sets.items()):
        by_seed, share = entry["held_by_seed"], 100 / entry["goals"]
        each = share * len(by_seed)
        rows.append(
            [
                test,
                name,
                len(by_seed),
                entry["goals"],
                entry["held"],
                share * entry["held"],
                each * statistics.pstdev(by_seed),
            ]
            + [each * min(by_seed), entry["fallen"]]
        )
    return ReportTable(
        columns=[
            "goals in motion",
            "set",
            "seeds",
            "goals",
            "held",
            "held %",
            "sd over seeds",
            "lowest seed %",
            "fallen",
        ],
        rows=rows,
        formats={"held %": ".1f", "sd over seeds": ".1f", "lowest seed %": ".1f"},
    )


def action_times_table(results: Mapping[str, Any]) -> ReportTable:
    """One row for each set: what one action takes, by itself and as one of a batch; none where it was not measured.

    Args:
        results: with `action_times`.
    """
    times = results.get("action_times", {})
    names = times["alone"]["microseconds"] if times else {}
    batch = f"us in a batch of {times['batch']['actions']:,}" if times else "us in a batch"
    return ReportTable(
        columns=["set", "us an action, alone", batch],
        rows=[[name, *(times[how]["microseconds"][name] for how in ("alone", "batch"))] for name in names],
        formats={"us an action, alone": ".0f", batch: ".1f"},
    )


def curve_over_seeds(curves: Sequence[Sequence[Mapping[str, float]]]) -> tuple[list[float], list[float], list[float]]:
    """The learning curves of several seeds as one.

    Args:
        curves: for each seed its points, in order, with `env_steps` and `mean`.

    Returns:
        Environment steps, and there the mean and the lowest over seeds. They begin where every seed has a point; a seed
        keeps the value of its last point, as its model stays what it was.
    """
    places = [[point["env_steps"] for point in curve] for curve in curves]
    begin = max(steps[0] for steps in places)
    shared = sorted({step for steps in places for step in steps if step >= begin})
    values = np.array(
        [
            [curve[int(last)]["mean"] for last in np.searchsorted(steps, shared, side="right") - 1]
            for curve, steps in zip(curves, places, strict=True)
        ]
    )
    return shared, values.mean(0).tolist(), values.min(0).tolist()


def draw_curves(workdir: pathlib.Path, results: Mapping[str, Any]) -> list[pathlib.Path]:
    """Draws the mean return against environment steps: a line a set, over several seeds one more for the lowest.

    Before the first step all is done at random, so each line begins there with what random actions were measured to
    be worth.

    Args:
        workdir: gets `returns.png`.
        results: with the baseline `random`; sets without a point are left out.

    Returns:
        The picture, or none where no set has a point.
    """
    series: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
    for name, entries in results["sets"].items():
        curves = [entry["curve"] for entry in entries if entry["curve"]]
        if not curves:
            continue
        untrained = {"env_steps": 0, "mean": results["baselines"]["random"]["mean"]}
        steps, means, lowest = curve_over_seeds([[untrained, *curve] for curve in curves])
        if len(curves) == 1:
            series[name] = (steps, means)
        else:
            series[f"{name}, mean of {len(curves)} seeds"] = (steps, means)
            series[f"{name}, lowest seed"] = (steps, lowest)
    if not series:
        return []
    path = workdir / "returns.png"
    plots.curves(
        path,
        series,
        x_label="environment steps",
        y_label="mean return of test episodes",
        markers=max(len(steps) for steps, _ in series.values()) <= _MARKED_POINTS,
    )
    return [path]


def write_report(
    workdir: pathlib.Path,
    results: Mapping[str, Any],
    title: str,
    trials: Sequence[tuple[pathlib.Path, str]],
    *,
    scores: str,
    caption: str,
) -> None:
    """Writes `report.html`, which holds its pictures.

    Args:
        workdir: gets the report and the curves in it.
        results: what was measured.
        title: the report's.
        trials: films of trials, each with its caption.
        scores: a sentence that says what scores are.
        caption: what all films show.
    """
    report = Report(title)
    report.prose(
        f"{scores} `env steps` counts every step of the world that was taken to learn; `min` is the worst test episode."
    )
    report.table(scores_table(results, each_seed=False))
    if any(len(entries) > 1 for entries in results["sets"].values()):
        report.prose(
            "In a row over seeds `mean` and `sd` are those of the seeds' means, `min` is over all episodes, and "
            "seconds are those of all seeds together."
        )
        with report.details("each seed"):
            report.table(scores_table(results))
    if moving_goals_table(results).rows:
        report.heading("Goals in motion")
        report.prose(
            "Asked of each trained model, without learning anew: the goal changes at the end of each span of steps, "
            "and is held if the agent was at it for all of the last steps of its span. Who falls holds none of the "
            "goals that were still to come. `sd` and `lowest` are those of the seeds' shares."
        )
        report.table(moving_goals_table(results))
    if results.get("goals"):
        report.heading("Goals asked for at run time")
        report.prose("Asked of the trained model, without learning anew: reach a state, and stay there.")
        report.table(goals_table(results))
    if results.get("action_times"):
        report.heading("Time of an action")
        report.prose(
            "Wall time of one action of each trained set, from an observation to what is done: by itself, and as one "
            "of the batch that returns are measured in. Sets took turns; the fastest of several rounds counts."
        )
        report.table(action_times_table(results))
    pictures = draw_curves(workdir, results)
    if pictures:
        report.heading("Learning")
        for path in pictures:
            report.figure(
                path,
                caption="Mean return of test episodes against the steps taken to learn; at 0: random actions.",
            )
    if trials:
        report.heading("Trials")
        report.prose(caption)
        for path, caption in trials:
            report.figure(path, caption=caption)
    if results.get("plan"):
        report.heading("A plan")
        report.prose(
            "The user's goal stands first, under it the states that the upper layer asks for, and under each of them "
            "the steps of the lower layer."
        )
        report.heading(results["plan"]["title"], level=3)
        report.preformatted(results["plan"]["text"])
    report.write(workdir / "report.html")


def _score(entry: Mapping[str, Any]) -> list[Cell]:
    return [entry[key] for key in ("mean", "sd", "min", "episodes")]


def _costs(entry: Mapping[str, Any], num_seeds: int) -> list[Cell]:
    """Steps and seconds of one of several seeds; the seconds are its own only where it is alone."""
    return [entry["env_steps"], *(entry[key] if num_seeds == 1 else None for key in _SECONDS)]


def _over_seeds(entries: Sequence[Mapping[str, Any]]) -> list[Cell]:
    """The cells of a row over seeds, after its first two."""
    means = [entry["mean"] for entry in entries]
    steps = [entry["env_steps"] for entry in entries]
    lowest = min(entry["min"] for entry in entries)
    episodes = sum(entry["episodes"] for entry in entries)
    score: list[Cell] = [statistics.fmean(means), statistics.pstdev(means), lowest, episodes]
    seconds = [entries[0][key] for key in _SECONDS]
    return [*score, None, *seconds, min(means), statistics.median(steps), max(steps)]
