"""The machine: the cores that a run may use, the threads of the frameworks, and the processor's name."""

import os
import pathlib
import platform

from humain import errors, host

_XLA_THREAD = "tf_XLAEigen"
"""The name of the threads that XLA computes with on the CPU."""


def use_cores(count: int) -> None:
    """Confines the process to a number of its cores; call it before any framework starts its threads.

    When JAX first computes, XLA starts one thread per core that the process may use (unless NPROC is set in the
    environment), and PyTorch is set to the same number; so this makes both equal. On Windows and macOS, which can't
    confine a process, only all cores are possible.

    Args:
        count: the number of cores; 0 for all.

    Raises:
        UserError: if there are fewer cores, or the system can't confine the process to fewer.
    """
    cores = host.num_cores()
    if count > cores:
        raise errors.UserError(f"threads is {count}, but there are {cores} cores to use; lower it, or use 0 for all")
    if count in (0, cores):
        return
    if not hasattr(os, "sched_setaffinity"):
        raise errors.UserError(
            f"threads is {count}, but this system can't confine a process to {count} of its {cores} cores; "
            "pass --config.threads=0, which takes them all"
        )
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def xla_threads(root: pathlib.Path = pathlib.Path("/proc/self/task")) -> int | None:
    """Returns the number of threads that XLA has started on the CPU; None if the system does not show it."""
    try:
        names = [(task / "comm").read_text().strip() for task in root.iterdir()]
    except OSError:
        return None
    return names.count(_XLA_THREAD) or None


def processor(path: pathlib.Path = pathlib.Path("/proc/cpuinfo")) -> str:
    """Returns the processor's name."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "model name" and value.strip():
            return value.strip()
    return platform.processor() or platform.machine()
