"""The argument of a task's `run`: config, seed, work directory, and training that survives interruption."""

import dataclasses
import functools
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import ml_collections
from absl import flags as absl_flags

from humain import errors
from humain.files import records
from humain.training import ahead as ahead_lib
from humain.training import checkpoint, interruption, loop, metrics, progress, sharding
from humain.training.processes import Processes
from tasks.harness import paths, secrets
from tasks.harness import workdir as workdir_lib

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]*")


@dataclasses.dataclass
class TaskContext:
    """A run of a task.

    Attributes:
        task: the task's name.
        config: the config with overrides applied, frozen.
        seed: the seed of all randomness.
        workdir: the existing directory that the task writes to. Of several processes only the first one has the run's
            directory; the others have temporary ones.
        flags: all flags, including the task's own.
        identity: everything that determines the run's outcome.
        interruption: tells whether a signal asked to save and stop; `stage` and `train` obey it.
        metrics: writes metrics.jsonl and TensorBoard events.
        progress: shows the progress of training to the user.
        checkpoint_seconds: the time between saves of training.
        steps: the updates done by all learners so far, including those of finished stages.
        executables: compiled chunks; learners with the same `chunk` and equal shapes are compiled once.
        ahead: programs that are compiled in the background; `train` waits for its chunk if it is one of them.
        processes: the processes of the run, each of which does all of its work; by default, only this process.
        run_directory: the run's work directory, the same for all processes; by default `workdir`.
        secret_names: environment variables whose values must not be stored, besides those whose names mark them as
            secret.
    """

    task: str
    config: ml_collections.FrozenConfigDict
    seed: int
    workdir: pathlib.Path
    flags: absl_flags.FlagValues
    identity: workdir_lib.Identity
    interruption: interruption.Interruption
    metrics: metrics.MetricsWriter
    progress: progress.Progress
    checkpoint_seconds: float = 30.0
    steps: int = 0
    executables: loop.Executables = dataclasses.field(default_factory=loop.Executables)
    ahead: ahead_lib.Ahead = dataclasses.field(default_factory=ahead_lib.Ahead)
    processes: Processes = Processes()
    run_directory: pathlib.Path | None = None
    secret_names: Sequence[str] = ()

    @property
    def shared(self) -> pathlib.Path:
        """The run's work directory, to read what any process wrote; beside it are those of the family's other tasks."""
        return self.run_directory or self.workdir

    @functools.cached_property
    def mesh(self) -> jax.sharding.Mesh | None:
        """The mesh of devices to train on, according to the config's `mesh`; None for one device.

        Raises:
            UserError: if there are fewer devices.
        """
        if "mesh" not in self.config:
            return None
        try:
            return sharding.data_mesh(self.config.mesh.data)
        except errors.UserError as error:
            raise errors.UserError(f"--config.mesh.data={self.config.mesh.data}: {error}") from error

    def resolve(self, path: str) -> pathlib.Path:
        """Makes a path from the command line absolute; it is relative to the user's current directory."""
        return paths.resolve(path)

    def checkpointer(self, name: str) -> checkpoint.Checkpointer:
        """Returns the checkpointer of one learner, for `checkpoints/<name>`."""
        return checkpoint.Checkpointer(
            self.shared / "checkpoints" / _checked(name),
            fingerprint=self.identity.fingerprint,
            processes=self.processes,
        )

    def host(self, name: str) -> loop.Host:
        """Returns the `Host` with which `humain.training.loop.train` saves, stops and reports for this run."""
        return loop.Host(
            checkpointer=self.checkpointer(name),
            interruption=self.interruption,
            metrics=self.metrics,
            progress=self.progress,
            checkpoint_seconds=self.checkpoint_seconds,
            executables=self.executables,
            mesh=self.mesh,
            processes=self.processes,
            ahead=self.ahead,
        )

    def check_batches(self, sizes: Mapping[str, int]) -> None:
        """Checks, before anything is trained, that the devices of the mesh can share batches evenly.

        Args:
            sizes: the batch sizes, by their keys in the config.
        """
        sharding.check_batches(sizes, self.mesh)

    def train(
        self, name: str, state: Any, *, chunk: loop.Chunk, data: Any, num_steps: int, chunk_steps: int
    ) -> loop.TrainResult:
        """Trains one learner with checkpoints, metrics and progress; continues where an earlier process stopped.

        Args:
            name: the learner's name in metrics and checkpoints, unique within the task.
            state: the initial state; see `humain.training.loop.train` for this and the other arguments.
            chunk: the chunk of updates, as from `humain.training.loop.make_chunk`; compiled once.
            data: what `chunk` reads.
            num_steps: updates in total, a multiple of `chunk_steps`.
            chunk_steps: updates in one call of `chunk`.

        Returns:
            The final state and where the time went.
        """
        self.interruption.check()
        result = loop.train(
            state,
            chunk,
            data=data,
            num_steps=num_steps,
            chunk_steps=chunk_steps,
            name=_checked(name),
            host=self.host(name),
        )
        self.steps += result.step
        return result

    def stage(self, name: str, function: Callable[[], Any]) -> Any:
        """Runs a part of the task once and stores its result, which a later process reads instead.

        Args:
            name: the stage's name, unique within the task, of letters, digits, `_`, `-` and `.`.
            function: does the work and returns a value that has a JSON form.

        Returns:
            The result as plain JSON types, equal whether it was just computed or read.

        Raises:
            UserError: if the first of several processes finds a stored result that this one can't read.
        """
        place = pathlib.Path("stages") / f"{_checked(name)}.json"
        stored = self._agreed_stage(self.shared / place)
        if stored is None:
            self.interruption.check()
            steps_before = self.steps
            result = records.to_json(function())
            secrets.refuse(result, where=f"stage {name}", names=self.secret_names)
            record = {
                "fingerprint": self.identity.fingerprint,
                "result": result,
                "steps": self.steps - steps_before,
            }
            records.write_json(self.workdir / place, record)
            # Read back, so that the order of keys and the types are the ones that a later process gets.
            stored = self._stored_stage(self.workdir / place)
            assert stored is not None
        else:
            self.steps += stored["steps"]
        return stored["result"]

    def _agreed_stage(self, path: pathlib.Path) -> Mapping[str, Any] | None:
        """Returns a stored result if the first process finds it; others may see another file system state."""
        if self.processes.count == 1:
            return self._stored_stage(path)
        stored = self._stored_stage(path) if self.processes.leads else None
        (have,) = self.processes.agree(stored is not None)
        if have and stored is None:
            stored = self._stored_stage(path)
            if stored is None:
                raise errors.UserError(
                    f"{path} can't be read by process {self.processes.index}; all processes must share one work "
                    "directory"
                )
        return stored

    def _stored_stage(self, path: pathlib.Path) -> Mapping[str, Any] | None:
        try:
            record = records.read_json(path)
        except (FileNotFoundError, ValueError):
            return None
        if not isinstance(record, dict) or record.get("fingerprint") != self.identity.fingerprint:
            return None
        return record


def _checked(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise errors.UserError(f"{name!r} can't name a stage or a learner; use letters, digits, '_', '-' and '.'")
    return name
