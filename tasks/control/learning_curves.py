"""Learning curves of several learners, side by side: how they are run, summed up, printed and drawn."""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import matplotlib.style
import numpy as np
from matplotlib.figure import Figure

from humain.viewing import plots
from humain.viewing.tables import Cell, ReportTable

SOLVED = 495.0
"""The mean return that counts as solved, of 500 at most."""


class Point(NamedTuple):
    """What a learner was worth at one moment.

    Attributes:
        env_steps: steps that it had taken in the environment; those of the test itself are not counted.
        mean_return: over the episodes of the test.
        seconds: wall time that it had spent collecting and learning, compilation included, tests left out.
    """

    env_steps: int
    mean_return: float
    seconds: float


Curve: TypeAlias = list[Point]
"""Points of one seed, in order of environment steps."""

Learner: TypeAlias = Callable[[int], list[tuple[int, float, float]]]
"""Trains with a seed and returns the points (env_steps, mean_return, seconds) of its curve, in order."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of one learner, over seeds.

    Attributes:
        solved: seeds that reached `SOLVED` at some point.
        solved_steps: environment steps to the first such point, by seed; infinite where there is none.
        solved_seconds: the same in seconds.
        final_returns: mean return at the last point, by seed.
        final_steps: environment steps at the last point, by seed.
        final_seconds: the same in seconds.
    """

    solved: int
    solved_steps: list[float]
    solved_seconds: list[float]
    final_returns: list[float]
    final_steps: list[int]
    final_seconds: list[float]


def compare(
    learners: Mapping[str, Learner], *, seeds: Sequence[int], notify: Callable[[str], None] = print
) -> dict[str, list[Curve]]:
    """Trains every learner with every seed; the learners take turns, so that all of them meet the same noise.

    Args:
        learners: by the name to show.
        seeds: at least one.
        notify: called with a line after each training.

    Returns:
        The curves of each learner, in the order of the seeds.

    Raises:
        ValueError: if there is nothing to compare, or a learner's points are no curve.
    """
    if not learners or not seeds:
        raise ValueError(f"{len(learners)} learners with {len(seeds)} seeds can't be compared; expected one at least")
    curves: dict[str, list[Curve]] = {name: [] for name in learners}
    for seed in seeds:
        for name, learner in learners.items():
            curve = to_curve(name, learner(seed))
            curves[name].append(curve)
            last = curve[-1]
            notify(f"{name}, seed {seed}: {last.mean_return:.1f} after {last.env_steps:,} steps, {last.seconds:.1f} s")
    return curves


def to_curve(name: str, points: Sequence[tuple[int, float, float]]) -> Curve:
    """A learner's points, checked.

    Raises:
        ValueError: for no point, steps that don't grow, seconds that shrink, or values that are not finite.
    """
    curve = [Point(int(env_steps), float(value), float(seconds)) for env_steps, value, seconds in points]
    if not curve:
        raise ValueError(f"{name} has no point; test it once at least")
    for before, after in zip(curve, curve[1:], strict=False):
        if not (before.env_steps < after.env_steps and before.seconds <= after.seconds):
            raise ValueError(f"{name} goes from {before} to {after}; expected more steps and no less seconds")
    if not all(math.isfinite(value) for point in curve for value in point):
        raise ValueError(f"{name} has a point that is not finite: {curve}")
    return curve


def value_at(curve: Curve, env_steps: float) -> Point | None:
    """The last point by then, None before the first: a learner keeps what it has, also after its end."""
    reached = [point for point in curve if point.env_steps <= env_steps]
    return reached[-1] if reached else None


def budgets(curves: Mapping[str, Sequence[Curve]]) -> list[int]:
    """Numbers of environment steps to show: 0 if any curve begins there, then 1, 2, 5, 10, ... to cover all curves."""
    steps = [point.env_steps for several in curves.values() for curve in several for point in curve]
    shown = [0] if min(steps) == 0 else []
    least, most = min([step for step in steps if step], default=0), max(steps)
    exponent = 0
    while most:
        for factor in (1, 2, 5):
            if factor * 10**exponent >= least:
                shown.append(factor * 10**exponent)
            if factor * 10**exponent >= most:
                return shown
        exponent += 1
    return shown


def summarise(curves: Sequence[Curve]) -> Outcome:
    """What came of one learner's curves, one a seed."""
    firsts = [next((point for point in curve if point.mean_return >= SOLVED), None) for curve in curves]
    return Outcome(
        solved=sum(first is not None for first in firsts),
        solved_steps=[math.inf if first is None else first.env_steps for first in firsts],
        solved_seconds=[math.inf if first is None else first.seconds for first in firsts],
        final_returns=[curve[-1].mean_return for curve in curves],
        final_steps=[curve[-1].env_steps for curve in curves],
        final_seconds=[curve[-1].seconds for curve in curves],
    )


def curve_table(curves: Mapping[str, Sequence[Curve]]) -> ReportTable:
    """All curves side by side: mean return over seeds, the worst seed's, and mean seconds.

    An entry is the last test by that number of steps. A learner has none before the first test of each of its curves,
    nor in the rows beyond the first that covers the end of them all.
    """
    rows, formats = [], {"env steps": ","}
    for name in curves:
        formats |= {name: ".1f", f"{name}, worst": ".1f", f"{name}, s": ".1f"}
    shown = budgets(curves)
    for before, env_steps in zip([-1, *shown], shown, strict=False):
        row: list[Cell] = [env_steps]
        for several in curves.values():
            points = [point for curve in several if (point := value_at(curve, env_steps)) is not None]
            if len(points) < len(several) or all(curve[-1].env_steps <= before for curve in several):
                row += [None, None, None]
                continue
            returns = [point.mean_return for point in points]
            row += [float(np.mean(returns)), min(returns), float(np.mean([point.seconds for point in points]))]
        rows.append(row)
    return ReportTable(columns=tuple(formats), rows=rows, formats=formats)


def outcome_table(curves: Mapping[str, Sequence[Curve]]) -> ReportTable:
    """One row a learner: when it was solved first, and how it ended.

    A seed that was never solved counts as infinitely long, and what is infinite is shown as a dash.
    """
    solved_by = f"{SOLVED:g}"
    formats = {
        "learner": "",
        f"seeds that reach {solved_by}": "",
        "steps until then, median": ",.0f",
        "steps, worst": ",.0f",
        "s until then, median": ".1f",
        "return at the end, mean": ".1f",
        "sd": ".1f",
        "min": ".1f",
        "steps": ",.0f",
        "s": ".1f",
    }
    rows: list[list[Cell]] = []
    for name, several in curves.items():
        outcome = summarise(several)
        rows.append(
            [
                name,
                f"{outcome.solved}/{len(several)}",
                _finite(np.median(outcome.solved_steps)),
                _finite(max(outcome.solved_steps)),
                _finite(np.median(outcome.solved_seconds)),
                float(np.mean(outcome.final_returns)),
                float(np.std(outcome.final_returns)),
                min(outcome.final_returns),
                max(outcome.final_steps),
                float(np.mean(outcome.final_seconds)),
            ]
        )
    return ReportTable(
        columns=tuple(formats), rows=rows, formats={name: form for name, form in formats.items() if form}
    )


def _finite(value: float | np.floating) -> float | None:
    return float(value) if np.isfinite(value) else None


def draw(path: pathlib.Path, curves: Mapping[str, Sequence[Curve]], *, title: str) -> None:
    """Draws mean return against environment steps and against seconds: one line a seed, one colour a learner."""
    with matplotlib.style.context("default"):
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        figure.suptitle(title)
        panels = figure.subplots(1, 2, sharey=True)
        for axes, field, label in zip(panels, ("env_steps", "seconds"), ("environment steps", "seconds"), strict=True):
            for number, (name, several) in enumerate(curves.items()):
                for seed, curve in enumerate(several):
                    axes.step(
                        [getattr(point, field) for point in curve],
                        [point.mean_return for point in curve],
                        where="post",
                        marker="o",
                        markersize=2.5,
                        linewidth=1.2,
                        alpha=0.7,
                        color=plots.PALETTE[number % len(plots.PALETTE)],
                        label=None if seed else name,
                    )
            # Linear near 0, where learners are tested before their first step.
            axes.set_xscale("symlog", linthresh=100 if field == "env_steps" else 1, linscale=0.3)
            axes.set_xlim(left=0)
            axes.set(xlabel=label)
            axes.grid(alpha=0.3)
        panels[0].set_ylabel("mean return")
        panels[0].legend(frameon=False)
        plots.save(figure, path)
