"""A run in several processes: joining them by JAX's coordination service, and leaving when one of them is lost."""

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
"""A process that was not heard of for so long counts as lost."""
GRACE_SECONDS = 60.0
"""Time from a signal on to come to a point where all processes can stop."""
_JOIN_SECONDS = 300
_LEAVE_SECONDS = 3600
"""While the first process writes what was found, the others wait for it."""
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_SHOWN_CHARACTERS = 200
"""Of an error that another process was lost by, which may go on with a stack trace."""
_BROKEN = re.compile(r"gloo|nccl|coordination.?service|\bbarrier\b", re.IGNORECASE)
"""What errors of computations say, all of them by other names, when they can't reach another process."""
_Handler = ctypes.CFUNCTYPE(None, ctypes.c_int)


@dataclasses.dataclass(frozen=True)
class Group:
    """The processes that a command line names.

    Attributes:
        coordinator: `HOST:PORT` at which the first process listens.
        processes: this process among them.
    """

    coordinator: str
    processes: Processes


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags by which several processes make one run."""
    flags.DEFINE_string(
        "coordinator", None, "HOST:PORT of process 0, to train with several processes.", flag_values=values
    )
    flags.DEFINE_integer(
        "num_processes", None, "With --coordinator: how many processes there are.", lower_bound=1, flag_values=values
    )
    flags.DEFINE_integer(
        "process_id", None, "With --coordinator: which of them this is, from 0.", lower_bound=0, flag_values=values
    )


def read(values: flags.FlagValues, config: Any) -> Group | None:
    """The processes that the flags name, or None where this one is alone.

    Args:
        values: the parsed flags.
        config: of the task; one that trains has a group `mesh`.

    Raises:
        UsageError: when the flags make no sense.
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
        raise errors.UsageError("this task does not train, so one process does it: leave out --coordinator")
    return Group(values.coordinator, Processes(values.process_id, values.num_processes))


@contextlib.contextmanager
def joined(group: Group | None, *, task: str, workdir: pathlib.Path) -> Iterator[Processes]:
    """Makes this process one of a run's, before anything is computed; at the end all of them leave together.

    When another one is lost, this process ends with exit code 1 and a line that says what is saved. Where the end is an
    error, this process is the one that the others lose.

    Args:
        group: what to join; None for this process alone.
        task: the task's name, for that line.
        workdir: the run's work directory, where the checkpoints are.

    Yields:
        The processes of the run.

    Raises:
        UserError: when the first process can't listen.
    """
    if group is None or group.processes.count == 1:
        yield Processes()
        return
    processes = group.processes
    host = group.coordinator.rpartition(":")[0]
    if processes.leads:
        _check_port(group.coordinator)
    # JAX's client ends the process by abort() in a thread of its own when the service tells it that another is lost; no
    # function of Python that it could call instead works in this version of JAX.
    leave = _on_abort(
        lambda: (
            f"{task}: after {_JOIN_SECONDS} s there are not yet all {processes.count} processes at "
            f"{group.coordinator}; start each with the same command and its own --process_id"
        )
    )
    # JAX's own handling of SIGTERM would take the signal from ours.
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
    # Who calls abort(), and for what, can't be told.
    leave.say = lambda: (
        f"{task}: this process or another one was lost, and the output of each may say why; {saved(workdir)}"
    )
    try:
        yield processes
    except interruption.Interrupted:
        jax.distributed.shutdown()
        raise
    except Exception as error:
        # The computation may know before the coordination service does.
        told = unreachable(error)
        if told is not None:
            leave.say = lambda: (
                f"{told}\n{task}: another process was lost, and its output may say why; {saved(workdir)}"
            )
            leave(0)
        raise
    jax.distributed.shutdown()


def unreachable(error: Exception) -> str | None:
    """What an error says, shortened to one line, if it is that another process can't be reached; None for any other.

    What the user can solve is such an error only where a computation's is the cause.

    Args:
        error: that ended the run.
    """
    cause = error.__cause__ if isinstance(error, errors.UserError) else error
    if cause is None or isinstance(cause, OSError):
        return None
    if cause is not error and not isinstance(cause, RuntimeError):
        return None
    text = " ".join(str(cause).split())
    return text[:_SHOWN_CHARACTERS] if _BROKEN.search(text) else None


def saved(workdir: pathlib.Path) -> str:
    """What a run can go on from, for the user."""
    newest: tuple[float, str] = (0.0, "nothing was saved yet")
    for directory in sorted((workdir / "checkpoints").glob("*")):
        step = checkpoint.Checkpointer(directory, fingerprint="").latest_step()
        if step is not None:
            when = max(entry.stat().st_mtime for entry in directory.iterdir())
            newest = max(newest, (when, f"step {step} of {directory.name} is saved"))
    return f"{newest[1]}, and the same command goes on from there, on any number of devices and processes"


def _check_port(coordinator: str) -> None:
    """Refuses a port that can't be listened on; JAX's service would end the process by a segmentation fault."""
    host, _, port = coordinator.rpartition(":")
    name = host.strip("[]") if host in _LOOPBACK else ""
    try:
        with socket.socket(socket.AF_INET6 if ":" in name else socket.AF_INET) as probe:
            # As the service does, so that a port which was closed a moment ago is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((name, int(port)))
    except OSError as error:
        raise errors.UserError(
            f"--coordinator={coordinator} can't be listened on ({error.strerror}); is another port free?"
        ) from error


@contextlib.contextmanager
def _plain_interrupts() -> Iterator[None]:
    """Has Ctrl-C end the process at once: Python's own handler would wait for the end of a call into C++."""
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
    """Ends the process in place of abort().

    Attributes:
        say: makes the last line.
        handler: what C calls; it must live as long as the process.
        once: held by whoever is ending the process.
    """

    say: Callable[[], str]
    handler: Any = None
    once: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def __call__(self, number: int) -> NoReturn:
        # Once is enough: whoever comes second waits here for the end of the process.
        self.once.acquire()
        line = "lost another process"
        with contextlib.suppress(Exception):
            line = self.say()
        # Straight to the descriptor: the main thread may hold the lock of sys.stderr.
        with contextlib.suppress(OSError):
            os.write(2, (line + "\n").encode())
        os._exit(1)


def _on_abort(say: Callable[[], str]) -> _Leave:
    """Has abort(), in whatever thread, end the process with exit code 1 and a last line."""
    leave = _Leave(say)
    leave.handler = _Handler(leave)
    # Python's own signal handlers run in the main thread only, and that one waits for the process that is lost.
    libc = ctypes.CDLL(None)
    libc.signal.argtypes = (ctypes.c_int, _Handler)
    libc.signal.restype = ctypes.c_void_p
    libc.signal(signal.SIGABRT, leave.handler)
    return leave
