"""A process that has imported what all tests need, and runs each test module in a copy of itself.

    python -m tools.mutation.worker

To start Python, JAX and pytest takes longer than most tests. Here they are started once; a fork takes milliseconds. JAX
starts its threads with its first device, which is why nothing here may compute. Reads one request a line from standard
input and answers each with a line, JSON both:

    {"test": "humain/layer_test.py", "cpu_seconds": 20, "wall_seconds": 200, "imports": ["jax"], "log": "/tmp/log",
     "programs": "/tmp/programs", "plugins": ["humain.testing.settings"], "optimized": false}  (all on one line)
    {"status": 1, "seconds": 2.5, "failed": "humain/layer_test.py::test_a_layer"}

A request's `test` is a module or one of its tests, `programs` a folder of compiled programs that tests share, or
empty, and `optimized` says whether JAX compiles as for users. `status` is pytest's, or null where it ran out of time or
was ended by a signal; `seconds` are a processor's; `failed` is the first test that failed, or null where none did, as
in a module that can't be imported.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pathlib
import resource
import shutil
import signal
import sys
import tempfile
import time
from typing import Any

from tools.mutation import first_failure, shared_programs
from tools.pytest import pytest_main

_PLUGINS = (shared_programs.__name__, first_failure.__name__)
_LITTLE_OPTIMIZED = "--xla_cpu_use_fusion_emitters=false"


def serve() -> None:
    """Answers requests until standard input ends."""
    # What an import prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        for name in request["imports"]:
            with contextlib.suppress(ImportError):  # the tests say what they miss
                importlib.import_module(name)
        answers.write(json.dumps(_run(request)) + "\n")
        answers.flush()


def _run(request: dict[str, Any]) -> dict[str, Any]:
    """Runs a test module in a child, and ends all that it leaves behind."""
    folder = tempfile.mkdtemp(prefix="mutation-")
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        _become_test(request, folder)
    deadline = time.monotonic() + request["wall_seconds"]
    timed_out = False
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            break
        if time.monotonic() > deadline and not timed_out:
            timed_out = True
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    failed = _failure(folder)
    named = failed.read_text() if failed.exists() else None
    shutil.rmtree(folder, ignore_errors=True)
    exited = os.WIFEXITED(status) and not timed_out
    return {
        "status": os.WEXITSTATUS(status) if exited else None,
        "seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "failed": named,
    }


def _become_test(request: dict[str, Any], folder: str) -> None:
    """Goes on as the process of a test; does not return."""
    status = 3  # pytest's number for an error of its own
    try:
        os.setsid()
        limit = int(request["cpu_seconds"]) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        nothing = os.open(os.devnull, os.O_RDONLY)
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number, opened in enumerate((nothing, log, log)):
            os.dup2(opened, number)
        os.environ.update({"TEST_TMPDIR": folder, "HOME": folder, first_failure.VARIABLE: str(_failure(folder))})
        os.environ[shared_programs.VARIABLE] = request["programs"]
        # As `pytest_test` says it; XLA reads its flags when JAX makes its first device.
        os.environ["XLA_FLAGS"] = "" if request["optimized"] else _LITTLE_OPTIMIZED
        if "jax" in sys.modules:
            sys.modules["jax"].config.update("jax_disable_most_optimizations", not request["optimized"])
        importlib.invalidate_caches()
        plugins = [option for name in (*request["plugins"], *_PLUGINS) for option in ("-p", name)]
        status = pytest_main.main([*plugins, "-x", "-q", "--tb=line", request["test"]])
    finally:
        # Without what an interpreter does at its end, which is the parent's.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _failure(folder: str) -> pathlib.Path:
    return pathlib.Path(folder) / "first_failure"


if __name__ == "__main__":
    serve()
