"""Compares a run with an older one: ratios of medians, and the hot paths that got slower."""

import dataclasses
import math
import pathlib
from collections.abc import Collection, Mapping
from typing import Any

from humain import errors
from humain.files import records
from humain.viewing.tables import ReportTable

_NUMBERS = ("median_seconds", "low", "high")


@dataclasses.dataclass(frozen=True)
class ComparisonLine:
    """A row that is in both runs or in one of them.

    Attributes:
        name: the row's name.
        framework: `jax` or `torch`.
        device: `cpu` or `gpu`.
        old_seconds: the median of the old run, None if it has no such row.
        new_seconds: the median of this run, None if it has no such row.
        ratio: new over old, above 1 if it got slower; None if the two can't be compared.
        apart: whether the two 95 % intervals don't overlap.
        hot: whether it is one of the project's hot paths.
        remark: why the two can't be compared, or "".
    """

    name: str
    framework: str
    device: str
    old_seconds: float | None
    new_seconds: float | None
    ratio: float | None
    apart: bool
    hot: bool
    remark: str


def read(path: pathlib.Path) -> Mapping[str, Any]:
    """Reads the `results.json` of an older run.

    Raises:
        UserError: if there is no such file, or it is not one of this task.
    """
    remedy = "pass the results.json of a finished run of //tasks:benchmark"
    try:
        record = records.read_json(path)
    except OSError as error:
        raise errors.UserError(f"--compare={path} can't be read ({error.strerror}); {remedy}") from error
    except ValueError as error:
        raise errors.UserError(f"--compare: {error}; {remedy}") from error
    fault = _fault(record)
    if fault:
        raise errors.UserError(f"--compare={path} {fault}; {remedy}")
    assert isinstance(record, dict)
    return record


def _fault(record: Any) -> str:
    """Returns why a record is not one of this task, or ""."""
    if not isinstance(record, dict) or record.get("task") != "benchmark":
        return "holds no results of this task"
    if not isinstance(record.get("config"), dict):
        return "has no config"
    results = record.get("results")
    if not isinstance(results, dict) or not isinstance(results.get("rows"), list) or not results["rows"]:
        return "has no results.rows"
    for part in ("machine", "threads"):
        if not isinstance(results.get(part), dict):
            return f"has no results.{part}"
    for row in results["rows"]:
        whole = isinstance(row, dict) and all(isinstance(row.get(key), str) for key in ("name", "framework", "device"))
        if not whole or not all(_positive(row.get(key)) for key in _NUMBERS):
            return f"has a row without its name and times: {str(row)[:80]}"
    return ""


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def compare(old: Mapping[str, Any], new: Mapping[str, Any], *, hot_paths: Collection[str]) -> list[ComparisonLine]:
    """Compares the rows of two runs: those of the new one in their order, then those that it lacks.

    Args:
        old: the record of the old run.
        new: the record of the new run.
        hot_paths: the names of the rows that are hot paths.
    """
    olds, news = _by_key(old), _by_key(new)
    lines = []
    for key in [*news, *(key for key in olds if key not in news)]:
        before, after = olds.get(key), news.get(key)
        remark = _remark(old, new, before, after)
        comparable = before is not None and after is not None and not remark
        lines.append(
            ComparisonLine(
                name=key[0],
                framework=key[1],
                device=key[2],
                old_seconds=None if before is None else before["median_seconds"],
                new_seconds=None if after is None else after["median_seconds"],
                ratio=after["median_seconds"] / before["median_seconds"] if comparable and before and after else None,
                apart=bool(
                    comparable and before and after and (after["low"] > before["high"] or after["high"] < before["low"])
                ),
                hot=key[0] in hot_paths,
                remark=remark,
            )
        )
    return lines


def _by_key(record: Mapping[str, Any]) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    return {(row["name"], row["framework"], row["device"]): row for row in record["results"]["rows"]}


def _remark(
    old: Mapping[str, Any], new: Mapping[str, Any], before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> str:
    """Returns why two rows, of an old and a new record, can't be compared, or ""."""
    if before is None:
        return "only in this run"
    if after is None:
        return "only in the old run"
    olds, news = _conditions(old, before), _conditions(new, after)
    for what in [*olds, *(what for what in news if what not in olds)]:
        if olds.get(what) != news.get(what):
            return f"{what} was {olds.get(what)}, is {news.get(what)}"
    return ""


def _conditions(record: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what must be equal for two rows of one name, framework and device to have done the same work."""
    name, framework, device, results = row["name"], row["framework"], row["device"], record["results"]
    conditions = {
        "size": row.get("size"),
        "work": row.get("work"),
        "machine": results["machine"].get(device),
        "cores": results["threads"].get("wanted"),
    }
    if device == "cpu":
        conditions["threads"] = results["threads"].get(framework)
    if name != "dispatch":
        conditions["matmul_precision"] = record.get("matmul_precision")
    if name == "kmeans" or name.startswith("selu_"):
        conditions["seed"] = record.get("seed")
    # The group of the config that is named after the row has its sizes.
    group = "updates" if name.startswith("update_") else name
    sizes = record["config"].get(group)
    if isinstance(sizes, Mapping):
        conditions |= {f"{group}.{key}": value for key, value in sizes.items()}
    return conditions


def to_table(lines: list[ComparisonLine]) -> ReportTable:
    """Returns the lines as a table, with times in microseconds."""
    return ReportTable(
        columns=(
            "row",
            "framework",
            "device",
            "old us",
            "new us",
            "new / old",
            "intervals apart",
            "hot path",
            "remark",
        ),
        rows=[
            (
                line.name,
                line.framework,
                line.device,
                None if line.old_seconds is None else 1e6 * line.old_seconds,
                None if line.new_seconds is None else 1e6 * line.new_seconds,
                line.ratio,
                None if line.ratio is None else line.apart,
                line.hot,
                line.remark,
            )
            for line in lines
        ],
        formats={"old us": ",.1f", "new us": ",.1f", "new / old": ".2f"},
    )


def judge(lines: list[ComparisonLine], factor: float) -> None:
    """Raises an error if a hot path got slower by more than a factor.

    Args:
        lines: the lines, from `compare`.
        factor: the largest ratio allowed.

    Raises:
        UserError: if a hot path got slower by more than that (the message names it), or none can be compared.
    """
    judged = [line for line in lines if line.hot and line.ratio is not None]
    if not judged:
        raise errors.UserError(
            "no hot path can be compared with the old run, for the reasons in the table; "
            "compare runs on one machine with equal flags"
        )
    slower = [line for line in judged if line.ratio is not None and line.ratio > factor]
    if slower:
        listed = ", ".join(f"{line.name} on {line.device} ({line.ratio:.2f} x)" for line in slower)
        raise errors.UserError(
            f"slower than the old run by more than {factor:g} x: {listed}; "
            "repeat both on a quiet machine, and if the result is the same, find what changed"
        )
