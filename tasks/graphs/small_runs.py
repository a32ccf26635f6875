"""Configs and contexts of runs that take seconds, for tests."""

import pathlib
from collections.abc import Sequence
from typing import Any

import ml_collections
from absl import flags

from configs import simple
from humain.training import interruption, metrics, progress
from tasks.harness import context, workdir


def config(
    variant: str = "default", *, sets: Sequence[str] | None = None, **overrides: Any
) -> ml_collections.ConfigDict:
    """A variant of the task's config, made small; its keys are fixed.

    Args:
        variant: of `configs/simple.py`.
        sets: those that are kept; all by default.
        **overrides: for the config of each set.
    """
    small = simple.get_config(variant)
    for name in list(small.sets):
        if sets is not None and name not in sets:
            del small.sets[name]
    # From here on a key that the config does not have is an error.
    small.lock()
    for name in small.sets:
        small.sets[name].update(overrides)
    return small


def task(
    path: pathlib.Path, settings: ml_collections.ConfigDict, *, seed: int = 0, **values: str
) -> context.TaskContext:
    """The context of a run, without progress and signals.

    Args:
        path: work directory.
        settings: the config.
        seed: of the run.
        **values: of the flags `graph`, `start` and `goal`.
    """
    defined = flags.FlagValues()
    for name in ("graph", "start", "goal"):
        flags.DEFINE_string(name, values.get(name), name, flag_values=defined)
    defined.mark_as_parsed()
    path.mkdir(parents=True, exist_ok=True)
    return context.TaskContext(
        task="simple",
        config=ml_collections.FrozenConfigDict(settings),
        seed=seed,
        workdir=path,
        flags=defined,
        identity=workdir.Identity("simple", settings.to_dict(), seed),
        interruption=interruption.Interruption(),
        metrics=metrics.MetricsWriter(path, tensorboard=False),
        progress=progress.NoProgress(),
    )
