"""Prints the part of the lock that some modules need.

    python3.11 -m tools.without_bazel.needs tasks.simple

Started in the root of the repository, with nothing installed. It follows the modules' imports through the repository's
own files (those in functions too), and what these import from outside through the lock's `# via` comments, so that
there is no list of wheels to keep. If torch is among them, pip needs its index too: see docs/running.md.
"""

from __future__ import annotations

import ast
import pathlib
import sys
from collections.abc import Collection, Iterable, Iterator

from third_party.pypi import parse_lock
from tools.lock import entries

_LOCK = "requirements_lock.txt"
# Modules whose names differ from those of their distributions.
_DISTRIBUTIONS = {"PIL": "pillow", "absl": "absl_py", "orbax": "orbax_checkpoint", "yaml": "pyyaml"}


def module_files(root: pathlib.Path, module: str) -> list[pathlib.Path]:
    """Returns the files that run when a module of the repository, or a name in it, is imported; none for others."""
    parts = module.split(".")
    places = [root.joinpath(*parts[:end]) for end in range(1, len(parts) + 1)]
    return [file for place in places for file in (place / "__init__.py", place.with_suffix(".py")) if file.is_file()]


def imported_modules(text: str, *, lazy: bool = False) -> Iterator[str]:
    """Returns the dotted names of a file's imports; for `from a import b`, `a.b`, which may be a module or not.

    Args:
        text: of the file.
        lazy: whether what is imported for type checkers alone counts too: what a package imports on first use.
    """
    waiting: list[ast.AST] = [ast.parse(text)]
    while waiting:
        node = waiting.pop()
        if lazy or not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def outside_modules(root: pathlib.Path, modules: Iterable[str]) -> set[str]:
    """Returns the top-level names of all imported modules that are neither Python's nor the repository's."""
    own = {path.name for path in root.iterdir() if path.is_dir()}
    waiting, seen, outside = list(modules), set[tuple[pathlib.Path, bool]](), set()
    while waiting:
        module = waiting.pop()
        top = module.split(".")[0]
        if top not in own:
            outside.add(top)
            continue
        for file in module_files(root, module):
            # A package that is named itself, and not on the way to a module, may be asked for all that it offers.
            lazy = file == root.joinpath(*module.split("."), "__init__.py")
            if (file, lazy) not in seen:
                seen.add((file, lazy))
                waiting += imported_modules(file.read_text(encoding="utf-8"), lazy=lazy)
    return outside - sys.stdlib_module_names


def closure(lock: str, names: Iterable[str]) -> set[str]:
    """Returns the wheels of a lock that these need, including themselves; names are spelt as in parse_lock.py.

    Raises:
        SystemExit: if the lock has no wheel of a name.
    """
    packages = parse_lock.parse(lock)
    needs: dict[str, set[str]] = {name: set() for name in packages}
    for name, package in packages.items():
        for requirer in package["via"]:
            needs.get(requirer, set()).add(name)
    waiting, found = list(names), set()
    while waiting:
        name = waiting.pop()
        if name not in packages:
            sys.exit(f"{_LOCK} has no {name}: name its distribution in {pathlib.PurePath(__file__).name}")
        if name not in found:
            found.add(name)
            waiting += needs[name]
    return found


def _needed(root: pathlib.Path, lock: str, modules: Iterable[str]) -> dict[str, entries.Entry]:
    """Returns the entries of a lock that the modules need."""
    outside = outside_modules(root, modules)
    needed = closure(lock, [_DISTRIBUTIONS.get(name, parse_lock.normalize(name)) for name in sorted(outside)])
    return {name: entry for name, entry in entries.parse(lock).items() if parse_lock.normalize(name) in needed}


def requirements(root: pathlib.Path, modules: Iterable[str]) -> str:
    """Returns the lines of the lock that the modules need."""
    return entries.render(_needed(root, (root / _LOCK).read_text(encoding="utf-8"), modules))


def wheels(root: pathlib.Path, modules: Collection[str]) -> list[str]:
    """Returns the labels, in the hub, of the wheels that modules need on Linux; of all for Linux without modules."""
    lock = (root / _LOCK).read_text(encoding="utf-8")
    found = _needed(root, lock, modules) if modules else entries.parse(lock)
    return [parse_lock.normalize(name) for name, entry in found.items() if "==" not in entry.marker]


if __name__ == "__main__":
    print(requirements(pathlib.Path.cwd(), sys.argv[1:]), end="")
