"""How the BUILD files say that test modules run: with which plugins of pytest, and compiled as for users or not."""

from __future__ import annotations

import ast
import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True)
class Target:
    """What a `pytest_test` asks for.

    Attributes:
        plugins: names of the modules that pytest loads.
        optimized: whether JAX compiles as it does for a user.
    """

    plugins: tuple[str, ...] = ()
    optimized: bool = False


def tests(root: pathlib.Path, folder: str) -> dict[str, Target]:
    """The test modules below a folder, as paths from the root, with what their targets ask for.

    Args:
        root: of the repository.
        folder: from there.
    """
    found = {}
    for build in sorted((root / folder).rglob("BUILD.bazel")):
        package = build.parent.relative_to(root)
        # A BUILD file is Python as far as its calls go.
        for node in ast.walk(ast.parse(build.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "pytest_test":
                given = {word.arg: word.value for word in node.keywords}
                plugins = tuple(ast.literal_eval(given["plugins"])) if "plugins" in given else ()
                optimized = "optimized" in given and ast.literal_eval(given["optimized"])
                for source in ast.literal_eval(given["srcs"]):
                    found[(package / source).as_posix()] = Target(plugins, optimized)
    return found
