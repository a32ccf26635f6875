"""The toy task in a process of its own, for tests that interrupt or end it."""

import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence


def start(
    workspace: pathlib.Path, words: Sequence[str], *, before: str = "", environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Starts it; stdout and stderr are pipes.

    Args:
        workspace: where it stands; has the toy's config.
        words: its command line.
        before: statements that run there first; os, pathlib, signal and sys are imported.
        environment: more variables than those of this process.
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
