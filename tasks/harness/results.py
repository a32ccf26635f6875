"""`results.json`: a task's results, and what is needed to interpret them."""

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
        workdir: the work directory.
        task: the task's name.
        config: the whole config.
        seed: the seed of all randomness.
        wall_seconds: the run's time, over all interruptions.
        steps: the number of updates of all learners together.
        results: the results, as documented on the task's own page.
        secret_names: environment variables whose values must not be stored, besides those whose names mark them as
            secret.

    Returns:
        The record that was written.

    Raises:
        UserError: if something in it looks like a secret.
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
    """Returns the record of a finished run, or None if the run is not finished."""
    try:
        record = records.read_json(workdir / FILE_NAME)
    except (FileNotFoundError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the relevant packages that are installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
