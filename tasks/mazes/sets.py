"""Which data sets a run is about, and their data."""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from humain import errors
from humain.types import Trajectories
from tasks.harness.context import TaskContext
from tasks.mazes import dataset, generator, layout
from tasks.mazes.dataset import MazeData

OWN = "dataset"
"""The kind of the user's own data."""


@dataclasses.dataclass(frozen=True)
class DataSet:
    """A maze and what is learned from in it.

    Attributes:
        size: of the maze.
        kind: one of `generator.KINDS`, or `OWN`.
    """

    size: str
    kind: str

    @property
    def name(self) -> str:
        """Such as `giant_stitch`."""
        return f"{self.size}_{self.kind}"


def chosen(task: TaskContext) -> list[DataSet]:
    """The data sets of a run, by its flags and its config.

    Raises:
        UserError: if there is no such size or kind, or none is left.
    """
    sizes = _words(task.flags.size, task.config.size)
    kinds = _words(task.flags.kind, task.config.kind)
    if task.flags.dataset is not None:
        if len(sizes) != 1 or task.flags.size is None:
            raise errors.UsageError("--dataset is of one maze; name its size, as in --size=large")
        if task.flags.kind is not None:
            raise errors.UsageError("--dataset is read as it is, and --kind is for data that is made; leave one out")
        kinds = (OWN,)
    for size in sizes:
        layout.environment_name(size)
    if kinds != (OWN,):
        for kind in kinds:
            for size in sizes:
                generator.rules(size, kind)
    return [DataSet(size, kind) for size in sizes for kind in kinds]


def share(task: TaskContext) -> float:
    """The share of the data that is learned from.

    Raises:
        UserError: if it is not more than 0 and at most 1.
    """
    wanted = task.config.data_share if task.flags.data_share is None else task.flags.data_share
    if not 0 < wanted <= 1:
        raise errors.UserError(f"data_share must be more than 0 and at most 1, not {wanted}")
    return float(wanted)


def read(task: TaskContext, data_set: DataSet) -> MazeData:
    """The data of a set: made if they are not there yet, with noise if the config asks for it."""
    if data_set.kind == OWN:
        path = task.resolve(task.flags.dataset)
        found = dataset.load(path, size=data_set.size)
        kept = max(1, round(share(task) * len(found.trajectories.lengths)))
        found = dataclasses.replace(found, trajectories=_first(found.trajectories, kept))
    else:
        whole = generator.rules(data_set.size, data_set.kind).num_episodes
        path = generator.generate(
            data_set.size,
            data_set.kind,
            task.seed,
            num_episodes=max(1, round(share(task) * whole)),
            directory=pathlib.Path(task.shared) / "data",
            progress=task.progress,
        )
        found = dataset.load(path, size=data_set.size)
    if not task.config.noise:
        return found
    states = np.asarray(found.trajectories.states)
    rng = np.random.default_rng([task.seed, _NOISE])
    noisy: Any = (states + rng.normal(scale=task.config.noise, size=states.shape)).astype(np.float32)
    return dataclasses.replace(found, trajectories=dataclasses.replace(found.trajectories, states=noisy))


_NOISE = 7
"""What the generator of noise is derived with, beside the seed."""


def _words(flag: str | None, config: tuple[str, ...]) -> tuple[str, ...]:
    words = tuple(config) if flag is None else tuple(word.strip() for word in flag.split(",") if word.strip())
    if not words:
        raise errors.UserError("there is no data set; name at least one size and one kind")
    return tuple(dict.fromkeys(words))


def _first(trajectories: Trajectories, count: int) -> Trajectories:
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(trajectories):
        value = getattr(trajectories, field.name)
        fields[field.name] = None if value is None else value[:count]
    return Trajectories(**fields)
