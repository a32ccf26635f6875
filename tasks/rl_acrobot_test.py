"""An environment of Gymnasium is learned in as users run it: results, goals asked later, a dataset, and resumption."""

import json
import shutil

import numpy as np
import pytest

from tasks import rl_acrobot
from tasks.control import acrobot, datasets
from tasks.harness import interrupting

_SMOKE = (
    "--config=configs/rl_acrobot.py:smoke",
    "--config.sets={'curriculum': (60, 40)}",
    "--config.model.kernel.name=linear",
    "--config.model.kernel.num_keys=8",
    "--config.learning.pool_size=4",
    "--config.learning.num_branches=8",
    "--config.test.episodes=2",
)

# Each run of the task compiles the same.
pytestmark = pytest.mark.usefixtures("kept_programs")


def _run(*words):
    with pytest.raises(SystemExit) as ended:
        rl_acrobot.main(words)
    return ended.value.code


def test_a_small_run_is_documented_asked_and_resumed(tmp_path, capfd, monkeypatch):
    words = (f"--workdir={tmp_path / 'w'}", *_SMOKE)
    # Interrupted after the first of two chunks of the second stage, and gone on with.
    with monkeypatch.context() as patch:
        interrupting.signal_once_saved(patch, "curriculum_1", 10)
        assert _run(*words) == 143
    assert _run(*words) == 0
    found = json.loads((tmp_path / "w" / "results.json").read_text())["results"]
    (entry,) = found["sets"]["curriculum"]
    assert [point["env_steps"] for point in entry["curve"]] == [60, 100]
    # A step costs 1, and no swing up takes less than 60.
    assert -500 <= entry["min"] <= entry["mean"] <= -60
    assert found["plan"]["text"].splitlines()[1].startswith("├─ rods ")
    assert "torque" in found["plan"]["text"]
    shutil.copytree(tmp_path / "w", tmp_path / "before")

    assert _run(*words, "--goal=cos_1=0.9", "--plan_step=1", f"--save_dataset={tmp_path / 'data'}") == 0
    assert "curriculum, seed 0: step 1 of the first trial" in capfd.readouterr().out
    goal = json.loads((tmp_path / "w" / "results.json").read_text())["results"]["goals"]["cos_1=0.9"]
    assert goal["trials"] == 2
    assert "stop after 500 steps." in (tmp_path / "w" / "report.html").read_text()
    recorded = datasets.load(tmp_path / "data", acrobot.domain().tested_in)
    assert np.sum(recorded.lengths - 1) == 100

    # Uninterrupted it is the same, to the bit.
    whole = (f"--workdir={tmp_path / 'whole'}", *_SMOKE)
    assert _run(*whole) == 0
    metrics = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("before", "whole")]
    assert metrics[0] == metrics[1]
