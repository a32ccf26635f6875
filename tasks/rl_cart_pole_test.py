"""The cart-pole task as users run it: results, goals asked later, resumption, datasets, and what is refused."""

import json
import signal

import pytest

from tasks import rl_cart_pole
from tasks.control import datasets

_TINY = (
    "--config=configs/rl_cart_pole.py:smoke",
    "--config.sets={'curriculum': (60, 40)}",
    "--config.model.kernel.width=8",
    "--config.model.kernel.hidden=8",
    "--config.learning.pool_size=4",
    "--config.learning.num_branches=4",
    "--config.test.episodes=2",
)


def _run(*words):
    with pytest.raises(SystemExit) as ended:
        rl_cart_pole.main(words)
    return ended.value.code


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """The arguments of a small run that has ended well, with a dataset written."""
    folder = tmp_path_factory.mktemp("run")
    words = ("--config=configs/rl_cart_pole.py:smoke", f"--workdir={folder / 'w'}", "--num_seeds=2")
    assert _run(*words, f"--save_dataset={folder / 'data'}") == 0
    return words


def _folder(words):
    return words[1].removeprefix("--workdir=")


def _results(words):
    with open(f"{_folder(words)}/results.json") as file:
        return json.load(file)["results"]


def test_the_results_are_as_documented(words):
    found = _results(words)
    assert set(found["sets"]) == {"kindergarten", "curriculum"}
    for entries in found["sets"].values():
        assert [entry["seed"] for entry in entries] == [0, 1]
        for entry in entries:
            assert {"mean", "sd", "min", "episodes", "env_steps", "collect_seconds", "learn_seconds"} < set(entry)
            assert entry["episodes"] == 4
            assert entry["env_steps"] == 200
            assert 1 <= entry["min"] <= entry["mean"] <= 500
    # Two courses of 100 steps.
    assert [point["env_steps"] for point in found["sets"]["curriculum"][0]["curve"]] == [100, 200]
    assert 9 <= found["baselines"]["random"]["mean"] <= 60
    assert found["moment"]["text"].splitlines()[1].startswith("├─ x ")


def test_a_finished_run_is_asked_for_goals_and_moments(words, capfd):
    assert _run(*words, "--goal=x=0.1", "--moment=2") == 0
    printed = capfd.readouterr().out
    assert printed.startswith("rl_cart_pole: finished already")
    assert "curriculum, seed 0: step 2 of the first trial" in printed
    goal = _results(words)["goals"]["x=0.1"]
    assert goal["trials"] == 4
    assert goal["held"] == sum(goal["held_by_seed"]) <= 4
    with open(f"{_folder(words)}/report.html") as file:
        report = file.read()
    assert "x=0.1" in report
    assert "data:image/gif;base64," in report
    assert _run(*words, "--moment=500") == 1
    assert "take an earlier one" in capfd.readouterr().err


def test_what_was_experienced_can_be_learned_from(words, tmp_path):
    data = f"{_folder(words)}/../data"
    recorded = datasets.load(rl_cart_pole.pathlib.Path(data).resolve())
    # All that the asked set experienced with the first seed.
    assert sum(len(episode.actions) for episode in recorded) == 200
    assert _run(*_TINY, f"--dataset={data}", f"--workdir={tmp_path / 'w'}") == 0
    with open(tmp_path / "w" / "results.json") as file:
        (entry,) = json.load(file)["results"]["sets"]["curriculum"]
    # The dataset's steps in place of 60 at random, and 40 more.
    assert entry["env_steps"] == 240


def test_a_run_that_is_interrupted_within_a_course_goes_on_to_the_same(tmp_path, monkeypatch):
    words = [*_TINY, "--config.num_updates=6", "--config.chunk_steps=1"]
    assert _run(*words, f"--workdir={tmp_path / 'whole'}") == 0
    chunks = []
    note = rl_cart_pole.training.TaskContext.train

    def train(self, name, state, **arguments):
        chunks.append(name)
        if len(chunks) == 2:
            # Within the second course: the first is learned, and its successor's chunk not yet run.
            signal.raise_signal(signal.SIGTERM)
        return note(self, name, state, **arguments)

    with monkeypatch.context() as patch:
        patch.setattr(rl_cart_pole.training.TaskContext, "train", train)
        assert _run(*words, f"--workdir={tmp_path / 'cut'}") == 143
    assert _run(*words, f"--workdir={tmp_path / 'cut'}") == 0
    assert chunks == ["curriculum_0", "curriculum_1"]

    def outcome(name):
        record = json.loads((tmp_path / name / "results.json").read_text())["results"]
        for entry in record["sets"]["curriculum"]:
            for key in ("collect_seconds", "learn_seconds", "compile_seconds"):
                del entry[key]
        return record, (tmp_path / name / "metrics.jsonl").read_bytes()

    assert outcome("cut") == outcome("whole")


@pytest.mark.parametrize(
    ("word", "code", "message"),
    [
        ("--goal=x", 2, "--goal=x: there is no =; expected something like x=1.0"),
        ("--goal=y=1", 2, "'y' is no coordinate of a cart pole; there are x, x_dot, theta, theta_dot"),
        ("--goal=x=nan", 2, "nan is no place to go to"),
        ("--config.asked_set=nursery", 1, "asked_set 'nursery' is none of"),
        ("--config.chunk_steps=7", 1, "num_updates must be a multiple of chunk_steps, and 20 is none of 7"),
        ("--config.learning.discount=1.5", 1, "learning: discount must lie between 0 and 1, not 1.5"),
        ("--config.test.episodes=0", 1, "test.episodes must be more than 0, not 0"),
        ("--dataset=nowhere", 1, "--dataset=nowhere can't be read: No such file or directory"),
    ],
)
def test_what_can_t_be_is_refused_on_one_line(tmp_path, capfd, word, code, message):
    assert _run("--config=configs/rl_cart_pole.py:smoke", word, f"--workdir={tmp_path / 'w'}") == code
    error = capfd.readouterr().err
    assert error.startswith("rl_cart_pole: ")
    assert error.count("\n") == 1
    assert message in error


def test_five_hundred_random_steps_are_enough_to_learn_to_balance(tmp_path):
    # Random pushes last about 20 steps; an agent that balances reaches the cap of 500.
    words = (
        "--config.sets={'curriculum': (500,)}",
        "--config.num_updates=300",
        "--config.test.episodes=10",
        f"--workdir={tmp_path / 'w'}",
    )
    assert _run(*words) == 0
    with open(tmp_path / "w" / "results.json") as file:
        (entry,) = json.load(file)["results"]["sets"]["curriculum"]
    assert entry["mean"] >= 400
