"""Which tests can notice a change of a module, the nearest first."""

from __future__ import annotations

import ast
import pathlib
from collections.abc import Iterator, Mapping


def imports(root: pathlib.Path, path: str) -> set[str]:
    """The files of the repository that a file imports, as paths from the root; anywhere in it, also in functions."""
    found = set()
    for module in _imported(ast.parse((root / path).read_text())):
        file = module.replace(".", "/")
        for candidate in (f"{file}.py", f"{file}/__init__.py"):
            if (root / candidate).is_file():
                found.add(candidate)
    return found - {path}


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def reached(path: str, graph: Mapping[str, set[str]]) -> set[str]:
    """A file and all that it imports, on however long a way, but not by way of a package's `__init__.py`.

    Args:
        path: of the file.
        graph: what each file imports.
    """
    found = {path}
    while (
        new := {other for file in found for other in graph.get(file, ()) if not other.endswith("__init__.py")} - found
    ):
        found |= new
    return found


def nearest_tests(module: str, graph: Mapping[str, set[str]]) -> list[str]:
    """The test modules that import a module, on however long a way, and its own.

    Args:
        module: the path of the module.
        graph: what each file imports.

    Returns:
        Its own test first (`NAME_test.py`, and those whose names go on like `NAME_learns_test.py`); then those of its
        package; then those that are named for a module that imports it; then all others. Within each of these, those
        on the shortest way first, and last those that learn for a while (`NAME_learns_test.py`).
    """
    away = {module: 0}
    layer = [module]
    while layer:
        layer = sorted(path for path in graph if path not in away and any(other in graph[path] for other in layer))
        away.update(dict.fromkeys(layer, max(away.values()) + 1))
    stem = module.removesuffix(".py")
    named = {path.removesuffix(".py") for path, steps in away.items() if steps == 1}
    folder = pathlib.PurePosixPath(module).parent

    def rank(test: str) -> tuple[int, bool, int, str]:
        steps = away.get(test, len(graph))
        if test == f"{stem}_test.py":
            group = 0
        elif test.startswith(f"{stem}_"):
            group = 1
        elif pathlib.PurePosixPath(test).parent == folder:
            group = 2
        else:
            group = 3 if steps == 1 or test.removesuffix("_test.py") in named else 4
        return group, test.endswith("_learns_test.py"), steps, test

    tests = [path for path in graph if path.endswith("_test.py") and (path in away or path == f"{stem}_test.py")]
    return sorted(tests, key=rank)
