"""Fixes what ruff and buildifier can fix by themselves: `tools/bazelw run //tools/lint:fix`."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

from ruff.__main__ import find_ruff_bin

from tools.lint import sources


def main() -> int:
    """Rewrites source files in place; returns 1 if something is left to fix by hand."""
    python = sources.list_sources(".py", ".pyi")
    ruff = find_ruff_bin()
    commands = [
        [ruff, "check", "--fix", "--output-format=concise", *python],
        [ruff, "format", *python],
    ]
    buildifier = pathlib.Path(os.environ["BUILDIFIER"]).absolute()
    if buildifier.name == "missing.txt":
        print(f"no buildifier, so Bazel files are not changed: {buildifier.read_text().strip()}", file=sys.stderr)
    else:
        commands.append([str(buildifier), "-mode=fix", "-lint=fix", *sources.bazel_files()])
    failures = [
        command for command in commands if subprocess.run(command, cwd=sources.workspace(), check=False).returncode
    ]
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
