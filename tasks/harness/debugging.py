"""Waits for a debugger if asked to, so that VS Code can attach to a program that Bazel has built and started.

An interpreter in runfiles sees only the program's own wheels, so the debugger has to be one of them; only
`--config=debug` adds debugpy.
"""

import os
import sys
from collections.abc import Mapping

from humain import errors

PORT_VARIABLE = "HUMAIN_DEBUG_PORT"


def wait(task: str, environment: Mapping[str, str] = os.environ) -> None:
    """Waits until a debugger has attached, if the environment names a port for it; otherwise does nothing.

    It accepts only local connections.

    Args:
        task: the task's name, for the line that it prints.
        environment: the environment variables, of which it reads `HUMAIN_DEBUG_PORT`.

    Raises:
        UserError: if the port is not a number or is in use, or debugpy is not installed.
    """
    text = environment.get(PORT_VARIABLE, "")
    if not text:
        return
    if not text.isdecimal() or not 0 < int(text) < 2**16:
        raise errors.UserError(f"{PORT_VARIABLE}={text} is not a port; give a number up to 65535, such as 5678")
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # No warning about Python's frozen modules.
    try:
        import debugpy
    except ModuleNotFoundError:
        raise errors.UserError(
            f"{PORT_VARIABLE} is set, but there is no debugpy; build with --config=debug, or without Bazel install it"
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
