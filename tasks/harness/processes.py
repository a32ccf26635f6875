"""A run in several processes: joining them by JAX's coordination service, and exiting when one of them is lost."""

import contextlib
import ctypes
import dataclasses
import os
import pathlib
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import jax
from absl import flags

from humain import errors
from humain.training import checkpoint, interruption
from humain.training.processes import Processes

FLAGS = ("coordinator", "num_processes", "process_id")
HEARTBEAT_SECONDS = 20
"""A process without a heartbeat for this long counts as lost."""
GRACE_SECONDS = 60.0
"""The time from a signal to the point at which all processes can stop."""
_JOIN_SECONDS = 300
_LEAVE_SECONDS = 3600
"""How long the other processes wait while the first one writes the results."""
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_SHOWN_CHARACTERS = 200
"""How much of an error about a lost process is shown, since a stack trace may follow."""
_BROKEN = re.compile(r"gloo|nccl|coordination.?service|\bbarrier\b", re.IGNORECASE)
"""Parts of the messages of computations that can't reach another process; their error classes differ."""
_Handler = ctypes.CFUNCTYPE(None, ctypes.c_int)


@dataclasses.dataclass(frozen=True)
class Group:
    """The processes of a run, as given on the command line.

    Attributes:
        coordinator: `HOST:PORT` on which the first process listens.
        processes: the number of processes, and the index of this one.
    """

    coordinator: str
    processes: Processes


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of a run in several processes."""
    flags.DEFINE_string(
        "coordinator", None, "HOST:PORT of process 0, to train with several processes.", flag_values=values
    )
    flags.DEFINE_integer(
        "num_processes", None, "Number of processes, with --coordinator.", lower_bound=1, flag_values=values
    )
    flags.DEFINE_integer(
        "process_id", None, "Index of this process, from 0, with --coordinator.", lower_bound=0, flag_values=values
    )


def read(values: flags.FlagValues, config: Any) -> Group | None:
    """Returns the processes that the flags name, or None for only this process.

    Args:
        values: the parsed flags.
        config: the task's config, which has a group `mesh` if the task trains.

    Raises:
        UsageError: if the flags are invalid or inconsistent.
    """
    missing = [name for name in FLAGS if values[name].value is None]
    if len(missing) == len(FLAGS):
        return None
    if missing:
        raise errors.UsageError(
            f"--coordinator, --num_processes and --process_id go together; --{missing[0]} is missing"
        )
    host, _, port = values.coordinator.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise errors.UsageError(f"--coordinator={values.coordinator}: expected HOST:PORT, such as 10.0.0.1:1234")
    if values.process_id >= values.num_processes:
        raise errors.UsageError(
            f"--process_id={values.process_id}: {values.num_processes} processes have ids 0 to "
            f"{values.num_processes - 1}"
        )
    if "mesh" not in config:
        raise errors.UsageError("this task does not train, so it needs only one process; leave out --coordinator")
    return Group(values.coordinator, Processes(values.process_id, values.num_processes))


@contextlib.contextmanager
def joined(group: Group | None, *, task: str, workdir: pathlib.Path) -> Iterator[Processes]:
    """Joins the processes of a run, before anything is computed; at the end all of them exit together.

    When another process is lost, this one exits with code 1 and a line that says what is saved. If this process ends
    with an error, it is the one that the others lose.

    Args:
        group: the processes to join; None for only this process.
        task: the task's name, for that line.
        workdir: the run's work directory, which has the checkpoints.

    Yields:
        The processes of the run.

    Raises:
        UserError: if the first process can't listen on its port.
    """
    if group is None or group.processes.count == 1:
        yield Processes()
        return
    processes = group.processes
    host = group.coordinator.rpartition(":")[0]
    if processes.leads:
        _check_port(group.coordinator)
    # When the service reports a lost process, JAX's client calls abort() in a thread of its own; the Python callback
    # that it offers instead does not work in this version of JAX.
    leave = _on_abort(
        lambda: (
            f"{task}: after {_JOIN_SECONDS} s not all {processes.count} processes have joined at "
            f"{group.coordinator}; start each with the same command and its own --process_id"
        )
    )
    # JAX's own handler of SIGTERM would replace ours.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        with _plain_interrupts():
            if processes.leads:
                others = "1 other process" if processes.count == 2 else f"{processes.count - 1} other processes"
                print(f"{task}: waiting for {others} at {group.coordinator}", file=sys.stderr, flush=True)
            jax.distributed.initialize(
                group.coordinator,
                processes.count,
                processes.index,
                cluster_detection_method="deactivate",
                initialization_timeout=_JOIN_SECONDS,
                heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
                shutdown_timeout_seconds=_LEAVE_SECONDS,
                # By default the service would listen on all networks.
                coordinator_bind_address=group.coordinator if host in _LOOPBACK else None,
            )
    except jax.errors.JaxRuntimeError as error:
        reason = " ".join(str(error).split())
        raise errors.UserError(f"--coordinator={group.coordinator}: {reason}; is another port free?") from error
    # abort() may have any caller and any reason, so the line names both possibilities.
    leave.say = lambda: (
        f"{task}: this process or another one was lost, and the output of each may say why; {saved(workdir)}"
    )
    try:
        yield processes
    except interruption.Interrupted:
        jax.distributed.shutdown()
        raise
    except Exception as error:
        # The computation may notice before the coordination service does.
        told = unreachable(error)
        if told is not None:
            leave.say = lambda: (
                f"{told}\n{task}: another process was lost, and its output may say why; {saved(workdir)}"
            )
            leave(0)
        raise
    jax.distributed.shutdown()


def unreachable(error: Exception) -> str | None:
    """Returns an error's message, cut to one line, if it means that another process can't be reached; else None.

    A UserError counts only if such an error of a computation is its cause.

    Args:
        error: the error that ended the run.
    """
    cause = error.__cause__ if isinstance(error, errors.UserError) else error
    if cause is None or isinstance(cause, OSError):
        return None
    if cause is not error and not isinstance(cause, RuntimeError):
        return None
    text = " ".join(str(cause).split())
    return text[:_SHOWN_CHARACTERS] if _BROKEN.search(text) else None


def saved(workdir: pathlib.Path) -> str:
    """Describes, for the user, what a run can continue from."""
    newest: tuple[float, str] = (0.0, "nothing was saved yet")
    for directory in sorted((workdir / "checkpoints").glob("*")):
        step = checkpoint.Checkpointer(directory, fingerprint="").latest_step()
        if step is not None:
            when = max(entry.stat().st_mtime for entry in directory.iterdir())
            newest = max(newest, (when, f"step {step} of {directory.name} is saved"))
    return f"{newest[1]}, and the same command goes on from there, on any number of devices and processes"


def _check_port(coordinator: str) -> None:
    """Checks that a port can be listened on; with one that can't, JAX's service would cause a segmentation fault."""
    host, _, port = coordinator.rpartition(":")
    name = host.strip("[]") if host in _LOOPBACK else ""
    try:
        with socket.socket(socket.AF_INET6 if ":" in name else socket.AF_INET) as probe:
            # Like the service, so that a port that was closed a moment ago counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((name, int(port)))
    except OSError as error:
        raise errors.UserError(
            f"--coordinator={coordinator} can't be listened on ({error.strerror}); is another port free?"
        ) from error


@contextlib.contextmanager
def _plain_interrupts() -> Iterator[None]:
    """Makes Ctrl-C end the process at once: Python's own handler would wait for the end of a call into C++."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@dataclasses.dataclass
class _Leave:
    """Ends the process instead of abort().

    Attributes:
        say: returns the last line to print.
        handler: the C callback, referenced here so that it lives as long as the process.
        once: the lock of the thread that ends the process.
    """

    say: Callable[[], str]
    handler: Any = None
    once: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def __call__(self, number: int) -> NoReturn:
        # Only one thread prints: a second one waits here until the process ends.
        self.once.acquire()
        line = "lost another process"
        with contextlib.suppress(Exception):
            line = self.say()
        # Directly to the descriptor: the main thread may hold the lock of sys.stderr.
        with contextlib.suppress(OSError):
            os.write(2, (line + "\n").encode())
        os._exit(1)


def _on_abort(say: Callable[[], str]) -> _Leave:
    """Makes abort(), in any thread, end the process with exit code 1 and a last line."""
    leave = _Leave(say)
    leave.handler = _Handler(leave)
    # By the C library: Python's signal handlers run only in the main thread, which is waiting for the lost process.
    libc = ctypes.CDLL(None)
    libc.signal.argtypes = (ctypes.c_int, _Handler)
    libc.signal.restype = ctypes.c_void_p
    libc.signal(signal.SIGABRT, leave.handler)
    return leave
