"""The point mazes run as users run them: results, a report, questions, bad input, and resumption to the same bits."""

import json

import numpy as np
import pytest

from tasks import point_maze
from tasks.harness import interrupting

_SMOKE = ("--config=configs/point_maze.py:smoke",)
# Of the learning, not of the clock.
_MEASURED = ("success", "mean_steps", "places", "edges", "jumps", "dataset_sha256")

# Each run of the task compiles the same.
pytestmark = pytest.mark.usefixtures("kept_programs")


def _run(*words):
    with pytest.raises(SystemExit) as ended:
        point_maze.main(words)
    return ended.value.code


def test_a_small_run_is_shown_asked_and_resumed(tmp_path, capfd, monkeypatch):
    words = (f"--workdir={tmp_path / 'w'}", *_SMOKE)
    # Interrupted in the middle of learning the ways between places, and gone on with.
    with monkeypatch.context() as patch:
        interrupting.signal_once_saved(patch, "medium_stitch_places", 4)
        assert _run(*words) == 143
    assert not (tmp_path / "w" / "results.json").exists()
    assert _run(*words) == 0
    results = json.loads((tmp_path / "w" / "results.json").read_text())["results"]
    assert set(results) == {"medium_stitch", "baselines", "ablations"}
    entry = results["medium_stitch"]
    assert entry["success"]["episodes"] == 5
    assert len(entry["success"]["per_task"]) == 5
    assert set(results["baselines"]["medium_stitch"]) == {"map", "gcbc", "nearest", "search", "published"}
    # The maze's own map leads to every goal, and so does what was learned: the smoke run is small, but no failure.
    assert results["baselines"]["medium_stitch"]["map"]["success"]["mean"] == 1
    assert entry["success"]["mean"] == 1
    assert set(results["ablations"]["medium_stitch"]) == {"one_layer", "hindsight"}
    page = (tmp_path / "w" / "report.html").read_text()
    assert page.count("data:image/gif") == 1
    assert page.count("data:image/png") == 1
    assert "medium_stitch" in capfd.readouterr().out

    # Asked, it answers without learning anew.
    before = (tmp_path / "w" / "metrics.jsonl").read_bytes()
    assert _run(*words, "--start=0,0", "--goal=4,4") == 0
    assert "medium_stitch: reached in" in capfd.readouterr().out
    assert (tmp_path / "w" / "asked_medium_stitch.gif").exists()
    assert (tmp_path / "w" / "metrics.jsonl").read_bytes() == before

    # Uninterrupted it is the same, to the bit.
    assert _run(f"--workdir={tmp_path / 'whole'}", *_SMOKE) == 0
    whole = json.loads((tmp_path / "whole" / "results.json").read_text())["results"]["medium_stitch"]
    assert {name: whole[name] for name in _MEASURED} == {name: entry[name] for name in _MEASURED}
    files = [(tmp_path / name / "models" / "medium_stitch" / "model.humain").read_bytes() for name in ("w", "whole")]
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--size=huge",), 1, "there is no maze 'huge'; the sizes are medium, large, giant, teleport"),
        (("--kind=explore",), 1, "there is no kind of data 'explore'; the kinds are navigate, stitch"),
        (("--start=0,0",), 2, "--start and --goal go together; one of them is missing"),
        (("--start=0", "--goal=4,4"), 2, "--start=0 is not a position; write x,y as in --start=4,8"),
        (
            ("--start=0,0", "--goal=8,0"),
            1,
            "--goal=8,0 is in a wall of the maze medium; the nearest free cell is about",
        ),
        (("--start=-90,0", "--goal=0,0"), 1, "--start=-90,0 is outside the maze medium"),
        (("--data_share=0",), 1, "data_share must be more than 0 and at most 1, not 0"),
        (("--dataset=none.npz", "--size=medium"), 1, "none.npz can't be read"),
        (("--config.baselines=('magic',)",), 1, "baselines has 'magic', which is not one of map, gcbc"),
        (("--config.model.undo=some",), 1, "model.undo 'some' is not one of learned, all, none"),
        (("--config.test.episodes=0",), 1, "test.episodes must be more than 0, not 0"),
        (("--config.model.horizon=0",), 1, "model.horizon must be more than 0, not 0"),
        (("--config.model.place_radius=-1",), 1, "model.place_radius must be more than 0, not -1"),
        (("--config.model.num_steps=0",), 1, "model.num_steps must be more than 0, not 0"),
        (("--config.model.sweep_goals=-1",), 1, "model.sweep_goals must be more than 0, not -1"),
        (("--config.model.piece_places=1",), 1, "model.piece_places must be at least 2, not 1"),
    ],
)
def test_bad_input_is_one_clear_line_before_anything_is_made(tmp_path, capfd, words, code, message):
    assert _run(f"--workdir={tmp_path / 'w'}", *_SMOKE, *words) == code
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert line.startswith("point_maze: ")
    assert message in line
    assert not (tmp_path / "w" / "data").exists()


def test_the_maze_of_many_places_is_measured_on_a_small_one(tmp_path, capfd):
    small = {"width": 20, "height": 10, "num_walks": 100, "walk_rooms": 64, "sizes": (8, 8), "longest": 512}
    small |= {"max_nodes": 256, "num_pairs": 10, "batch_size": 4, "sweep_goals": 64}
    words = [f"--config.scale.{name}={value}" for name, value in small.items()]
    assert _run(f"--workdir={tmp_path / 'w'}", "--config=configs/point_maze.py:scale", *words) == 0
    found = json.loads((tmp_path / "w" / "results.json").read_text())["results"]["scale"]
    assert (found["places"], found["arrived"], found["goals_waiting"]) == (200, 1, 0)
    assert found["worst_ratio"] == pytest.approx(1)
    assert (tmp_path / "w" / "report.html").exists()
    assert "worst_ratio" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--size=large",), 2, "--size is for OGBench's mazes; the variant scale makes its own, leave it out"),
        (("--config.scale.width=0",), 1, "scale.width must be more than 0, not 0"),
        (("--config.scale.num_pairs=1",), 1, "scale.num_pairs must be at least 2, not 1"),
        (("--config.scale.opened=2",), 1, "scale.opened must be from 0 to 1, not 2"),
    ],
)
def test_bad_input_of_the_maze_of_many_places_is_one_clear_line(tmp_path, capfd, words, code, message):
    assert _run(f"--workdir={tmp_path / 'w'}", "--config=configs/point_maze.py:scale", *words) == code
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert line.startswith("point_maze: ")
    assert message in line


def test_a_file_that_is_no_data_set_is_refused(tmp_path, capfd):
    np.savez(tmp_path / "other.npz", states=np.zeros((3, 2)))
    words = ("--size=medium", f"--dataset={tmp_path / 'other.npz'}")
    assert _run(f"--workdir={tmp_path / 'w'}", *_SMOKE, *words) == 1
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert "has no observations and no actions and no terminals" in line
