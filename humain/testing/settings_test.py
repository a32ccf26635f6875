"""The plugin makes JAX strict, also inside transformations."""

import os
import pathlib
import subprocess
import sys
import warnings

import jax
import jax.numpy as jnp
import pytest

from humain.testing import damaged_files


def test_ranks_are_not_promoted_silently():
    with pytest.raises(ValueError, match="rank_promotion"):
        jnp.ones((2, 3)) + jnp.ones(3)


@pytest.mark.parametrize("transform", [lambda function: function, jax.jit], ids=["plain", "jit"])
def test_a_key_used_twice_is_an_error(transform):
    def draw_twice(key):
        return jax.random.normal(key) + jax.random.uniform(key)

    with pytest.raises(jax.errors.KeyReuseError):
        transform(draw_twice)(jax.random.key(0))


def test_a_key_used_twice_inside_scan_is_an_error():
    def draw(key, _):
        return key, jax.random.normal(key)  # the same key in each round

    with pytest.raises(jax.errors.KeyReuseError):
        jax.lax.scan(draw, jax.random.key(0), None, length=2)


def test_split_and_folded_keys_are_good_under_vmap_and_scan():
    keys = jax.random.split(jax.random.key(0), 3)
    drawn = jax.vmap(jax.random.normal)(keys)
    root = jax.random.key(1)
    _, scanned = jax.lax.scan(
        lambda carry, step: (carry, jax.random.normal(jax.random.fold_in(root, step))), 0, jnp.arange(3)
    )
    assert len(set(drawn.tolist()) | set(scanned.tolist())) == 6


def test_warnings_are_errors():
    with pytest.raises(UserWarning, match="careful"):
        warnings.warn("careful", UserWarning, stacklevel=1)


_ELSEWHERE = """
import os, pathlib

from humain.testing import settings

settings.SHARED_PROGRAMS = pathlib.Path(os.environ["SHARED_HERE"])
"""
_COMPILING = """
import jax
import jax.numpy as jnp


def compile_where(name):
    print(f"{name}:", jax.config.values["jax_compilation_cache_dir"])
    jax.jit(lambda values: values * 3.0 + 1.0)(jnp.arange(3.0))


def test_shared():
    compile_where("shared")


def test_kept(kept_programs):
    jax.clear_caches()
    compile_where("kept")
"""


def _programs_lie_in(folder: pathlib.Path, shared: pathlib.Path) -> dict[str, str]:
    """Runs two tests that compile under the plugin, with another shared folder; says where JAX keeps each one's."""
    (folder / "elsewhere.py").write_text(_ELSEWHERE)
    (folder / "compiling_test.py").write_text(_COMPILING)
    plugins = ["-p", "elsewhere", "-p", "humain.testing.settings", "-p", "no:cacheprovider"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "TEST"))}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    environment["PYTHONPATH"] = os.pathsep.join([str(folder), *(path for path in sys.path if path)])
    environment["SHARED_HERE"] = str(shared)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-s", "-q", *plugins, f"--basetemp={folder / 'temp'}", "compiling_test.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    lines = [line.lstrip(".").partition(": ") for line in ended.stdout.splitlines()]
    return {name: place for name, _, place in lines if name in ("shared", "kept")}


def test_programs_are_shared_where_the_folder_may_be_written(tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    assert _programs_lie_in(tmp_path, shared) == {"shared": str(shared), "kept": str(shared)}
    places = damaged_files.places(shared)
    assert places
    for place in places:
        os.utime(place, (0, 0))
    # The next process makes none, and uses them all.
    _programs_lie_in(tmp_path, shared)
    assert damaged_files.places(shared) == places
    assert all(place.stat().st_mtime > 0 for place in places)


def test_no_programs_are_shared_where_the_folder_is_not_there(tmp_path):
    found = _programs_lie_in(tmp_path, tmp_path / "shared")
    assert found["shared"] == "None"
    assert pathlib.Path(found["kept"]).is_relative_to(tmp_path / "temp")
    assert damaged_files.places(pathlib.Path(found["kept"]))
    assert not (tmp_path / "shared").exists()
