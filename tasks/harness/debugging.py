"""Waits for a debugger, where one is to come: VS Code attaches to a program that Bazel has built and started.

An interpreter in runfiles sees nothing but the program's own wheels, so the debugger has to be one of them:
`--config=debug` adds debugpy, and nothing else does.
"""

import os
import sys
from collections.abc import Mapping

from humain import errors

PORT_VARIABLE = "HUMAIN_DEBUG_PORT"


def wait(task: str, environment: Mapping[str, str] = os.environ) -> None:
    """Waits until a debugger has attached, where the environment names a port for it; else does nothing.

    Only this machine is listened to.

    Args:
        task: the task's name, for the line that says so.
        environment: where `HUMAIN_DEBUG_PORT` is looked up.

    Raises:
        UserError: when the port is no number, is taken, or debugpy is not here.
    """
    text = environment.get(PORT_VARIABLE, "")
    if not text:
        return
    if not text.isdecimal() or not 0 < int(text) < 2**16:
        raise errors.UserError(f"{PORT_VARIABLE}={text} is no port; give a number up to 65535, such as 5678")
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # a warning about Python's own frozen modules
    try:
        import debugpy
    except ModuleNotFoundError:
        raise errors.UserError(
            f"{PORT_VARIABLE} is set, and debugpy is not here; build with --config=debug, or without Bazel install it"
        ) from None
    try:
        debugpy.listen(("127.0.0.1", int(text)))
    except (OSError, RuntimeError) as error:
        raise errors.UserError(
            f"no debugger can attach on port {text} ({error}); set another {PORT_VARIABLE}"
        ) from error
    # The editor waits for this line, see .vscode/tasks.json.
    print(f"{task}: waiting for a debugger on port {text}", file=sys.stderr, flush=True)
    debugpy.wait_for_client()
