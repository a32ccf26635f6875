"""Tests of stages and of training on behalf of a run."""

import json
import pathlib
from typing import Any

import jax.numpy as jnp
import ml_collections
import pytest
from absl import flags as absl_flags

from humain import errors
from humain.training import interruption, loop, metrics, progress
from humain.training.processes import Processes
from tasks.harness import context, workdir


class _Asked(interruption.Interruption):
    """An interruption that comes when it is told to, without a signal."""

    def ask(self) -> None:
        self._requested = 2


def _context(path: pathlib.Path, *, seed: int = 0) -> context.TaskContext:
    return context.TaskContext(
        task="toy",
        config=ml_collections.FrozenConfigDict({"rate": 0.1}),
        seed=seed,
        workdir=path,
        flags=absl_flags.FlagValues(),
        identity=workdir.Identity("toy", {"rate": 0.1}, seed),
        interruption=_Asked(),
        metrics=metrics.MetricsWriter(path, tensorboard=False),
        progress=progress.NoProgress(),
    )


def _count(state: Any, data: Any, step: Any) -> tuple[Any, dict[str, Any]]:
    return state + data * step, {"count": step}


def _train(task: context.TaskContext, name: str, num_steps: int) -> float:
    result = task.train(
        name,
        jnp.zeros(()),
        chunk=loop.make_chunk(_count, 2),
        data=jnp.ones(()),
        num_steps=num_steps,
        chunk_steps=2,
    )
    return float(result.state)


def test_a_finished_stage_is_not_run_again(tmp_path: pathlib.Path) -> None:
    calls = []

    def work() -> Any:
        calls.append(1)
        return {"pair": (1, 2), "bad": float("nan"), 3: jnp.ones(2)}

    first = _context(tmp_path).stage("test", work)
    again = _context(tmp_path).stage("test", work)
    assert len(calls) == 1
    assert first == again == {"3": [1.0, 1.0], "bad": None, "pair": [1, 2]}
    assert list(first) == list(again)


def test_a_stage_of_another_run_is_run_again(tmp_path: pathlib.Path) -> None:
    assert _context(tmp_path).stage("test", lambda: 1) == 1
    assert _context(tmp_path, seed=1).stage("test", lambda: 2) == 2


def test_the_first_of_several_processes_decides_whether_a_stage_is_stored(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = _context(tmp_path)
    asked: list[int] = []
    answer = 0

    def agree(self: Processes, *numbers: int) -> tuple[int, ...]:
        if self.count == 1:  # the interruption's
            return numbers
        asked.extend(numbers)
        return (max(answer, *numbers),)

    monkeypatch.setattr(Processes, "agree", agree)
    task.processes = Processes(index=1, count=2)
    # The first process sees a result that this one does not, and must not wait for its part in the work.
    answer = 1
    with pytest.raises(errors.UserError, match="test.json can't be read by process 1; all processes must share one"):
        task.stage("test", lambda: pytest.fail("the first process does not work on it"))
    assert asked == [0]
    answer = 0
    assert task.stage("test", lambda: 1) == 1
    # The other way round: this process sees a result, and works all the same.
    assert task.stage("test", lambda: 2) == 2

    answer = 1
    assert task.stage("test", lambda: 3) == 2
    answer = 0
    task.processes = Processes(index=0, count=2)
    asked.clear()
    assert task.stage("test", lambda: 3) == 2
    assert task.stage("other", lambda: 4) == 4
    assert asked == [1, 0]


@pytest.mark.parametrize("content", ["", '{"fingerprint": "x', "[]"])
def test_a_torn_stage_is_run_again(tmp_path: pathlib.Path, content: str) -> None:
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / "test.json").write_text(content)
    assert _context(tmp_path).stage("test", lambda: 1) == 1


def test_a_stage_that_fails_is_not_stored(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ZeroDivisionError):
        _context(tmp_path).stage("test", lambda: 1 // 0)
    assert _context(tmp_path).stage("test", lambda: 1) == 1


def test_steps_count_those_of_stored_stages(tmp_path: pathlib.Path) -> None:
    task = _context(tmp_path)
    # 0 + 1 + 2 + 3
    assert task.stage("a", lambda: _train(task, "a", 4)) == 6
    _train(task, "b", 6)
    assert task.steps == 10
    again = _context(tmp_path)
    again.stage("a", lambda: _train(again, "a", 4))
    _train(again, "b", 6)
    assert again.steps == 10
    assert json.loads((tmp_path / "stages" / "a.json").read_text())["steps"] == 4


def test_learners_are_kept_apart(tmp_path: pathlib.Path) -> None:
    task = _context(tmp_path)
    _train(task, "a", 4)
    assert _train(task, "b", 2) == 1
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["a", "b"]
    names = [line["name"] for line in metrics.read_metrics(tmp_path / "metrics.jsonl")]
    assert names == ["a", "a", "b"]
    restored = task.checkpointer("a").restore(jnp.zeros(()))
    assert restored is not None
    assert restored.state == 6


def test_an_interruption_is_heeded_before_a_stage_and_before_training(tmp_path: pathlib.Path) -> None:
    task = _context(tmp_path)
    task.stage("done", lambda: 1)
    assert isinstance(task.interruption, _Asked)
    task.interruption.ask()
    assert task.stage("done", lambda: 2) == 1
    with pytest.raises(interruption.Interrupted):
        task.stage("next", lambda: 2)
    with pytest.raises(interruption.Interrupted):
        _train(task, "a", 2)


def test_a_stage_does_not_store_secrets(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.UserError, match="stage test.password looks like a secret"):
        _context(tmp_path).stage("test", lambda: {"password": "x"})
    assert not (tmp_path / "stages").exists()


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b"])
def test_names_that_are_no_file_names_are_refused(tmp_path: pathlib.Path, name: str) -> None:
    with pytest.raises(errors.UserError, match="can't name a stage or a learner"):
        _context(tmp_path).stage(name, lambda: 1)
    with pytest.raises(errors.UserError, match="can't name a stage or a learner"):
        _train(_context(tmp_path), name, 2)


def test_paths_are_those_of_the_user(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path / "here"))
    assert _context(tmp_path).resolve("g.csv") == tmp_path / "here" / "g.csv"


def test_devices_that_are_not_there_are_refused(tmp_path: pathlib.Path) -> None:
    task = _context(tmp_path)
    # Without a mesh in the config there is one device, and it takes any batch.
    assert task.mesh is None
    task.check_batches({"batch_size": 7})
    task = _context(tmp_path)
    task.config = ml_collections.FrozenConfigDict({"mesh": {"data": 9}})
    with pytest.raises(errors.UserError, match=r"--config.mesh.data=9: a mesh of 9 devices was requested"):
        task.check_batches({"batch_size": 7})
