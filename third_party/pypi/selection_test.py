"""What --config=cpu and --config=cuda select, read off the hub itself; nothing is fetched for it.

`selection.json` is written by the repository rule that writes the hub's labels, from the same table.
"""

import json
import os
import pathlib

import pytest

from third_party.pypi import parse_lock

_SELECTION = json.loads(pathlib.Path(os.environ["SELECTION"]).read_text())
_LOCKS = {
    "cpu": pathlib.Path("requirements_lock.txt").read_text(),
    "cuda": pathlib.Path("requirements_cuda_lock.txt").read_text(),
}


def _cuda_only(name):
    return name.startswith(("nvidia_", "jax_cuda", "cuda_"))


@pytest.mark.parametrize("config", ["cpu", "cuda"])
def test_the_hub_offers_what_the_lock_has(config):
    locked = set(parse_lock.parse(_LOCKS[config]))
    offered = {name for name, labels in _SELECTION.items() if config in labels}
    assert locked <= offered
    # Beyond the wheels, a hub may have the repositories that some are installed together in.
    assert offered - locked <= {"cuda_wheels"}


def test_no_cuda_wheel_without_the_cuda_config():
    assert [name for name, labels in _SELECTION.items() if _cuda_only(name) and "cpu" in labels] == []


def test_the_cuda_config_has_jax_plugin_and_libraries():
    cuda = {name for name, labels in _SELECTION.items() if "cuda" in labels}
    assert {"jax_cuda13_plugin", "jax_cuda13_pjrt", "nvidia_cublas"} <= cuda


def test_every_dependency_of_jax_is_reached_under_cuda():
    merged = {"cuda_wheels": ["jax_cuda13_*", "nvidia_*"]}
    parsed = parse_lock.combine(_LOCKS, merged)

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
