"""Writes requirements_lock.txt and requirements_cuda_lock.txt: `tools/update_lock [uv's flags]`.

Versions stay where the requirements still allow them; `--upgrade` takes the newest, and
`--upgrade-package NAME` those of one package. uv looks where pip is set up to look on this machine (pip_settings.py),
unless its own variables, such as `UV_DEFAULT_INDEX`, say otherwise. No place is written into a lock.

A local build such as torch 2.13.0+cpu is written as `torch==2.13.0` with the hashes of the local wheel and the index's
wheels, and a comment `# local build: 2.13.0+cpu`, which third_party/pypi/install_wheel.py tries first. (pip alone ranks
a file whose index states an allowed hash over one in a find-links folder, which states none.)
"""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import tempfile

import uv

from tools.lock import lock_file, pip_settings

_FLAGS = [
    "--quiet",
    "--generate-hashes",
    "--python-version=3.11",
    "--python-platform=x86_64-manylinux_2_28",
    "--only-binary=:all:",
    "--no-strip-extras",
    "--no-header",
]


def resolve(
    source: pathlib.Path, flags: list[str], environment: dict[str, str], output: pathlib.Path | None = None
) -> str:
    """The pins for `source`, as uv writes them; versions in `output`, where that exists, are preferred."""
    command = [uv.find_uv_bin(), "pip", "compile", *_FLAGS, *flags, source.name]
    if output is not None:
        command.append(f"--output-file={output}")
    env = {**os.environ, **environment}
    done = subprocess.run(command, cwd=source.parent, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"uv could not resolve {source.name}:\n{done.stderr}")
    return done.stdout


def with_index_hashes(text: str, flags: list[str], environment: dict[str, str]) -> str:
    """`text` with each pin of a local build rewritten to its public version, with the index's hashes added."""
    for name, version, local in set(re.findall(r"^([a-z0-9-]+)(?:\[.*?\])?==([^\s+]+)(\+\S+)", text, re.MULTILINE)):
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder, "one.in")
            source.write_text(f"{name}=={version}\n", encoding="utf-8")
            hashes = re.findall(r"--hash=\S+", resolve(source, ["--no-deps", *flags], environment))
        pattern = rf"^{name}(\[.*?\])?=={re.escape(version + local)}( \\\n    --hash=\S+)*"
        match = re.search(pattern, text, re.MULTILINE)
        assert match is not None, name
        pin = match.group(0).split(" \\\n")[0].replace(local, "")
        hashes = re.findall(r"--hash=\S+", match.group(0)) + hashes
        entry = " \\\n    ".join([pin, *dict.fromkeys(hashes)])
        text = text.replace(match.group(0), f"{entry}\n    # local build: {version}{local}")
    return text


def with_local_builds(text: str) -> str:
    """A lock's `text` with each pin that notes a local build rewritten to that build: the reverse of the above."""
    pattern = r"^([a-z0-9-]+(?:\[.*?\])?)==\S+((?: \\\n    --hash=\S+)*)\n    # local build: (\S+)"
    return re.sub(pattern, r"\1==\3\2", text, flags=re.MULTILINE)


def write_lock(source: pathlib.Path, lock: pathlib.Path, flags: list[str], constraint: pathlib.Path | None) -> None:
    """Resolves `source` and replaces `lock`, at once and only when all went well."""
    settings = pip_settings.read(pip_settings.listing(), os.environ)
    limits = [] if constraint is None else [f"--constraints={constraint.name}"]
    with tempfile.TemporaryDirectory() as folder:
        pinned = pathlib.Path(folder, lock.name)
        if lock.exists():  # uv prefers the versions in its output file
            pinned.write_text(with_local_builds(lock.read_text(encoding="utf-8")), encoding="utf-8")
        resolve(source, [*settings.places, *limits, *flags], settings.environment, pinned)
        text = pinned.read_text(encoding="utf-8")
    text = with_index_hashes(text, list(settings.index), settings.environment)
    if lock.exists():
        builds = r"# (local build: \S+)"
        lost = set(re.findall(builds, lock.read_text(encoding="utf-8"))) - set(re.findall(builds, text))
        if lost and not any(flag.startswith("--upgrade") for flag in flags):
            sys.exit(f"{', '.join(sorted(lost))} was not found here: set PIP_FIND_LINKS to the folder with its wheel")
    new = lock.with_name(lock.name + ".new")
    new.write_text(lock_file.header(source, constraint) + text, encoding="utf-8")
    new.replace(lock)
    print(f"{lock.name}: {len(lock_file.pins(lock))} wheels")


def main(arguments: list[str]) -> None:
    """Writes both locks of the workspace that this was started in."""
    root = pathlib.Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY") or pathlib.Path.cwd())
    if not (root / "requirements.in").exists():
        sys.exit(f"no requirements.in in {root}: start this with tools/update_lock")
    lock = root / "requirements_lock.txt"
    write_lock(root / "requirements.in", lock, arguments, None)
    write_lock(root / "requirements_cuda.in", root / "requirements_cuda_lock.txt", arguments, lock)


if __name__ == "__main__":
    main(sys.argv[1:])
