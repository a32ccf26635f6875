"""The repository is in order: imports point one way, every Python file has a target, packages list their modules.

third_party <- humain <- tasks, examples; and configs are read by tasks. Bazel's visibility holds targets to this order,
and this test the imports, also those of files that a target could reach without naming it.
docs/architecture.md explains the order.
"""

import ast
import collections
import pathlib

import pytest

from tools.lint import sources

# A top folder, and those of the repository that its files may import from.
_MAY_IMPORT = {
    "third_party": {"third_party"},
    "tools": {"third_party", "tools"},
    "humain": {"humain"},
    "examples": {"examples", "humain"},
    "configs": {"configs", "humain", "tasks"},  # tasks: for the test that loads every configuration
    "tasks": {"configs", "humain", "tasks"},
}
# The parts of humain/ from the bottom up: each may import those of its own set and of the sets before it.
_LEVELS = (
    {"errors", "host", "padding", "types"},
    {"files", "selection", "spaces"},
    {"abstraction", "environments", "following", "hippocampus", "nearest", "stopping", "training", "viewing"},
    {"guards", "kernels"},
    {"cortex", "layer", "native"},
    {"model"},
    {"acting", "answering", "planning", "replay"},
    {"learning"},
    {"building", "description", "language", "saving", "training_run", "world"},
)
_SHIMS = "third_party/bazel_shims/"


def imported_modules(tree):
    """The dotted names of all modules that a module imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "humain":
                yield from (f"humain.{alias.name}" for alias in node.names)


def level(part):
    """The index in `_LEVELS` of a part of humain/, or None."""
    return next((index for index, parts in enumerate(_LEVELS) if part in parts), None)


def wrong_parts(path, tree):
    """One line for each import in a file of humain/ from a part above its own; tests may import any."""
    folders = path.removesuffix(".py").split("/")
    if folders[0] != "humain" or folders[1] in ("__init__", "testing") or path.endswith(("_test.py", "conftest.py")):
        return
    own = level(folders[1])
    if own is None:
        yield f"{path} is a part of humain/ without a place in _LEVELS: give it one, and say so in docs/architecture.md"
    for module in imported_modules(tree):
        part = module.split(".")[1] if module.startswith("humain.") else None
        if own is not None and (other := level(part)) is not None and other > own:
            yield f"{path} imports {module}: {folders[1]} stands below {part}, see _LEVELS"


def violations(path, text):
    """One line for each import in a file that points the wrong way, and each edit of the import path."""
    tree = ast.parse(text, path)
    top = path.split("/")[0]
    yield from wrong_parts(path, tree)
    for module in imported_modules(tree):
        imported = module.split(".")[0]
        if imported in _MAY_IMPORT and imported not in _MAY_IMPORT.get(top, set()):
            yield f"{path} imports {module}: {top}/ stands below {imported}/"
        if imported in ("torch", "transformers") and top == "humain" and not path.startswith("humain/language/"):
            yield f"{path} imports {module}: in humain/, {imported} belongs to humain/language/"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in (
            "sys.path.append",
            "sys.path.insert",
            "sys.path.extend",
        ):
            yield f"{path}:{node.lineno} edits sys.path: name the dependency in the target's deps"


def public_classes(path, text):
    """The names of the classes in a file, test files left out; private classes are known in their file alone."""
    if path.endswith(("_test.py", "conftest.py")):
        return []
    classes = [node.name for node in ast.walk(ast.parse(text, path)) if isinstance(node, ast.ClassDef)]
    return [name for name in classes if not name.startswith("_")]


def shared_names(texts):
    """One line for each name that more than one public class has, in the files `{path: text}`."""
    owners = collections.defaultdict(list)
    for path, text in texts.items():
        for name in public_classes(path, text):
            owners[name].append(path)
    for name, paths in sorted(owners.items()):
        if len(paths) > 1:
            yield f"{name} is the name of classes in {', '.join(paths)}: give them names that tell them apart"


def owner(path, build_files):
    """The BUILD file of the package that a file is in, or None."""
    for folder in pathlib.PurePath(path).parents:
        if (build := (folder / "BUILD.bazel").as_posix()) in build_files:
            return build
    return None


def misplaced(path, text, files):
    """What a package's `__init__.py` has besides a docstring and, where it has modules, their names in `__all__`.

    A program pays for what it imports, and a name has one home. So packages re-export nothing; `humain` alone does,
    lazily.

    Args:
        path: of the `__init__.py`.
        text: of it.
        files: the paths of all Python files.
    """
    folder = path.removesuffix("__init__.py")
    inside = [file.removeprefix(folder) for file in files if file.startswith(folder) and not file.endswith("_test.py")]
    wanted = sorted(
        {file.removesuffix(".py") for file in inside if "/" not in file and file != "__init__.py"}
        | {file.split("/")[0] for file in inside if file.endswith("/__init__.py")}
    )
    body = ast.parse(text).body
    if body and isinstance(body[0], ast.Expr):
        body = body[1:]
    found = []
    if body and isinstance(body[0], ast.Assign) and ast.unparse(body[0].targets[0]) == "__all__":
        found = ast.literal_eval(body.pop(0).value)
    if body:
        yield f"{path}:{body[0].lineno} has more than a docstring and __all__"
    if found != wanted:
        yield f"{path}: __all__ must be the names of its modules and packages, {wanted}, not {found}"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ('"""Parts."""\n__all__ = ["deep", "one", "two"]', 0),
        ('"""Parts."""\n__all__ = ["deep", "one"]', 1),
        ('"""Parts."""\n__all__ = ["two", "one", "deep"]', 1),
        ('"""Parts."""', 1),
        ('"""Parts."""\nfrom humain.a.one import f\n__all__ = ["deep", "one", "two"]', 2),
    ],
)
def test_a_package_that_lists_other_things_than_its_modules_is_found(text, number):
    files = ["humain/a/__init__.py", "humain/a/one.py", "humain/a/one_test.py", "humain/a/two.py"]
    files += ["humain/a/deep/__init__.py", "humain/a/deep/three.py", "humain/b.py"]
    assert len(list(misplaced("humain/a/__init__.py", text, files))) == number


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("humain/model.py", "from tasks.graphs import world"),
        ("humain/model.py", "def f():\n    import tasks"),
        ("humain/kernels/table.py", "import torch.nn"),
        ("humain/kernels/table.py", "from humain.layer import Layer"),
        ("humain/spaces.py", "from humain import model"),
        ("humain/new_part.py", "import math"),
        ("third_party/pypi/parse_lock.py", "import humain.types"),
        ("tools/lint/sources.py", "from configs import simple"),
        ("examples/walks.py", "from tasks.graphs import world"),
        ("humain/planning.py", "from examples import walks"),
        ("tasks/simple.py", "import sys\nsys.path.insert(0, '.')"),
    ],
)
def test_a_violation_is_found(path, text):
    assert len(list(violations(path, text))) == 1


def test_what_is_allowed_is_not_a_violation():
    assert list(violations("tasks/simple.py", "import sys\nfrom humain import model\nsys.path.index('x')")) == []
    assert list(violations("humain/language/embed.py", "import torch")) == []
    assert list(violations("humain/model.py", "from humain import layer\nfrom humain.spaces import Discrete")) == []
    assert list(violations("humain/spaces_test.py", "from humain import model")) == []


def test_classes_with_one_name_are_found():
    texts = {"a.py": "class Row: ...", "b.py": "def f():\n    class Row: ...", "c.py": "class Column: ..."}
    assert [line.split(":")[0] for line in shared_names(texts)] == ["Row is the name of classes in a.py, b.py"]
    assert (
        list(shared_names({"a.py": "class _Row: ...", "b.py": "class _Row: ...", "c_test.py": "class Column: ..."}))
        == []
    )
    assert list(shared_names({"a.py": "class Row: ...", "a_test.py": "class Row: ..."})) == []


def test_the_package_of_a_file_is_the_nearest_one():
    assert owner("a/b/c.py", {"BUILD.bazel", "a/BUILD.bazel"}) == "a/BUILD.bazel"
    assert owner("c.py", {"a/BUILD.bazel"}) is None


def test_classes_have_names_of_their_own():
    root = sources.workspace()
    found = list(shared_names({path: (root / path).read_text() for path in sources.list_sources(".py")}))
    assert not found, "\n".join(found)


def test_imports_point_one_way():
    root = sources.workspace()
    found = [line for path in sources.list_sources(".py") for line in violations(path, (root / path).read_text())]
    assert not found, "\n".join(found)


def test_packages_list_their_modules_and_nothing_else():
    root, files = sources.workspace(), sources.list_sources(".py")
    packages = [path for path in files if path.startswith("humain/") and path.endswith("/__init__.py")]
    packages.remove("humain/__init__.py")
    found = [line for path in packages for line in misplaced(path, (root / path).read_text(), files)]
    assert not found, "\n".join(found)


def test_every_python_file_is_named_by_its_package():
    root = sources.workspace()
    builds = {path: (root / path).read_text() for path in sources.list_sources("BUILD.bazel")}
    found = []
    for path in sources.list_sources(".py"):
        build = owner(path, set(builds))
        relative = None if build is None else pathlib.PurePath(path).relative_to(pathlib.PurePath(build).parent)
        if build is None or f'"{relative}"' not in builds[build]:
            found.append(
                f"{path}: {build or 'no BUILD file'} does not name it, so no target has it and nothing runs it"
            )
    assert not found, "\n".join(found)
