"""Checks whether a lock file is up to date with the requirements that it was written from.

A lock starts with the digest of its source, so that any change of a requirement without a new lock is found, and every
requirement is looked up among the pins besides, so that a lock edited by hand is found as well.
"""

from __future__ import annotations

import hashlib
import pathlib
import re

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DIGEST_LINE = "# sha256 of its requirements: "
REMEDY = "run tools/update_lock and commit the locks"
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
_PLACE = re.compile(r"://|--(?:extra-)?index-url|--find-links|--trusted-host|(?<!\S)(?:file:|/)\S")


def _lines(source: pathlib.Path) -> list[str]:
    """Yields the significant lines of a requirements file, including those of its `-r` files, in order."""
    lines: list[str] = []
    for raw in source.read_text(encoding="utf-8").splitlines():
        line = re.sub(r"(^|\s)#.*", "", raw).strip()
        if line.startswith("-r "):
            lines += _lines(source.parent / line[3:].strip())
        elif line:
            lines.append(line)
    return lines


def requirement_lines(source: pathlib.Path) -> list[str]:
    """Returns the requirements of a file and its `-r` files, in order, without options (`--extra-index-url`)."""
    return [line for line in _lines(source) if not line.startswith("-")]


def extra_indexes(source: pathlib.Path) -> list[str]:
    """Returns the addresses given by `--extra-index-url` in a requirements file and its `-r` files.

    Raises:
        ValueError: if there is another option, which is not supported.
    """
    options = [line for line in _lines(source) if line.startswith("-")]
    for option in options:
        if not re.match(r"--extra-index-url[ =]\s*\S+$", option):
            raise ValueError(f"{source.name} has {option!r}: only --extra-index-url ADDRESS is read; remove the line")
    return [re.split(r"[ =]\s*", option, maxsplit=1)[1] for option in options]


def copy_without_options(source: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Copies a requirements file and its `-r` files into a folder, without their options; returns the copy."""
    lines = source.read_text(encoding="utf-8").splitlines()
    for line in lines:
        if line.startswith("-r "):
            copy_without_options(source.parent / line[3:].strip(), folder)
    copy = folder / source.name
    copy.write_text("".join(f"{line}\n" for line in lines if not line.startswith("--")), encoding="utf-8")
    return copy


def pins(lock: pathlib.Path) -> dict[str, str]:
    """Returns the versions in a lock, by canonical name."""
    found = _PIN.findall(lock.read_text(encoding="utf-8"))
    return {canonicalize_name(name): version for name, version in found}


def digest(source: pathlib.Path, constraint: pathlib.Path | None = None) -> str:
    """Returns the digest of what a lock depends on: its requirements and the pins of the lock that constrains it."""
    lines = requirement_lines(source)
    if constraint is not None:
        lines += [f"{name}=={version}" for name, version in sorted(pins(constraint).items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def header(source: pathlib.Path, constraint: pathlib.Path | None = None) -> str:
    """Returns the first lines of the lock written from `source`."""
    made_by = f"# Written by tools/update_lock from {source.name}. Do not edit.\n"
    return made_by + DIGEST_LINE + digest(source, constraint) + "\n"


def problems(source: pathlib.Path, lock: pathlib.Path, constraint: pathlib.Path | None = None) -> list[str]:
    """Returns one line for each way in which `lock` does not fit `source`; empty if it is up to date."""
    text = lock.read_text(encoding="utf-8")
    found = []
    if f"{DIGEST_LINE}{digest(source, constraint)}\n" not in text:
        found.append(f"{lock.name} was not written from the present {source.name}: {REMEDY}")
    locked = pins(lock)
    for line in requirement_lines(source):
        requirement = Requirement(line)
        version = locked.get(canonicalize_name(requirement.name))
        if version is None:
            found.append(f"{lock.name} has no {requirement.name}, which {source.name} requires: {REMEDY}")
        elif not requirement.specifier.contains(version, prereleases=True):
            found.append(f"{lock.name} has {requirement.name} {version}, {source.name} requires {line}: {REMEDY}")
    if constraint is not None:
        for name, version in pins(constraint).items():
            if locked.get(name) != version:
                found.append(f"{lock.name} has {name} {locked.get(name)}, {constraint.name} has {version}: {REMEDY}")
    for block in re.split(r"\n(?=[A-Za-z0-9])", text):
        if _PIN.match(block) and "--hash=sha256:" not in block:
            found.append(f"{lock.name} has no hash for {block.splitlines()[0].split()[0]}: {REMEDY}")
    for line in text.splitlines():
        if _PLACE.search(line):
            found.append(f"{lock.name} names a place on one machine or network: {line.strip()!r}: {REMEDY}")
    return found
