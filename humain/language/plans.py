"""Plans as text: a goal and the sentences that lead to it; and files of plans, one JSON object per line."""

import dataclasses
import json
import pathlib
from collections.abc import Iterable
from typing import Any

from humain import errors
from humain.files import records
from humain.language import sentences

_FORM = '{"goal": "...", "steps": ["...", ...]} or {"goal": "...", "text": "..."}'


@dataclasses.dataclass(frozen=True)
class TextPlan:
    """A goal and the steps that reach it.

    Attributes:
        goal: the goal, as a sentence.
        steps: sentences, in order; at least one.
        split: the part of the data that the plan belongs to, such as `train` or `heldout`.
        items: the names of the items that the goal asks for, in domains that have items; used to check the plan.
        given: sentences that come with the goal, for this plan alone, such as the recipe of something new.
    """

    goal: str
    steps: tuple[str, ...]
    split: str = "train"
    items: tuple[str, ...] = ()
    given: tuple[str, ...] = ()


def read_corpus(path: pathlib.Path) -> list[TextPlan]:
    """Reads plans, one JSON object per line; empty lines are skipped.

    An object has `goal`, and either `steps` (a list of sentences) or `text` (split into sentences here); it may have
    `split`, `items` and `given`; other keys are ignored. White space is normalised.

    Args:
        path: the file, UTF-8.

    Returns:
        The plans, at least one, in order.

    Raises:
        UserError: if a line is not such an object, or the file has no plan or can't be read; the message names the file
            and the line.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise errors.UserError(
            f"{path} can't be read ({error.strerror}); name a file of plans, one {_FORM} per line"
        ) from error
    plans = [_parse(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not plans:
        raise errors.UserError(f"there is no plan in {path}; write one per line, as {_FORM}")
    return plans


def write_corpus(path: pathlib.Path, plans: Iterable[TextPlan]) -> None:
    """Writes plans for `read_corpus`; if that fails, the old file stays as it was.

    Args:
        path: the file to create or to replace.
        plans: the plans, in the order in which to write them.
    """
    records.write_text(path, "".join(records.dump_line(plan) + "\n" for plan in plans))


def _parse(line: bytes, where: str) -> TextPlan:
    try:
        entry = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise errors.UserError(f"{where}, is not JSON ({error}); expected {_FORM}") from error
    if not isinstance(entry, dict):
        raise errors.UserError(f"{where}, is {_shown(entry)}; expected {_FORM}")
    if ("steps" in entry) == ("text" in entry):
        found = "both" if "steps" in entry else "neither"
        raise errors.UserError(f"{where}, has {found} of the keys 'steps' and 'text'; expected {_FORM}")
    goal = _text(entry, "goal", where)
    given = "steps" in entry
    steps = _texts(entry, "steps", where) if given else tuple(sentences.split(_text(entry, "text", where)))
    if not steps:
        raise errors.UserError(f"{where}, has no steps; write at least one sentence, or leave the line out")
    optional: dict[str, Any] = {}
    if "split" in entry:
        optional["split"] = _text(entry, "split", where)
    for key in ("items", "given"):
        if key in entry:
            optional[key] = _texts(entry, key, where)
    return TextPlan(goal=goal, steps=steps, **optional)


def _text(entry: dict[str, Any], key: str, where: str) -> str:
    if key not in entry:
        raise errors.UserError(f"{where}, has no {key!r}; expected {_FORM}")
    value = entry[key]
    _check(value, repr(key), where)
    return value if key == "text" else sentences.normalize(value)


def _texts(entry: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    values = entry[key]
    if not isinstance(values, list):
        raise errors.UserError(f"{where}, has {_shown(values)} for {key!r}; expected a list of texts")
    for number, value in enumerate(values, 1):
        _check(value, f"number {number} of {key!r}", where)
    return tuple(sentences.normalize(value) for value in values)


def _check(value: Any, name: str, where: str) -> None:
    if not isinstance(value, str):
        raise errors.UserError(f"{where}, has {_shown(value)} for {name}; expected a text")
    if not value.strip():
        raise errors.UserError(f"{where}, has an empty text for {name}; write something, or leave it out")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise errors.UserError(f"{where}, has half a character (a lone surrogate) in {name}; write it as UTF-8")


def _shown(value: Any) -> str:
    """Describes a JSON value in words."""
    if value is None or isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if isinstance(value, str):
        return "a text"
    return "a list" if isinstance(value, list) else "an object"
