"""`results.json`: what a task found, and all that is needed to read it."""

import importlib.metadata
import pathlib
import platform
from collections.abc import Iterable, Mapping
from typing import Any

import jax

from humain.files import records
from tasks.harness import devices, secrets

FILE_NAME = "results.json"
_PACKAGES = (
    "chex",
    "flax",
    "gymnasium",
    "jax",
    "jaxlib",
    "ml_collections",
    "numpy",
    "optax",
    "orbax-checkpoint",
    "torch",
    "transformers",
)


def write(
    workdir: pathlib.Path,
    *,
    task: str,
    config: Mapping[str, Any],
    seed: int,
    wall_seconds: float,
    steps: int,
    results: Mapping[str, Any],
    secret_names: Iterable[str] = (),
) -> dict[str, Any]:
    """Writes `results.json` in one step, with sorted keys; NaN and infinities become null.

    Args:
        workdir: where it goes.
        task: the task's name.
        config: the whole config.
        seed: the root of all randomness.
        wall_seconds: time at work, over all interruptions.
        steps: updates of all learners together.
        results: what the task's own page documents.
        secret_names: variables of the environment whose values it may not hold, beside those that are called so.

    Returns:
        What was written.

    Raises:
        UserError: when something in it looks like a secret.
    """
    record = {
        "task": task,
        "config": records.to_json(config),
        "seed": seed,
        "versions": versions(),
        "device": devices.describe(),
        "matmul_precision": jax.config.values["jax_default_matmul_precision"] or "default",
        "wall_seconds": round(wall_seconds, 3),
        "steps": steps,
        "results": records.to_json(results),
    }
    secrets.refuse(record, where="results.json", names=secret_names)
    records.write_json(workdir / FILE_NAME, record)
    return record


def read(workdir: pathlib.Path) -> dict[str, Any] | None:
    """Returns the record of a finished run, or None where there is none."""
    try:
        record = records.read_json(workdir / FILE_NAME)
    except (FileNotFoundError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages at work here, those that are installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
