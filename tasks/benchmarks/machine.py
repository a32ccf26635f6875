"""The machine: how many cores the run may use, how many threads the frameworks take, and what it is called."""

import os
import pathlib
import platform

from humain import errors, host

_XLA_THREAD = "tf_XLAEigen"
"""Name of the threads that XLA computes with on the CPU."""


def use_cores(count: int) -> None:
    """Confines the process to so many of its cores, before any framework has started its threads.

    XLA starts as many threads as there are cores that the process may use when JAX first computes (unless NPROC in the
    environment says otherwise), and PyTorch is told the same number; so this is what makes both equal. Where the
    system can't confine a process, as Windows and macOS can't, only all cores will do.

    Args:
        count: cores; 0 for all that there are.

    Raises:
        UserError: if there are not as many, or the system can't confine the process to fewer.
    """
    cores = host.num_cores()
    if count > cores:
        raise errors.UserError(f"threads is {count}, and there are {cores} cores to use; lower it, or 0 takes them all")
    if count in (0, cores):
        return
    if not hasattr(os, "sched_setaffinity"):
        raise errors.UserError(
            f"threads is {count}, and this system can't confine a process to {count} of its {cores} cores; "
            "pass --config.threads=0, which takes them all"
        )
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def xla_threads(root: pathlib.Path = pathlib.Path("/proc/self/task")) -> int | None:
    """Threads that XLA has started to compute with on the CPU; None where that can't be seen."""
    try:
        names = [(task / "comm").read_text().strip() for task in root.iterdir()]
    except OSError:
        return None
    return names.count(_XLA_THREAD) or None


def processor(path: pathlib.Path = pathlib.Path("/proc/cpuinfo")) -> str:
    """The processor's name."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "model name" and value.strip():
            return value.strip()
    return platform.processor() or platform.machine()
