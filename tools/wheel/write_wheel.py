"""Writes a wheel of pure Python from source files and the [project] table of pyproject.toml.

    write_wheel.py --project=pyproject.toml --output=humain-0.1.0-py3-none-any.whl humain/__init__.py ...

Started in the root of the sources, whose paths are the modules' names. The same input gives the same bytes: files are
in the order of their paths and carry the earliest time that a zip file can hold. The layout is that of PEP 427, the
metadata that of version 2.1 of the core metadata specification. Standard library alone, as it runs inside the build.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import pathlib
import re
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

_EARLIEST = (1980, 1, 1, 0, 0, 0)
_MODE = 0o644 << 16
_UNDERSTOOD = {"name", "version", "description", "requires-python", "dependencies", "optional-dependencies", "license"}


def wheel_name(project: Mapping[str, Any]) -> str:
    """The file name that PEP 427 demands of a wheel for any Python 3 on any machine."""
    return f"{_stem(project)}-py3-none-any.whl"


def metadata(project: Mapping[str, Any], description: str) -> str:
    """The METADATA file: the [project] table, with the long description, in Markdown, below it.

    Raises:
        ValueError: for a key of the table that would be dropped without a word.
    """
    unknown = sorted(project.keys() - _UNDERSTOOD)
    if unknown:
        raise ValueError(
            f"[project] has {', '.join(unknown)}, which write_wheel.py does not write; teach it or drop it"
        )
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {project['name']}",
        f"Version: {project['version']}",
        f"Summary: {project['description']}",
        f"Requires-Python: {project['requires-python']}",
    ]
    # No licence is the owner's silence, not a default: the field is then left out.
    if project.get("license"):
        lines.append(f"License: {project['license']}")
    lines += [f"Requires-Dist: {requirement}" for requirement in project["dependencies"]]
    for extra, requirements in sorted(project.get("optional-dependencies", {}).items()):
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {requirement}; extra == "{extra}"' for requirement in requirements]
    lines.append("Description-Content-Type: text/markdown")
    return "\n".join(lines) + f"\n\n{description}"


def contents(project: Mapping[str, Any], files: Mapping[str, bytes], description: str) -> dict[str, bytes]:
    """All files of the wheel by their path in it, RECORD last.

    Args:
        project: the [project] table.
        files: of the package, by path; modules, and a marker that says they are typed is added to them.
        description: long, in Markdown.
    """
    top = sorted({path.split("/")[0] for path in files})
    info = f"{_stem(project)}.dist-info"
    packed = {path: files[path] for path in sorted(files)}
    packed |= {f"{package}/py.typed": b"" for package in top}
    packed[f"{info}/METADATA"] = metadata(project, description).encode()
    packed[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: humain tools/wheel\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    packed[f"{info}/top_level.txt"] = "".join(f"{package}\n" for package in top).encode()
    record = [f"{path},sha256={_digest(data)},{len(data)}\n" for path, data in packed.items()]
    packed[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"]).encode()
    return packed


def write(output: pathlib.Path, packed: Mapping[str, bytes]) -> None:
    """The zip file of these files."""
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in packed.items():
            entry = zipfile.ZipInfo(path, date_time=_EARLIEST)
            entry.external_attr = _MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)


def _stem(project: Mapping[str, Any]) -> str:
    name = re.sub(r"[-_.]+", "_", project["name"]).lower()
    return f"{name}-{project['version']}"


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def main(arguments: Iterable[str] | None = None) -> None:
    """Reads the command line and writes the wheel."""
    parser = argparse.ArgumentParser(description="Writes a wheel of pure Python.")
    parser.add_argument("--project", type=pathlib.Path, required=True, help="pyproject.toml")
    parser.add_argument("--readme", type=pathlib.Path, required=True, help="the long description, in Markdown")
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("files", nargs="+")
    options = parser.parse_args(None if arguments is None else list(arguments))
    project = tomllib.loads(options.project.read_text(encoding="utf-8"))["project"]
    if options.output.name != wheel_name(project):
        parser.error(
            f"this version's wheel is {wheel_name(project)}, not {options.output.name}; //:wheel and pyproject.toml "
            "must name the same version"
        )
    files = {path: pathlib.Path(path).read_bytes() for path in options.files}
    write(options.output, contents(project, files, options.readme.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
