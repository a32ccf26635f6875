"""What --config=cpu and --config=cuda select, read off the hub itself; nothing is fetched for it.

`selection.json` is written by the repository rule that writes the hub's labels, from the same table; the labels
themselves, in the hub's BUILD files, are held to it. `specs.json` has what the same rule has the wheels' repositories
handed, in which prefetch.py must agree.
"""

import ast
import json
import os
import pathlib

import pytest

from third_party.pypi import parse_lock, prefetch

_HUB = pathlib.Path(os.environ["SELECTION"]).parent
_SELECTION = json.loads((_HUB / "selection.json").read_text())
_LOCKS = {
    "cpu": pathlib.Path("requirements_lock.txt").read_text(),
    "cuda": pathlib.Path("requirements_cuda_lock.txt").read_text(),
}


def _cuda_only(name):
    return name.startswith(("nvidia_", "jax_cuda", "cuda_"))


def _selected(name):
    """{condition: label} of `@pypi//name` in the BUILD file; None is the condition where there is no select()."""
    for node in ast.walk(ast.parse((_HUB / name / "BUILD.bazel").read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "alias":
            keywords = {keyword.arg: keyword.value for keyword in node.keywords}
            if ast.literal_eval(keywords["name"]) == "pkg":
                actual = keywords["actual"]
                if isinstance(actual, ast.Call):
                    return ast.literal_eval(actual.args[0])
                return {None: ast.literal_eval(actual)}
    raise AssertionError(f"@pypi//{name} has no target pkg")


def _followed(name):
    """{config: label} of `@pypi//name`, by the BUILD files: an alias of another package is followed to it."""
    selected = _selected(name)
    if (label := selected.get(None)) is not None:
        if label.startswith("//"):
            return _followed(label.removeprefix("//").removesuffix(":pkg"))
        return dict.fromkeys(["cpu", "cuda"], label)
    conditions = {"//conditions:default": "cpu"}
    return {
        "cuda" if condition.endswith("//tools/accelerator:cuda") else conditions[condition]: label
        for condition, label in selected.items()
    }


@pytest.mark.parametrize("name", sorted(_SELECTION))
def test_the_label_selects_by_the_accelerator(name):
    assert _followed(name) == _SELECTION[name]


def test_jax_is_another_wheel_for_each_accelerator():
    assert len(set(_followed("jax").values())) == 2
    assert "cpu" not in _followed("jax_cuda13_plugin")


@pytest.mark.parametrize("config", ["cpu", "cuda"])
def test_the_hub_offers_what_the_lock_has(config):
    locked = set(parse_lock.parse(_LOCKS[config]))
    offered = {name for name, labels in _SELECTION.items() if config in labels}
    assert locked <= offered
    # Beyond the wheels, a hub may have the repositories that some are installed together in.
    assert offered - locked <= set(_merged())


def test_no_cuda_wheel_without_the_cuda_config():
    assert [name for name, labels in _SELECTION.items() if _cuda_only(name) and "cpu" in labels] == []


def test_the_cuda_config_has_jax_plugin_and_libraries():
    cuda = {name for name, labels in _SELECTION.items() if "cuda" in labels}
    assert {"jax_cuda13_plugin", "jax_cuda13_pjrt", "nvidia_cublas"} <= cuda


@pytest.mark.parametrize("config", ["cpu", "cuda"])
def test_what_is_fetched_ahead_has_the_specs_of_the_rules(config):
    """Each spec whole, and as the same text: it is the key under which the rules look in the cache."""
    handed = json.loads((_HUB / "specs.json").read_text())
    chosen = {name: labels[config] for name, labels in _SELECTION.items() if config in labels}
    found = prefetch.specs(pathlib.Path.cwd(), sorted(chosen), config)
    assert {f"@pypi_{repository}//:pkg" for repository in found} == set(chosen.values())
    texts = {repository: json.dumps(spec, sort_keys=True, separators=(",", ":")) for repository, spec in found.items()}
    assert texts == {repository: handed[repository] for repository in found}


def _merged():
    """The wheels that are installed together, as WORKSPACE.bazel says."""
    for node in ast.walk(ast.parse(pathlib.Path("WORKSPACE.bazel").read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pypi_hub":
            return next(ast.literal_eval(keyword.value) for keyword in node.keywords if keyword.arg == "merged")
    raise AssertionError("WORKSPACE.bazel makes no hub")


def test_every_dependency_of_jax_is_reached_under_cuda():
    parsed = parse_lock.combine(_LOCKS, _merged())

    def closure(config):
        seen, left = set(), ["jax"]
        while left:
            name = left.pop()
            if name not in seen:
                seen.add(name)
                left += parsed["repositories"][parsed["hub"][name][config]]["deps"]
        return seen

    assert "cuda_wheels" in closure("cuda")
    assert not any(_cuda_only(name) for name in closure("cpu"))
    # Only what depends on the accelerator is there twice.
    assert parsed["hub"]["numpy"] == {"cpu": "numpy", "cuda": "numpy"}
    assert parsed["hub"]["torch"] == {"cpu": "torch", "cuda": "torch"}
    assert parsed["hub"]["jax"] == {"cpu": "jax__cpu", "cuda": "jax__cuda"}


def test_the_versions_are_the_same():
    cpu, cuda = (parse_lock.parse(_LOCKS[config]) for config in ("cpu", "cuda"))
    assert {name: entry["requirement"] for name, entry in cuda.items() if name in cpu} == {
        name: entry["requirement"] for name, entry in cpu.items()
    }
