"""Runs the toy task in its own process, for tests that interrupt or end it."""

import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence


def start(
    workspace: pathlib.Path, words: Sequence[str], *, before: str = "", environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Starts the toy task; stdout and stderr are pipes.

    Args:
        workspace: its current directory, which has the toy's config.
        words: its command-line arguments.
        before: statements that it runs first; os, pathlib, signal and sys are imported.
        environment: variables in addition to those of this process.
    """
    program = "import os, pathlib, signal, sys\n" + before + "\nfrom tasks.harness import toy_task\ntoy_task.main()\n"
    return subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "BUILD_WORKSPACE_DIRECTORY": str(workspace),
            "BUILD_WORKING_DIRECTORY": str(workspace),
            "JAX_PLATFORMS": "cpu",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PYTHONWARNINGS": "error",
            **(environment or {}),
        },
    )
