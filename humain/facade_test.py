"""`import humain as hm`: what it offers, where that comes from, and what it leaves alone until it is used."""

import ast
import importlib
import json
import pathlib
import subprocess
import sys

import pytest

import humain as hm

_LIGHT = "import json, sys, humain as hm; dir(hm); hm.UserError; print(json.dumps(sorted(sys.modules)))"
_ALL = """
import json, sys
import humain as hm
for name in hm.__all__:
    if name != "gymnasium_environment":
        getattr(hm, name)
print(json.dumps(sorted(sys.modules)))
"""


def _modules(script):
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_it_imports_nothing_else():
    loaded = _modules(_LIGHT)
    for heavy in ("jax", "jaxlib", "numpy", "flax", "optax", "orbax", "torch", "transformers", "matplotlib", "tqdm"):
        assert heavy not in loaded, heavy
    assert {name for name in loaded if name.startswith("humain")} == {"humain", "humain.errors"}


def test_using_all_of_it_imports_neither_torch_nor_matplotlib_nor_orbax():
    loaded = _modules(_ALL)
    assert "jax" in loaded
    for heavy in ("torch", "transformers", "matplotlib", "orbax", "orbax.checkpoint", "gymnasium", "openai"):
        assert heavy not in loaded, heavy


@pytest.mark.parametrize("name", hm.__all__)
def test_each_name_is_what_its_module_has(name):
    module, _, own_name = hm._HOMES[name].partition(":")
    assert getattr(hm, name) is getattr(importlib.import_module(module), own_name or name)
    assert name in dir(hm)


def test_type_checkers_see_the_same_names_from_the_same_modules():
    tree = ast.parse(pathlib.Path(hm.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            seen[alias.asname or alias.name] = node.module if alias.asname is None else f"{node.module}:{alias.name}"
    assert seen == hm._HOMES
    assert hm.__all__ == sorted(seen)


def test_an_unknown_name_is_an_attribute_error_and_a_module_can_still_be_imported():
    with pytest.raises(AttributeError, match="'humain' has no attribute 'tain'"):
        hm.tain  # noqa: B018
    from humain import selection

    assert selection.select is not None
