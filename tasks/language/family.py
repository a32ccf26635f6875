"""What the four language tasks share: one work directory, and where each finds what another has made."""

import pathlib
import re
from typing import Any

import ml_collections

from humain import errors
from humain.files import records
from tasks.harness import results, workdir
from tasks.harness.context import TaskContext

NAME = "lm"
PREPARE, TRAIN, INFER, INTERPRET = "lm_data_prepare", "lm_guide_train", "lm_guide_inference", "lm_data_interpret"
MANIFEST = f"{PREPARE}/data/manifest.json"
"""Holds the sums of the whole data set."""
LOOKUP, LINEAR_LOOKUP, NEAREST_PLAN, RETRIEVER = "lookup", "linear_lookup", "nearest_plan", "retriever"
BASELINES = (LOOKUP, LINEAR_LOOKUP, NEAREST_PLAN, RETRIEVER)
"""Baselines that are no networks; no model may have their names."""
MODELS = f"{TRAIN}/models"
TRAINED = f"{TRAIN}/{results.FILE_NAME}"
ALL_GUIDES = tuple(f"{INFER}/{name}" for name in ("guides.jsonl", "candidates.jsonl", "guides.safetensors"))


def data(task: TaskContext) -> pathlib.Path:
    """The directory of the data set."""
    return task.shared.parent / PREPARE / "data"


def models(task: TaskContext) -> pathlib.Path:
    """The directory of the trained models."""
    return task.workdir.parent / MODELS


def ledger(task: TaskContext, name: str) -> pathlib.Path:
    """Where texts that were paid for are kept: beside the tasks' own folders, so that no --clear deletes them.

    One file serves all configs and seeds, since a text's key holds all that decides it.
    """
    return task.workdir.parent / f"{name}.jsonl"


def candidates_key(num_candidates: int) -> str:
    """What the results call picking the right sentence from among so many."""
    return f"candidates{num_candidates}"


def check_split(name: str) -> None:
    """Refuses a split that the results could not tell from what else is in them.

    Raises:
        UserError: naming it.
    """
    if re.fullmatch(r"model|baselines|asked|stored_paths|candidates\d+", name):
        raise errors.UserError(
            f"a split can't be called {name!r}, as the results have that for something else; rename it"
        )


def config_of(task: TaskContext, maker: str) -> Any:
    """The config that another task of the family ran with.

    Raises:
        UserError: if it has not finished.
    """
    path = task.workdir.parent / maker / results.FILE_NAME
    try:
        record: Any = records.read_json(path)
        return ml_collections.FrozenConfigDict(record["config"])
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise errors.UserError(f"{path} can't be read; run //tasks:{maker} with the same --workdir first") from error


def check_made_from(task: TaskContext, maker: str, place: str) -> None:
    """Refuses what another task of the family has made from other files than there are now.

    Args:
        task: one that has `place` upstream.
        maker: the other task, which had it upstream too.
        place: a path in the family's work directory, such as `MANIFEST`.

    Raises:
        UserError: if the other task worked from another `place`, or does not say from which.
    """
    path = task.workdir.parent / maker / workdir.MARKER
    try:
        marker: Any = records.read_json(path)
        made_from = marker["inputs"][place]
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise errors.UserError(f"{path} can't be read; run //tasks:{maker} with the same --workdir first") from error
    if made_from != task.identity.inputs[place]:
        raise errors.UserError(
            f"{maker} worked from another {place}; run //tasks:{maker} --clear, then it and this again (this too with "
            "--clear first)"
        )
