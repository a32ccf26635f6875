"""Wheels with one module, and their entries of a lock, for this folder's tests."""

from __future__ import annotations

import base64
import hashlib
import pathlib
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any


def make_wheel(
    folder: pathlib.Path, name: str, version: str, requires: Sequence[str] = (), files: Mapping[str, str] | None = None
) -> str:
    """Writes a wheel with one module; returns its sha256."""
    info = f"{name}-{version}.dist-info"
    contents = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {line}\n" for line in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **(files or {}),
    }
    record = []
    for path, text in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={digest},{len(text)}")
    contents[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in contents.items():
            archive.writestr(path, text)
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def spec(
    *hashes: str,
    requirement: str = "tiny==1.0",
    local_build: str = "",
    extras: Sequence[str] = (),
    deps: Sequence[str] = (),
    members: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Returns what parse_lock.py would print for one wheel."""
    wheel = {
        "requirement": requirement,
        "local_build": local_build,
        "hashes": [f"sha256:{digest}" for digest in hashes],
        "extras": list(extras),
    }
    return {"wheels": [wheel], "deps": list(deps), "cycle": [], "members": dict(members or {})}
