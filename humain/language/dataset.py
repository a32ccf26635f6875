"""The prepared data set: a directory of plans, vocabulary and embeddings, which is checked as a whole when read.

plans.jsonl             {"goal", "steps": [index, ...], "split", "items", "given": [index, ...]} a line
vocabulary.jsonl        {"sentence"} a line, in the order of the indices
embeddings.safetensors  `vocabulary` [V, D] and `goals` [G, D], float32; a row of `goals` for each plan
manifest.json           SHA-256 and size of each of these, what made them, and counts; written last
"""

import collections
import dataclasses
import hashlib
import json
import os
import pathlib
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from humain import errors
from humain.files import records
from humain.language.vocabulary import IndexedPlan

_PLANS = "plans.jsonl"
_VOCABULARY = "vocabulary.jsonl"
_EMBEDDINGS = "embeddings.safetensors"
_MANIFEST = "manifest.json"
_FILES = (_PLANS, _VOCABULARY, _EMBEDDINGS)
_FORMAT = 1
_REMEDY = "prepare the data again"


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Plans, the vocabulary of their sentences, and embeddings.

    Attributes:
        plans: G plans, at least one; their steps are indices into the vocabulary.
        vocabulary: V sentences, at least one.
        vocabulary_embeddings: `[V, D]` float32, finite.
        goal_embeddings: `[G, D]` float32, finite; the embedding of each plan's goal.
        embedder: the name of the embedder.
        writer: the name of the writer of the plans.
    """

    plans: tuple[IndexedPlan, ...]
    vocabulary: tuple[str, ...]
    vocabulary_embeddings: np.ndarray
    goal_embeddings: np.ndarray
    embedder: str
    writer: str

    @property
    def width(self) -> int:
        """D, the length of an embedding."""
        return self.vocabulary_embeddings.shape[1]

    @property
    def num_shared(self) -> int:
        """How many sentences belong to no goal alone; they come before those that are given with a goal."""
        return min((index for plan in self.plans for index in plan.given), default=len(self.vocabulary))


def write(directory: pathlib.Path, dataset: Dataset) -> None:
    """Writes a data set; equal ones give equal bytes.

    All files are written under temporary names and then renamed, the manifest last. So an existing data set stays until
    the new one is complete, and one that a crash left half renamed fails the check of its digests.

    Args:
        directory: the directory to write to; created if it does not exist. Other files in it are left alone.
        dataset: the data set to write.

    Raises:
        ValueError: if parts of the data set don't fit each other, or an embedding is not finite.
        UserError: if it can't be written.
    """
    problem = _problem(dataset)
    if problem is not None:
        raise ValueError(f"this is not a valid data set: {problem}")
    contents = {
        _PLANS: _lines(dataclasses.asdict(plan) for plan in dataset.plans),
        _VOCABULARY: _lines({"sentence": sentence} for sentence in dataset.vocabulary),
        _EMBEDDINGS: safetensors.numpy.save(
            {
                "goals": np.ascontiguousarray(dataset.goal_embeddings),
                "vocabulary": np.ascontiguousarray(dataset.vocabulary_embeddings),
            }
        ),
    }
    manifest = {
        "format": _FORMAT,
        "files": {name: {"bytes": len(content), "sha256": _digest(content)} for name, content in contents.items()},
        "embedder": dataset.embedder,
        "width": dataset.width,
        "writer": dataset.writer,
        "counts": {
            "plans": len(dataset.plans),
            "plans_by_split": collections.Counter(plan.split for plan in dataset.plans),
            "sentences": len(dataset.vocabulary),
            "steps": sum(len(plan.steps) for plan in dataset.plans),
        },
    }
    contents[_MANIFEST] = records.dump_sorted(manifest).encode()
    temporary = {name: directory / f"{name}.tmp" for name in contents}
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            with temporary[name].open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for name in contents:
            temporary[name].replace(directory / name)
    except OSError as error:
        raise errors.UserError(
            f"{directory} can't be written ({error.strerror}); make room, or name another directory"
        ) from error


def read(directory: pathlib.Path) -> Dataset:
    """Reads a data set that `write` wrote, after checking that every file is as it was written.

    Raises:
        UserError: if there is no data set, or a file is missing, truncated, changed or invalid, such as embeddings of
            another width or ones that are not finite; the message names the file.
    """
    manifest = _read_manifest(directory / _MANIFEST)
    contents = {name: _read_checked(directory / name, manifest["files"][name]) for name in _FILES}
    try:
        plans = tuple(
            IndexedPlan(
                entry["goal"],
                tuple(entry["steps"]),
                entry["split"],
                tuple(entry["items"]),
                tuple(entry.get("given", ())),
            )
            for entry in map(json.loads, contents[_PLANS].splitlines())
        )
        vocabulary = tuple(json.loads(line)["sentence"] for line in contents[_VOCABULARY].splitlines())
        tensors = safetensors.numpy.load(contents[_EMBEDDINGS])
        dataset = Dataset(
            plans, vocabulary, tensors["vocabulary"], tensors["goals"], manifest["embedder"], manifest["writer"]
        )
    except (KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        detail = " ".join(str(error).split())
        raise errors.UserError(f"{directory} holds no data set of this kind ({detail}); {_REMEDY}") from error
    problem = _problem(dataset)
    if problem is None and dataset.width != manifest["width"]:
        problem = f"the embeddings have a width of {dataset.width}, and {_MANIFEST} says {manifest['width']}"
    if problem is not None:
        raise errors.UserError(f"{directory} is not a valid data set: {problem}; {_REMEDY}")
    return dataset


def _read_manifest(path: pathlib.Path) -> dict[str, Any]:
    try:
        manifest = records.read_json(path)
    except FileNotFoundError as error:
        raise errors.UserError(
            f"there is no finished data set in {path.parent} (no {path.name}); prepare one first, or name its directory"
        ) from error
    except (OSError, ValueError) as error:
        raise errors.UserError(f"{path} can't be read ({' '.join(str(error).split())}); {_REMEDY}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        found = manifest.get("format") if isinstance(manifest, dict) else manifest
        raise errors.UserError(f"{path} is of the format {found!r}, and this program reads {_FORMAT}; {_REMEDY}")
    files = manifest.get("files")
    if not isinstance(files, dict) or any(not isinstance(files.get(name), dict) for name in _FILES):
        raise errors.UserError(f"{path} does not name the files {', '.join(_FILES)}; {_REMEDY}")
    missing = [key for key in ("embedder", "width", "writer") if key not in manifest]
    if missing:
        raise errors.UserError(f"{path} has no {missing[0]!r}; {_REMEDY}")
    return manifest


def _read_checked(path: pathlib.Path, expected: dict[str, Any]) -> bytes:
    """Reads a file, checking its size and digest against the manifest."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise errors.UserError(f"{path} is missing, and {_MANIFEST} beside it names it; {_REMEDY}") from error
    except OSError as error:
        raise errors.UserError(f"{path} can't be read ({error.strerror}); {_REMEDY}") from error
    size, digest = expected.get("bytes"), _digest(content)
    if isinstance(size, int) and len(content) < size:
        raise errors.UserError(f"{path} is truncated: {len(content)} of {size} bytes; {_REMEDY}")
    if digest != expected.get("sha256"):
        raise errors.UserError(
            f"{path} is not what was prepared: its SHA-256 is {digest}, and {_MANIFEST} has {expected.get('sha256')};"
            f" {_REMEDY}"
        )
    return content


def _problem(dataset: Dataset) -> str | None:
    """Returns what is wrong with the parts of a data set, as the end of a sentence, or None."""
    num_sentences, num_plans = len(dataset.vocabulary), len(dataset.plans)
    if not num_plans:
        return "there is no plan"
    for number, plan in enumerate(dataset.plans):
        if not plan.steps:
            return f"plan {number} has no steps"
        wrong = [
            step for step in (*plan.steps, *plan.given) if not (isinstance(step, int) and 0 <= step < num_sentences)
        ]
        if wrong:
            return f"plan {number} has the step {wrong[0]!r}, but the vocabulary's indices are 0 to {num_sentences - 1}"
    sizes = {"vocabulary": num_sentences, "goals": num_plans}
    arrays = {"vocabulary": dataset.vocabulary_embeddings, "goals": dataset.goal_embeddings}
    for name, array in arrays.items():
        if array.dtype != np.float32 or array.ndim != 2 or len(array) != sizes[name] or not array.shape[1]:
            return (
                f"the embeddings of {name} have shape {list(array.shape)} and type {array.dtype},"
                f" expected [{sizes[name]}, width] float32"
            )
        rows = np.flatnonzero(~np.isfinite(array).all(axis=1))
        if len(rows):
            return f"the embeddings of {name} are not finite in {len(rows)} rows, first in row {rows[0]}"
    if len({array.shape[1] for array in arrays.values()}) > 1:
        widths = " and ".join(f"{array.shape[1]} for {name}" for name, array in arrays.items())
        return f"the embeddings differ in width, {widths}"
    return None


def _lines(entries: Any) -> bytes:
    return "".join(records.dump_line(entry) + "\n" for entry in entries).encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
