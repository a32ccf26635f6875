"""The experiments of `//tasks:memory`, by name; register a new one in `EXPERIMENTS`."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from humain import errors
from tasks.ablations import aliased, crossroads, grid, long_order, loops, order, recall, windows


class Result(Protocol):
    """The result of an experiment."""

    @property
    def title(self) -> str:
        """The question that the experiment answers, in one line."""

    def to_json(self) -> dict[str, Any]:
        """Returns its numbers as JSON types."""


class Measure(Protocol):
    """Runs an experiment."""

    def __call__(self, settings: Any, *, seed: int, num_seeds: int) -> Result:
        """Returns the result over `num_seeds` seeds from `seed` on."""


@dataclasses.dataclass(frozen=True)
class Experiment:
    """An experiment that compares a part of the library switched on and off.

    Attributes:
        settings: the class of its settings, a frozen dataclass.
        measure: runs the experiment.
        must: the requirement on its numbers, as text.
        holds: whether its numbers, as JSON, meet the requirement.
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
    "order": Experiment(order.OrderSettings, order.measure, _DIFFERENCE, _makes_the_difference),
    "long_order": Experiment(long_order.LongOrderSettings, long_order.measure, _DIFFERENCE, _makes_the_difference),
    "aliased": Experiment(aliased.AliasedSettings, aliased.measure, _DIFFERENCE, _makes_the_difference),
    "grid": Experiment(grid.GridSettings, grid.measure, _DIFFERENCE, _makes_the_difference),
    "loops": Experiment(loops.LoopsSettings, loops.measure, _DIFFERENCE, _makes_the_difference),
    "crossroads": Experiment(
        crossroads.CrossroadsSettings, crossroads.measure, "precision and recall of both at least 0.9", _finds_doors
    ),
    "recall": Experiment(
        recall.RecallSettings, recall.measure, "0.95 of the capacity, and more than Hopfield's", _recalls_more
    ),
    "windows": Experiment(windows.WindowsSettings, windows.measure, _DIFFERENCE, _makes_the_difference),
}


def build_settings(name: str, values: Mapping[str, Any]) -> Any:
    """Returns the settings of an experiment: the defaults, except for the given values.

    Args:
        name: the experiment's name.
        values: fields of its settings, by name.

    Raises:
        UserError: if there is no such experiment or field, or a value is invalid.
    """
    if name not in EXPERIMENTS:
        raise errors.UserError(f"experiment {name!r} is not one of {', '.join(EXPERIMENTS)}")
    try:
        return _replaced(EXPERIMENTS[name].settings(), values)
    except (TypeError, ValueError) as error:
        raise errors.UserError(f"{name}: {error}") from error


def _replaced(settings: Any, values: Mapping[str, Any]) -> Any:
    """Returns settings with some fields replaced; fields of nested settings are given as mappings."""
    given = {}
    for key, value in values.items():
        before = getattr(settings, key, None)
        within = dataclasses.is_dataclass(before) and isinstance(value, Mapping)
        given[key] = _replaced(before, value) if within else value
    return dataclasses.replace(settings, **given)
