"""The experiments of `//tasks:memory`, by name: a new one is a line here."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from humain import errors
from tasks.ablations import aliased, crossroads, grid, long_order, loops, order, recall, windows


class Result(Protocol):
    """What an experiment comes to."""

    @property
    def title(self) -> str:
        """What was asked, one line."""

    def to_json(self) -> dict[str, Any]:
        """Its numbers, plain JSON."""


class Measure(Protocol):
    """Runs an experiment."""

    def __call__(self, settings: Any, *, seed: int, num_seeds: int) -> Result:
        """Its outcome over `num_seeds` seeds from `seed` on."""


@dataclasses.dataclass(frozen=True)
class Experiment:
    """An experiment in which a part of the library is on, and off.

    Attributes:
        settings: a frozen dataclass of what it is made of.
        measure: runs it.
        must: what is asked of it, for people.
        holds: whether its numbers, as JSON, are as asked.
    """

    settings: Callable[..., Any]
    measure: Measure
    must: str
    holds: Callable[[Mapping[str, Any]], bool]


def _finds_doors(numbers: Mapping[str, Any]) -> bool:
    figures = [numbers[name][figure] for name in ("entropy", "neural_entropy") for figure in ("precision", "recall")]
    return min(figures) >= 0.9


def _makes_the_difference(numbers: Mapping[str, Any]) -> bool:
    return numbers["on"]["mean"] >= 0.95 and numbers["on"]["mean"] - numbers["off"]["mean"] >= 0.2


def _recalls_more(numbers: Mapping[str, Any]) -> bool:
    return numbers["recalled"] >= 0.95 * numbers["capacity"] and numbers["recalled"] > numbers["hopfield"]


_DIFFERENCE = "on at least 0.95, off at least 0.2 less"

EXPERIMENTS: Mapping[str, Experiment] = {
    "order": Experiment(order.Settings, order.measure, _DIFFERENCE, _makes_the_difference),
    "long_order": Experiment(long_order.Settings, long_order.measure, _DIFFERENCE, _makes_the_difference),
    "aliased": Experiment(aliased.Settings, aliased.measure, _DIFFERENCE, _makes_the_difference),
    "grid": Experiment(grid.Settings, grid.measure, _DIFFERENCE, _makes_the_difference),
    "loops": Experiment(loops.Settings, loops.measure, _DIFFERENCE, _makes_the_difference),
    "crossroads": Experiment(
        crossroads.Settings, crossroads.measure, "precision and recall of both at least 0.9", _finds_doors
    ),
    "recall": Experiment(
        recall.Settings, recall.measure, "0.95 of the capacity, and more than Hopfield's", _recalls_more
    ),
    "windows": Experiment(windows.Settings, windows.measure, _DIFFERENCE, _makes_the_difference),
}


def build_settings(name: str, values: Mapping[str, Any]) -> Any:
    """The settings of an experiment, its own where a config says nothing else.

    Args:
        name: of the experiment.
        values: fields of its settings.

    Raises:
        UserError: if there is no such experiment or field, or a value can't be.
    """
    if name not in EXPERIMENTS:
        raise errors.UserError(f"experiment {name!r} is none of {', '.join(EXPERIMENTS)}")
    try:
        return _replaced(EXPERIMENTS[name].settings(), values)
    except (TypeError, ValueError) as error:
        raise errors.UserError(f"{name}: {error}") from error


def _replaced(settings: Any, values: Mapping[str, Any]) -> Any:
    """Settings with other values; those of settings within them are given by name too."""
    given = {}
    for key, value in values.items():
        before = getattr(settings, key, None)
        within = dataclasses.is_dataclass(before) and isinstance(value, Mapping)
        given[key] = _replaced(before, value) if within else value
    return dataclasses.replace(settings, **given)
