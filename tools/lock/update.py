"""Writes requirements_lock.txt and requirements_cuda_lock.txt: `tools/update_lock [uv's flags]`.

Versions stay where the requirements still allow them; `--upgrade` takes the newest, and
`--upgrade-package NAME` those of one package. uv looks where pip is set up to look on this machine (pip_settings.py),
unless its own variables, such as `UV_DEFAULT_INDEX`, say otherwise; the index that requirements.in names is asked only
where a local build of the lock is not found there. No place is written into a lock.

uv resolves for Linux, and once more for each of the other systems at the same versions; entries.py says what becomes of
that in a lock, which pip can install from on all of them. A local build such as torch 2.13.0+cpu is written as
`torch==2.13.0` with a comment `# local build: 2.13.0+cpu`, which third_party/pypi/install_wheel.py tries first.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping

import uv

from tools.lock import entries, lock_file, pip_settings

_FLAGS = [
    "--quiet",
    "--generate-hashes",
    "--python-version=3.11",
    "--only-binary=:all:",
    "--no-strip-extras",
    "--no-header",
]
_LINUX = "--python-platform=x86_64-manylinux_2_28"
# By `sys.platform`. torch has no wheel for a macOS before 14, nor jaxlib one for Macs with Intel's processors.
_ELSEWHERE = {
    "darwin": ("--python-platform=aarch64-apple-darwin", {"MACOSX_DEPLOYMENT_TARGET": "14.0"}),
    "win32": ("--python-platform=x86_64-pc-windows-msvc", {}),
}
# Extras that one package asks another one for: package, extra, who asks, what the extra alone brings. Targets that use
# the package without it would fetch that too; those that do use it name in their BUILD file what it brings.
_APART = (("gymnasium", "mujoco", "ogbench", ("imageio", "mujoco", "packaging")),)


def resolve(
    source: pathlib.Path,
    flags: list[str],
    environment: dict[str, str],
    output: pathlib.Path | None = None,
    constraint: pathlib.Path | None = None,
) -> str:
    """The pins for `source`, as uv writes them; versions in `output`, where that exists, are preferred.

    uv sees the requirements alone: it would ask an index that `source` names in every run.
    """
    with tempfile.TemporaryDirectory() as folder:
        # In that folder, so that the comments in a lock name files alone.
        lock_file.copy_without_options(source, pathlib.Path(folder))
        command = [uv.find_uv_bin(), "pip", "compile", *_FLAGS, *flags, source.name]
        if constraint is not None:
            shutil.copy(constraint, folder)
            command.append(f"--constraints={constraint.name}")
        if output is not None:
            command.append(f"--output-file={output}")
        env = {**os.environ, **environment}
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"uv could not resolve {source.name}:\n{done.stderr}")
    return done.stdout


def index_wheels(pins: Mapping[str, entries.Entry], settings: pip_settings.PipSettings) -> dict[str, dict[str, str]]:
    """{name: {file name: hash}} of all wheels that the index alone has of the pinned versions."""
    with tempfile.TemporaryDirectory() as folder:
        source, lock = pathlib.Path(folder, "pins.in"), pathlib.Path(folder, "pylock.toml")
        public = [f"{name}=={entry.version.partition('+')[0]}\n" for name, entry in pins.items()]
        source.write_text("".join(public), encoding="utf-8")
        flags = ["--no-deps", "--universal", "--format=pylock.toml", *settings.index]
        resolve(source, flags, settings.environment, lock)
        return entries.wheels(lock.read_text(encoding="utf-8"))


def elsewhere(
    source: pathlib.Path, pins: Mapping[str, entries.Entry], settings: pip_settings.PipSettings
) -> dict[str, dict[str, entries.Entry]]:
    """What systems other than Linux need for `source`, at the versions of `pins`, from the index alone."""
    with tempfile.TemporaryDirectory() as folder:
        limits = pathlib.Path(folder, "pins.txt")
        public = [f"{name}=={entry.version.partition('+')[0]}\n" for name, entry in pins.items()]
        limits.write_text("".join(public), encoding="utf-8")
        return {
            system: entries.parse(
                resolve(
                    source,
                    [platform, f"--constraints={limits}", *settings.index],
                    {**settings.environment, **environment},
                )
            )
            for system, (platform, environment) in _ELSEWHERE.items()
        }


def pinned(
    source: pathlib.Path,
    before: Mapping[str, entries.Entry],
    settings: pip_settings.PipSettings,
    flags: list[str],
    constraint: pathlib.Path | None,
) -> dict[str, entries.Entry]:
    """What Linux needs for `source`; the versions of `before` are preferred."""
    with tempfile.TemporaryDirectory() as folder:
        lock = pathlib.Path(folder, "lock.txt")
        if before:  # uv prefers the versions in its output file
            lock.write_text(entries.render(entries.with_local_builds(before)), encoding="utf-8")
        resolve(source, [_LINUX, *settings.places, *flags], settings.environment, lock, constraint)
        return entries.parse(lock.read_text(encoding="utf-8"))


def lacks_local_build(before: Mapping[str, entries.Entry], pins: Mapping[str, entries.Entry]) -> bool:
    """Whether a package that was a local build was not found as a local build of any version."""
    names = {build.split()[0] for build in entries.local_builds(before)}
    return any(name in pins and "+" not in pins[name].version for name in names)


def write_lock(source: pathlib.Path, lock: pathlib.Path, flags: list[str], constraint: pathlib.Path | None) -> None:
    """Resolves `source` and replaces `lock` in one step, only if everything succeeded."""
    settings = pip_settings.read(pip_settings.listing(), os.environ)
    before = entries.parse(lock.read_text(encoding="utf-8")) if lock.exists() else {}
    pins = pinned(source, before, settings, flags, constraint)
    if lacks_local_build(before, pins):
        # As pip does: uv would ask only the first index that has any torch.
        wider = dataclasses.replace(
            settings,
            extra_indexes=(*settings.extra_indexes, *(f"--index={url}" for url in lock_file.extra_indexes(source))),
            environment={"UV_INDEX_STRATEGY": "unsafe-best-match", **settings.environment},
        )
        pins = pinned(source, before, wider, flags, constraint)
    if constraint is None:
        pins = entries.with_systems(pins, elsewhere(source, pins, settings))
    else:
        pins = entries.with_systems_of(pins, entries.parse(constraint.read_text(encoding="utf-8")))
    pins = entries.with_index_wheels(pins, index_wheels(pins, settings))
    lost = entries.local_builds(before) - entries.local_builds(pins)
    if lost and not any(flag.startswith("--upgrade") for flag in flags):
        sys.exit(
            f"{', '.join(sorted(lost))} was not found here, nor in the index that requirements.in names: set "
            "PIP_FIND_LINKS to the folder with its wheel"
        )
    for apart in _APART:
        pins = entries.with_extra_apart(pins, *apart)
    new = lock.with_name(lock.name + ".new")
    new.write_text(lock_file.header(source, constraint) + entries.render(pins), encoding="utf-8")
    new.replace(lock)
    print(f"{lock.name}: {len(lock_file.pins(lock))} wheels")


def main(arguments: list[str]) -> None:
    """Writes both locks of the workspace in which this was started."""
    root = pathlib.Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY") or pathlib.Path.cwd())
    if not (root / "requirements.in").exists():
        sys.exit(f"no requirements.in in {root}: start this with tools/update_lock")
    lock = root / "requirements_lock.txt"
    write_lock(root / "requirements.in", lock, arguments, None)
    write_lock(root / "requirements_cuda.in", root / "requirements_cuda_lock.txt", arguments, lock)


if __name__ == "__main__":
    main(sys.argv[1:])
