"""Fetches the wheels that some modules need, or all, into the cache of Bazel's rules.

    python3.11 -m tools.prefetch [MODULE...]

Started by tools/bazelw in a new clone, in its root, while Bazel is installed and starts; by the Python that the
toolchain is made of, with nothing installed. It says what it fetches, and leaves to Bazel what it cannot.
"""

from __future__ import annotations

import os
import pathlib
import sys

from third_party.pypi import prefetch
from tools.without_bazel import needs

# Tasks import it where it is asked for, and Bazel leaves it out unless it is: tools/debugger.
_ONLY_ON_REQUEST = {"debugpy"}


def say(line: str) -> None:
    """Prints a line for the user, at once and whole, as others print too."""
    os.write(2, f"bazelw: {line}\n".encode())


def main(modules: list[str]) -> None:
    """Fills the cache with what the modules import from outside, or without any, with all of the lock."""
    prefetch.stop_tidily()
    root = pathlib.Path.cwd()
    settled = prefetch.environment(root)
    if sys.version_info[:2] != (3, 11) or settled is None:
        return
    if any(os.environ.get(name) != value for name, value in settled.items()):
        python = getattr(sys, "_base_executable", None) or sys.executable
        os.execve(python, [python, "-B", "-m", "tools.prefetch", *modules], {**os.environ, **settled})
    names = needs.wheels(root, modules)
    wanted = prefetch.specs(root, [name for name in names if not modules or name not in _ONLY_ON_REQUEST])
    prefetch.fill_cache(wanted, say, workers=(os.cpu_count() or 1) + 1)


def run(modules: list[str]) -> int:
    """`main` for a shell, whose status it returns; what goes wrong takes one line of Bazel's output.

    Such as a cache that is somebody else's or a module with a mistake: whoever needs it next, a rule or Python, says
    what that means for them.
    """
    try:
        main(modules)
    except KeyboardInterrupt:
        return 130
    except (OSError, ValueError, KeyError, SyntaxError) as error:
        say(f"no Python packages are fetched ahead: {type(error).__name__}: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
