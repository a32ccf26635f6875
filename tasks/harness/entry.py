"""The entry point of every task binary.

    def run(context: TaskContext) -> Mapping[str, Any]: ...

    if __name__ == "__main__":
        entry.main(entry.Task(name="simple", run=run, show=show))

Exit codes: 0 done, 1 failed (with one line that says why, or a traceback for an unexpected error), 2 wrong usage, 130
and 143 interrupted after saving.
"""

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

import jax
import ml_collections
import numpy as np
from absl import flags as absl_flags

from humain import errors
from humain.files import records
from humain.training import ahead as ahead_lib
from humain.training import compilation_cache, metrics, progress
from humain.training import interruption as interruption_lib
from humain.training.processes import Processes
from tasks.harness import (
    clock,
    context,
    debugging,
    devices,
    flags,
    paths,
    processes,
    results,
    secrets,
    secrets_file,
    workdir,
)

Run: TypeAlias = Callable[[context.TaskContext], Mapping[str, Any]]
Show: TypeAlias = Callable[[Mapping[str, Any]], None]
Ask: TypeAlias = Callable[[context.TaskContext], None]


@dataclasses.dataclass(frozen=True)
class Task:
    """The definition of a task, for `main`.

    Attributes:
        name: the task's name.
        run: does the task's work and returns the value of `results` in results.json.
        show: prints a results.json record; called at the end, and when a finished run is started again.
        define_flags: defines the task's own flags, with `flag_values=` the argument it is given.
        input_flags: the task's own flags that name a file or directory, whose content is part of the run's identity.
        question_flags: the task's own flags that query a trained run; they are not part of the run's identity, so that
            a finished run can be queried repeatedly.
        check: called before anything else is done; raises an error if a flag or the config is invalid.
        answer: called last, also if the run was finished already.
        description: the first part of `--help`.
        family: the name of a family of tasks that work one after the other in one work directory, each in a folder with
            its name; the results and the report of the last one that ran lie beside the folders.
        upstream: maps files in the family's work directory that the task reads to the tasks that make them; their
            content is part of the run's identity.
        own_devices: the choices of `--device`, the default first, for a task that chooses its devices itself; if empty,
            the harness chooses among `devices.CHOICES`. Only if the task chooses is the device part of the run's
            identity.
    """

    name: str
    run: Run
    show: Show | None = None
    define_flags: Callable[[absl_flags.FlagValues], None] | None = None
    input_flags: Sequence[str] = ()
    question_flags: Sequence[str] = ()
    check: Ask | None = None
    answer: Ask | None = None
    description: str = ""
    family: str = ""
    upstream: Mapping[str, str] = dataclasses.field(default_factory=dict)
    own_devices: Sequence[str] = ()


def main(task: Task, arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a task and ends the process.

    Args:
        task: what to run.
        arguments: the command line; by default that of the process.
    """
    words = sys.argv[1:] if arguments is None else arguments
    abandoned = False
    try:
        code = _run(task, words)
    except errors.UsageError as error:
        print(f"{task.name}: {error}", file=sys.stderr)
        code = 2
    except errors.UserError as error:
        print(f"{task.name}: {error}", file=sys.stderr)
        code = 1
    except interruption_lib.Interrupted as error:
        print(f"{task.name}: interrupted; all is saved, the same command goes on from there", file=sys.stderr)
        code = error.exit_code
        abandoned = error.abandoned is not None and error.abandoned.is_alive()
    except Exception:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Exit without tearing the interpreter down: a thread that is still in the compiler could crash in that, and with
    # several processes it would wait for others that have to see that this one is gone.
    if abandoned or jax.distributed.is_initialized():
        os._exit(code)
    sys.exit(code)


def _run(task: Task, words: Sequence[str]) -> int:
    arguments = flags.parse(
        words,
        task=task.name,
        description=task.description,
        define_flags=task.define_flags,
        family=task.family,
        devices=task.own_devices or devices.CHOICES,
    )
    if arguments.help is not None:
        print(arguments.help)
        return 0
    # Whatever does not compute comes first: it must work without devices and without the work directory.
    debugging.wait(task.name)
    if arguments.clear:
        if arguments.group is not None:
            raise errors.UsageError("--clear is done by a single process; leave out --coordinator")
        print(workdir.clear(arguments.workdir, task.name))
        return 0
    secret_names = secrets_file.load()
    identity = _identity(arguments, task, secret_names)
    if not task.own_devices:
        devices.request(arguments.device)
    with (
        processes.joined(arguments.group, task=task.name, workdir=arguments.workdir) as together,
        # Set up, outermost first: the processes join before any device starts, and the work directory is locked before
        # anything is written. Programs compiled for several processes are of no use to others.
        compilation_cache.used(arguments.compilation_cache if together.count == 1 else None, task.name),
        _devices(task, arguments),
        _workplace(arguments, identity, together) as path,
        _interruption(together) as interruption,
        contextlib.closing(metrics.MetricsWriter(path)) as writer,
        contextlib.closing(ahead_lib.Ahead()) as ahead,
    ):
        task_context = context.TaskContext(
            task=task.name,
            config=ml_collections.FrozenConfigDict(arguments.config),
            seed=arguments.seed,
            workdir=path,
            flags=arguments.flags,
            identity=identity,
            interruption=interruption,
            metrics=writer,
            progress=progress.make_progress() if together.leads else progress.NoProgress(),
            ahead=ahead,
            processes=together,
            run_directory=arguments.workdir,
            secret_names=secret_names,
        )
        # Check, then run, unless an earlier process finished the run: results.json is written last.
        if task.check is not None:
            task.check(task_context)
        record = results.read(arguments.workdir)
        if record is not None:
            if not together.leads:
                records.write_json(path / results.FILE_NAME, record)
            print(f"{task.name}: finished already, results are in {path} (--clear deletes them)", flush=True)
        else:
            with clock.WallClock(path) as wall:
                found = task.run(task_context)
                results.write(
                    path,
                    task=task.name,
                    config=arguments.config,
                    seed=arguments.seed,
                    wall_seconds=wall.seconds,
                    steps=task_context.steps,
                    results=found,
                    secret_names=secret_names,
                )
            record = results.read(path) or {}
            if task.family:
                _lay_beside(path)
            print(f"{task.name}: done, results are in {path}", flush=True)
        # Show. A finished run shows the same as one that has just ended.
        if task.show is not None:
            task.show(record)
        if task.answer is not None:
            task.answer(task_context)
    return 0


@contextlib.contextmanager
def _devices(task: Task, arguments: flags.Arguments) -> Iterator[None]:
    """Starts the run's devices, which must be after its processes have joined, and sets their precision."""
    if not task.own_devices:
        devices.start(arguments.device, task.name)
    with devices.matmul_precision(arguments.matmul_precision):
        yield


@contextlib.contextmanager
def _workplace(arguments: flags.Arguments, identity: workdir.Identity, together: Processes) -> Iterator[pathlib.Path]:
    """Yields where a process writes: the work directory for the first; a temporary one for silent others."""
    with contextlib.ExitStack() as stack:
        if together.leads:
            path = stack.enter_context(workdir.opened(arguments.workdir, identity))
        else:
            path = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory())) / identity.task
            path.mkdir()
            stack.enter_context(contextlib.redirect_stdout(stack.enter_context(open(os.devnull, "w"))))
        command = records.dump_sorted([identity, arguments.config]).encode()
        together.check_equal(np.frombuffer(command, np.uint8), "configs, seeds, flags or inputs")
        yield path


def _interruption(together: Processes) -> interruption_lib.Interruption:
    if together.count == 1:
        return interruption_lib.Interruption()
    return interruption_lib.Interruption(grace_seconds=processes.GRACE_SECONDS, processes=together)


def _identity(arguments: flags.Arguments, task: Task, secret_names: Sequence[str]) -> workdir.Identity:
    config = records.to_json(arguments.config)
    assert isinstance(config, dict)
    secrets.refuse(config, where="config", names=secret_names)
    # The number of devices is not part of a run's identity: its checkpoints can be restored on any number.
    config.pop("mesh", None)
    inputs = {}
    for name in task.input_flags:
        value = arguments.flags[name].value
        if value is None:
            continue
        try:
            inputs[name] = _digest(paths.resolve(value))
        except OSError as error:
            raise errors.UserError(f"--{name}={value} can't be read: {error.strerror}") from error
    for place, maker in task.upstream.items():
        try:
            inputs[place] = _digest(arguments.workdir.parent / place)
        except OSError as error:
            raise errors.UserError(
                f"{arguments.workdir.parent / place} can't be read ({error.strerror}); "
                f"run //tasks:{maker} with the same --workdir first"
            ) from error
    # Only flags that decide the outcome count: not those with an input digest, nor queries, nor a default precision,
    # which must not make old runs look different.
    own = {
        name: records.to_json(arguments.flags[name].value)
        for name in arguments.own_flags
        if name not in inputs and name not in task.question_flags
    }
    if task.own_devices:
        own["device"] = arguments.device
    if arguments.matmul_precision != devices.PRECISIONS[0]:
        own["matmul_precision"] = arguments.matmul_precision
    return workdir.Identity(task.name, config, arguments.seed, own, inputs)


def _lay_beside(path: pathlib.Path) -> None:
    """Copies a task's results and report to its family's work directory, results last."""
    for name in ("report.html", results.FILE_NAME):
        if (path / name).exists():
            records.write_text(path.parent / name, (path / name).read_text(encoding="utf-8"))


def _digest(path: pathlib.Path) -> str:
    """Returns the SHA-256 of a file, or of all files in a directory with their names."""
    if not path.is_dir():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    for part in sorted(path.rglob("*")):
        if part.is_file():
            digest.update(f"{part.relative_to(path).as_posix()} ".encode())
            digest.update(hashlib.sha256(part.read_bytes()).digest())
    return digest.hexdigest()
