"""Fetches the wheels that some modules need, or all, into the cache of Bazel's rules.

    python3.11 -m tools.prefetch [MODULE...]

Started by tools/bazelw in a new clone, in its root, while Bazel is installed and starts; by the Python that the
toolchain is made of, with nothing installed. It prints what it fetches, and leaves to Bazel what it can't fetch.
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
    """Prints a line for the user, in one write, since other processes print too."""
    os.write(2, f"bazelw: {line}\n".encode())


def main(modules: list[str]) -> None:
    """Fills the cache with what the modules import from outside, or with the whole lock if no module is given."""
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
    """Runs `main` and returns an exit status for the shell; an error is printed in one line.

    Errors such as a cache of another user, or a module with a syntax error, are reported in full by the rule, or by
    Python, that meets them next.
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
