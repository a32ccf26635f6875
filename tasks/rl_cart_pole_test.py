"""The cart-pole task as users run it: results, goals asked later, resumption, datasets, and what is refused."""

import dataclasses
import json
import pathlib
import shutil
from typing import Any

import jax
import numpy as np
import pytest

from tasks import rl_cart_pole
from tasks.control import cart_pole, datasets
from tasks.harness import context, interrupting

_SETS = {"kindergarten", "curriculum", "no_layers", "one_layer", "one_layer_curriculum"}
_SMOKE = ("--config=configs/rl_cart_pole.py:smoke", "--num_seeds=2")

# Each run of the task compiles the same.
pytestmark = pytest.mark.usefixtures("kept_programs")


def _run(*words):
    with pytest.raises(SystemExit) as ended:
        rl_cart_pole.main(words)
    return ended.value.code


@pytest.fixture(scope="module", autouse=True)
def learned():
    """What every learner of every run ends with, by work directory and name."""
    found: dict[pathlib.Path, dict[str, Any]] = {}
    train = context.TaskContext.train

    def noted(self, name, state, **arguments):
        result = train(self, name, state, **arguments)
        found.setdefault(self.workdir, {})[name] = result.state
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context.TaskContext, "train", noted)
        yield found


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """The arguments of a small run that has ended well, with a dataset written."""
    folder = tmp_path_factory.mktemp("run")
    words = (f"--workdir={folder / 'w'}", *_SMOKE)
    assert _run(*words, f"--save_dataset={folder / 'data'}") == 0
    # As they are before anything else is asked.
    shutil.copy(folder / "w" / "results.json", folder / "results.json")
    return words


def _folder(words):
    return pathlib.Path(words[0].removeprefix("--workdir="))


def _results(folder):
    return json.loads((folder / "results.json").read_text())["results"]


def test_the_results_are_as_documented(words):
    found = _results(_folder(words))
    assert set(found["sets"]) == _SETS
    for entries in found["sets"].values():
        assert [entry["seed"] for entry in entries] == [0, 1]
        for entry in entries:
            assert {"mean", "sd", "min", "episodes", "env_steps", "collect_seconds", "learn_seconds"} < set(entry)
            assert entry["episodes"] == 4
            assert entry["env_steps"] == 200
            assert 1 <= entry["min"] <= entry["mean"] <= 500
    # Two stages of 100 steps.
    for name in ("curriculum", "one_layer_curriculum"):
        assert [point["env_steps"] for point in found["sets"][name][0]["curve"]] == [100, 200]
    assert set(found["moving_goals"]) == set(found["moving_goals_near"]) == _SETS
    for entry in (*found["moving_goals"].values(), *found["moving_goals_near"].values()):
        # Two seeds, two trials, three whole spans of 150 in 500 steps.
        assert set(entry) == {"goals", "held", "held_by_seed", "fallen"}
        assert entry["goals"] == 12
        assert len(entry["held_by_seed"]) == 2
        assert entry["held"] == sum(entry["held_by_seed"]) <= 12
    assert 9 <= found["baselines"]["random"]["mean"] <= 60
    assert found["plan"]["text"].splitlines()[1].startswith("├─ x ")


def test_a_finished_run_is_asked_for_goals_and_plans(words, capfd):
    assert _run(*words, "--goal=x=0.1", "--plan_step=2") == 0
    printed = capfd.readouterr().out
    assert printed.startswith("rl_cart_pole: finished already")
    assert "curriculum, seed 0: step 2 of the first trial" in printed
    goal = _results(_folder(words))["goals"]["x=0.1"]
    assert goal["trials"] == 4
    assert goal["successes"] == sum(goal["successes_by_seed"]) <= 4
    assert set(goal["fewer_layers"]) == {name for name in _SETS if "layer" in name}
    for entry in goal["fewer_layers"].values():
        assert entry["trials"] == 4 and entry["successes"] == sum(entry["successes_by_seed"]) <= 4
    report = (_folder(words) / "report.html").read_text()
    assert "x=0.1" in report
    assert "Goals in motion" in report
    assert "data:image/gif;base64," in report
    assert _run(*words, "--plan_step=500") == 1
    assert "take an earlier one" in capfd.readouterr().err


def test_what_was_experienced_can_be_learned_from(words, tmp_path):
    data = _folder(words).parent / "data"
    environment = cart_pole.domain().tested_in
    recorded = datasets.load(data, environment)
    # All that the asked set experienced with the first seed.
    assert np.sum(recorded.lengths - 1) == 200
    # A finished run still says it.
    assert _run(*words, f"--save_dataset={tmp_path / 'again'}") == 0
    again = datasets.load(tmp_path / "again", environment)
    jax.tree.map(np.testing.assert_array_equal, recorded, again)
    small = (
        "--config=configs/rl_cart_pole.py:smoke",
        "--config.sets={'curriculum': (60, 40)}",
        "--config.model.kernel.name=linear",
        "--config.model.kernel.num_keys=8",
        "--config.learning.pool_size=4",
        "--config.learning.num_branches=8",
        "--config.test.episodes=2",
    )
    assert _run(*small, f"--dataset={data}", "--time_actions", f"--workdir={tmp_path / 'w'}") == 0
    found = _results(tmp_path / "w")
    (entry,) = found["sets"]["curriculum"]
    # The dataset's steps in place of 60 at random, and 40 more.
    assert entry["env_steps"] == 240
    assert {how: timed["actions"] for how, timed in found["action_times"].items()} == {"alone": 1, "batch": 2}
    for timed in found["action_times"].values():
        assert list(timed["microseconds"]) == ["curriculum"]
        assert timed["microseconds"]["curriculum"] > 0
    assert "Time of an action" in (tmp_path / "w" / "report.html").read_text()


def _bits(state):
    """A learner's state with its key as the numbers that it is made of."""
    return dataclasses.replace(state, key=jax.random.key_data(state.key))


def _but_seconds(results):
    for entries in results["sets"].values():
        for entry in entries:
            for key in ("collect_seconds", "learn_seconds", "compile_seconds"):
                del entry[key]
    return results


def test_a_run_that_is_interrupted_within_a_stage_goes_on_to_the_same(words, tmp_path, monkeypatch, capfd, learned):
    cut = (f"--workdir={tmp_path / 'cut'}", *_SMOKE)
    # After the first of two chunks of the second stage.
    with monkeypatch.context() as patch:
        interrupting.signal_once_saved(patch, "curriculum_1", 10)
        assert _run(*cut) == 143
    error = capfd.readouterr().err
    assert error.splitlines()[-1] == "rl_cart_pole: interrupted; all is saved, the same command goes on from there"
    assert list(learned[tmp_path / "cut"]) == ["curriculum_0"]
    assert not (tmp_path / "cut" / "stages").exists()
    assert _run(*cut) == 0
    assert "curriculum_1: step 10 of 20 (resumed)" in capfd.readouterr().err.splitlines()

    whole, mended = learned[_folder(words)], learned[tmp_path / "cut"]
    learners = ["curriculum_0", "curriculum_1", "kindergarten_0", "one_layer_0"]
    learners += ["one_layer_curriculum_0", "one_layer_curriculum_1"]
    assert list(whole) == list(mended) == learners
    for name, state in whole.items():
        jax.tree.map(np.testing.assert_array_equal, _bits(mended[name]), _bits(state))
    assert _but_seconds(_results(tmp_path / "cut")) == _but_seconds(_results(_folder(words).parent))
    metrics = [(folder / "metrics.jsonl").read_bytes() for folder in (tmp_path / "cut", _folder(words))]
    assert metrics[0] == metrics[1]


@pytest.mark.parametrize(
    ("word", "code", "message"),
    [
        ("--goal=x", 2, "--goal=x: there is no =; expected something like x=1.0"),
        ("--goal=y=1", 2, "'y' is not a coordinate of a cart pole; there are x, x_dot, theta, theta_dot"),
        ("--goal=x=nan", 2, "nan is not a finite number"),
        ("--goal=x=1,x=2", 2, "x is named twice"),
        ("--goal=theta=0.1", 1, "--goal=theta=0.1: the layers learn goals in x only (learning.goal_coordinates)"),
        ("--save_dataset=.", 1, "is there already; name a directory that is not, or delete it"),
        ("--config.sets={}", 1, "sets is empty; there must be at least one"),
        ("--config.sets={'a': 100}", 1, "sets.a must be one or more numbers of steps, each at least 1, not 100"),
        ("--config.sets={'a': (0,)}", 1, "sets.a must be one or more numbers of steps, each at least 1, not (0,)"),
        ("--config.num_updates=0", 1, "num_updates must be a number, at least 1, not 0"),
        ("--config.shown.plan_step=-1", 1, "shown.plan_step must be at least 0, not -1"),
        ("--config.learning.goal_weights=(1.0,)", 1, "learning: goal_weights must be 4 numbers, not 1"),
        ("--config.learning.stretch=0.0", 1, "learning: stretch must be more than 0, not 0.0"),
        ("--config.asked_set=nursery", 1, "asked_set 'nursery' is not one of"),
        ("--config.chunk_steps=7", 1, "num_updates (20) is not a multiple of chunk_steps (7)"),
        ("--config.learning.discount=1.5", 1, "learning: discount must lie between 0 and 1, not 1.5"),
        ("--config.test.episodes=0", 1, "test.episodes must be more than 0, not 0"),
        (
            "--config.sets={'one_layers': (60,)}",
            1,
            "ablations.one_layer: there is no set 'one_layer'; if 'one_layers' is",
        ),
        ("--config.ablations.no_layers.num_layers=3", 1, "ablations.no_layers: num_layers must be 0, 1 or 2, not 3"),
        (
            "--config.moving.moving_goals.hold_steps=151",
            1,
            "moving.moving_goals: hold_steps must be from 1 to span_steps (150), not 151",
        ),
        (
            "--config.moving.moving_goals.span_steps=501",
            1,
            "moving.moving_goals: span_steps, hold_steps and trials must be whole numbers, at least 1, and span_steps "
            "at most 500, the steps of an episode, not 501, ",
        ),
        (
            "--config.moving.moving_goals.goals=('y=1.0',)",
            2,
            "moving.moving_goals: y=1.0: ",
        ),
        (
            "--config.learning.action_examples=24",
            1,
            "learning, for the set one_layer: action_examples must be less than branch_steps (24) for a layer by ",
        ),
        ("--dataset=nowhere", 1, "--dataset=nowhere can't be read: No such file or directory"),
    ],
)
def test_what_can_t_be_is_refused_on_one_line(tmp_path, capfd, word, code, message):
    assert _run("--config=configs/rl_cart_pole.py:smoke", word, f"--workdir={tmp_path / 'w'}") == code
    error = capfd.readouterr().err
    assert error.startswith("rl_cart_pole: ")
    assert error.count("\n") == 1
    assert message in error
