"""Guides as files: what was answered, as JSON lines, and the answers' embeddings beside them.

guides.jsonl        {"model", "plan", "split", "goal", "goals", "finished", "nodes"} a line; a node is {"layer",
                    "parent", "goal", "known", "score", "repeated", "row"}
candidates.jsonl    {"model", "plan", "time", "row"} a line: the next step after the first `time` steps of a plan
guides.safetensors  `answers` [N, D] float32, the rows of both
goals.jsonl         guides to goals that a user asked for, as in guides.jsonl; "plan" is null and "split" is "asked"
goals.safetensors   their `answers`
"""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from humain import errors
from humain.files import records
from humain.language.vocabulary import IndexedPlan
from tasks.language.guiding import Guide, Node, Reaction

_GUIDES, _CANDIDATES, _ANSWERS = "guides.jsonl", "candidates.jsonl", "guides.safetensors"
_GOALS, _GOAL_ANSWERS = "goals.jsonl", "goals.safetensors"
_GUIDE_KEYS = frozenset({"model", "plan", "split", "goal", "goals", "finished", "nodes"})
_NODE_KEYS = frozenset({field.name for field in dataclasses.fields(Node)} - {"answer"} | {"row"})
_CANDIDATE_KEYS = frozenset({"model", "plan", "time", "row"})
ASKED = "asked"
"""The split of guides to goals that a user asked for."""
Restore = Callable[[np.ndarray], np.ndarray]
"""An answer of a layer, as an embedding."""


class Writing:
    """Collects guides and writes them."""

    def __init__(self) -> None:
        """Starts with none."""
        self._guides: list[Mapping[str, Any]] = []
        self._candidates: list[Mapping[str, Any]] = []
        self._answers: list[np.ndarray] = []

    def add_guide(
        self, *, model: str, number: int, plan: IndexedPlan, goals: Sequence[int], guide: Guide, restore: Restore
    ) -> None:
        """Adds what a model says for the goal of a plan, the data's plan of that number."""
        self._add(
            model=model, number=number, split=plan.split, goal=plan.goal, goals=goals, guide=guide, restore=restore
        )

    def _add(
        self,
        *,
        model: str,
        number: int | None,
        split: str,
        goal: str,
        goals: Sequence[int],
        guide: Guide,
        restore: Restore,
    ) -> None:
        nodes = []
        for node in guide.nodes:
            fields = {field.name: getattr(node, field.name) for field in dataclasses.fields(Node)}
            del fields["answer"]
            nodes.append({**fields, "row": self._row(restore(node.answer))})
        self._guides.append(
            {
                "model": model,
                "plan": number,
                "split": split,
                "goal": goal,
                "goals": list(goals),
                "finished": guide.finished,
                "nodes": nodes,
            }
        )

    def add_asked(self, *, model: str, goal: str, goals: Sequence[int], guide: Guide, restore: Restore) -> None:
        """Adds what a model says for a goal that a user asked for."""
        self._add(model=model, number=None, split=ASKED, goal=goal, goals=goals, guide=guide, restore=restore)

    def add_candidate(self, *, model: str, number: int, time: int, reaction: Reaction, restore: Restore) -> None:
        """Adds the next step that a model names, or that it names none."""
        row = self._row(restore(reaction[-1].answer)) if reaction else None
        self._candidates.append({"model": model, "plan": number, "time": time, "row": row})

    def write(self, directory: pathlib.Path) -> None:
        """Writes all files but those of the user's goals, `guides.jsonl` last."""
        self._write(directory, _ANSWERS, {_CANDIDATES: self._candidates, _GUIDES: self._guides})

    def write_asked(self, directory: pathlib.Path) -> None:
        """Writes all guides as those to the user's goals, `goals.jsonl` last."""
        self._write(directory, _GOAL_ANSWERS, {_GOALS: self._guides})

    def _write(
        self, directory: pathlib.Path, answers_name: str, entries_by_name: Mapping[str, Sequence[Mapping[str, Any]]]
    ) -> None:
        temporary = directory / f"{answers_name}.tmp"
        answers = np.stack(self._answers) if self._answers else np.zeros((0, 0), np.float32)
        safetensors.numpy.save_file({"answers": answers}, temporary)
        temporary.replace(directory / answers_name)
        for name, entries in entries_by_name.items():
            records.write_text(directory / name, "".join(records.dump_line(entry) + "\n" for entry in entries))

    def _row(self, embedding: np.ndarray) -> int:
        self._answers.append(embedding.astype(np.float32))
        return len(self._answers) - 1


@dataclasses.dataclass(frozen=True, eq=False)
class Guides:
    """Guides as they were written.

    Attributes:
        guides: see this module.
        candidates: see this module.
        answers: `[N, D]`.
    """

    guides: tuple[Mapping[str, Any], ...]
    candidates: tuple[Mapping[str, Any], ...]
    answers: np.ndarray

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models, in order."""
        return tuple(dict.fromkeys(guide["model"] for guide in self.guides))


def read(directory: pathlib.Path) -> Guides:
    """Reads what `Writing.write` wrote.

    Raises:
        UserError: if a file is missing or is not one of these, or an answer is not finite.
    """
    read_guides, candidates, answers = _read(directory, (_GUIDES, _CANDIDATES), _ANSWERS)
    return Guides(read_guides, candidates, answers)


def read_asked(directory: pathlib.Path) -> Guides | None:
    """Reads what `Writing.write_asked` wrote; None where there is nothing.

    Raises:
        UserError: if a file is missing or is not one of these, or an answer is not finite.
    """
    if not (directory / _GOALS).exists():
        return None
    asked, answers = _read(directory, (_GOALS,), _GOAL_ANSWERS)
    return Guides(asked, (), answers)


def _read(directory: pathlib.Path, names: Sequence[str], answers_name: str) -> tuple[Any, ...]:
    """The lines of each file of guides or candidates, and last the answers."""
    try:
        entries = [
            tuple(json.loads(line) for line in (directory / name).read_text(encoding="utf-8").splitlines())
            for name in names
        ]
        answers = safetensors.numpy.load_file(directory / answers_name)["answers"]
        for of, lines in zip(names, entries, strict=True):
            _check(lines, candidates=of == _CANDIDATES, num_answers=len(answers))
    except (OSError, KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        raise errors.UserError(f"{directory} holds no guides ({' '.join(str(error).split())}); infer again") from error
    if not np.isfinite(answers).all():
        raise errors.UserError(f"{directory / answers_name} has answers that are not finite; train and infer again")
    return *entries, answers


def _check(entries: Sequence[Any], *, candidates: bool, num_answers: int) -> None:
    """Raises KeyError, TypeError or ValueError if a line is not an entry, or names an answer that is not there."""
    if candidates:
        for candidate in entries:
            _check_entry(candidate, _CANDIDATE_KEYS, counts=("plan", "time"))
            if candidate["row"] is not None:
                _check_row(candidate["row"], num_answers)
        return
    for guide in entries:
        _check_entry(guide, _GUIDE_KEYS, counts=() if guide["split"] == ASKED else ("plan",))
        for node in guide["nodes"]:
            _check_entry(node, _NODE_KEYS, counts=("layer", "goal", "known"))
            _check_row(node["row"], num_answers)


def _check_entry(entry: Any, keys: frozenset[str], *, counts: Sequence[str]) -> None:
    if not isinstance(entry, dict) or not keys <= entry.keys():
        raise ValueError(f"an entry has not all of {', '.join(sorted(keys))}")
    for key in counts:
        if type(entry[key]) is not int or entry[key] < 0:
            raise ValueError(f"{key} is {entry[key]!r} and no number from 0 up")


def _check_row(row: Any, num_answers: int) -> None:
    if type(row) is not int or not 0 <= row < num_answers:
        raise ValueError(f"row {row!r} is named, and there are {num_answers} answers")
