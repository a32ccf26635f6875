"""What a task's `run` is given: config, seed, work directory, and training that survives interruption."""

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
        config: the config, overrides applied; frozen.
        seed: the root of all randomness.
        workdir: where all that the task writes goes; exists. Of several processes only the first one's is the run's,
            the others' are thrown away.
        flags: all flags, the task's own among them.
        identity: what makes this run this run.
        interruption: asks to save and stop; `stage` and `train` heed it.
        metrics: writes metrics.jsonl and TensorBoard events.
        progress: what the user sees of training.
        checkpoint_seconds: how often training saves.
        steps: updates done by all learners so far, those of finished stages included.
        executables: compiled chunks; learners with one and the same `chunk` and equal shapes are compiled once.
        ahead: what is compiled in the background; `train` waits for a chunk that is.
        processes: those that make the run together, each of which does all of it; this one alone by default.
        run_directory: the run's work directory, the same for all processes; `workdir` by default.
        secret_names: variables of the environment whose values no stage may hold, beside those that are called so.
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
        """The run's work directory, to read from what any process wrote, and this task's neighbours' beside it."""
        return self.run_directory or self.workdir

    @functools.cached_property
    def mesh(self) -> jax.sharding.Mesh | None:
        """The devices to train on, as the config's `mesh` says; None for one device.

        Raises:
            UserError: if there are not so many.
        """
        if "mesh" not in self.config:
            return None
        try:
            return sharding.data_mesh(self.config.mesh.data)
        except errors.UserError as error:
            raise errors.UserError(f"--config.mesh.data={self.config.mesh.data}: {error}") from error

    def resolve(self, path: str) -> pathlib.Path:
        """Returns a path from the command line as an absolute one, relative to where the user stands."""
        return paths.resolve(path)

    def checkpointer(self, name: str) -> checkpoint.Checkpointer:
        """Returns the checkpoints of one learner, under `checkpoints/<name>`."""
        return checkpoint.Checkpointer(
            self.shared / "checkpoints" / _checked(name),
            fingerprint=self.identity.fingerprint,
            processes=self.processes,
        )

    def host(self, name: str) -> loop.Host:
        """Returns what `humain.training.loop.train` needs to save, stop and report on behalf of this run."""
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
        """Refuses, before anything is trained, batches that the devices of the mesh can't share evenly.

        Args:
            sizes: by key of the config.
        """
        sharding.check_batches(sizes, self.mesh)

    def train(
        self, name: str, state: Any, *, chunk: loop.Chunk, data: Any, num_steps: int, chunk_steps: int
    ) -> loop.TrainResult:
        """Trains one learner with checkpoints, metrics and progress; goes on where an earlier process stopped.

        Args:
            name: names the learner in metrics and checkpoints; unique within the task.
            state: see `humain.training.loop.train`, as for the rest.
            chunk: compiled once; as from `humain.training.loop.make_chunk`.
            data: what `chunk` reads.
            num_steps: updates in all, a multiple of `chunk_steps`.
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
        """Runs a part of the task once: its result is stored, and a later process takes it from there.

        Args:
            name: unique within the task; letters, digits, `_`, `-` and `.`.
            function: does the work and returns something that has a JSON form.

        Returns:
            The result as plain JSON types, the same whether it was just made or stored.

        Raises:
            UserError: where the first of several processes sees a stored result that this one can't read.
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
            # Read back, so that order of keys and types are those that a later process will see.
            stored = self._stored_stage(self.workdir / place)
            assert stored is not None
        else:
            self.steps += stored["steps"]
        return stored["result"]

    def _agreed_stage(self, path: pathlib.Path) -> Mapping[str, Any] | None:
        """What is stored of a stage, if the first process finds it: a file system may show others another state."""
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
