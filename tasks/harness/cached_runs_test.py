"""Tests of runs with a cache of compiled programs: they are the same with any and with none."""

import json
import os

import jax
import numpy as np
import pytest

from humain.testing import damaged_files
from tasks.harness import entry, toy_task

_CONFIG = '''
import ml_collections


def get_config():
    """Gives the config."""
    return ml_collections.ConfigDict(
        {
            "num_steps": 20,
            "chunk_steps": 10,
            "batch_size": 8,
            "learning_rate": 0.1,
            "checkpoint_seconds": 60.0,
            "mesh": {"data": 1},
        }
    )
'''


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the toy task as if in a process of its own; returns what it found, saved, measured and printed."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "toy.py").write_text(_CONFIG)
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))

    def run_toy(name, cache):
        jax.clear_caches()
        folder = tmp_path / name
        with pytest.raises(SystemExit) as ended:
            entry.main(toy_task.TASK, [f"--workdir={folder}", f"--compilation_cache={cache}"])
        assert ended.value.code == 0
        # An infinite loss would be equal too.
        results = json.loads((folder / "results.json").read_text())["results"]
        assert np.isfinite(results["first"]["loss"])
        markers = sorted(folder.glob("checkpoints/*/*/checkpoint.json"))
        assert markers
        return results, (folder / "metrics.jsonl").read_bytes()

    yield run_toy
    jax.clear_caches()


@pytest.mark.parametrize(
    "damage", [None, damaged_files.truncate, damaged_files.flip(0.5)], ids=["whole", "truncated", "flipped"]
)
def test_a_run_is_the_same_without_a_cache_with_an_empty_a_full_and_a_damaged_one(run, tmp_path, capfd, damage):
    without = run("without", "")
    assert run("empty", "cache") == without
    places = damaged_files.places(tmp_path / "cache")
    assert places
    capfd.readouterr()
    for place in places:
        os.utime(place, (0, 0))
        if damage is not None:
            damage(place)
    assert run("full", "cache") == without
    lines = [line for line in capfd.readouterr().err.splitlines() if "warning" in line or "Error" in line]
    # What was whole was used, what was not was made anew.
    assert all(place.stat().st_mtime > 0 for place in places)
    assert len(lines) == (0 if damage is None else 1)
    assert run("again", "cache") == without
    assert "warning" not in capfd.readouterr().err


def test_paths_are_relative_to_the_user(run, tmp_path):
    run("w", "here/cache")
    assert damaged_files.places(tmp_path / "here" / "cache")
