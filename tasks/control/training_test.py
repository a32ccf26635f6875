"""A set that is trained within a task stops between its stages when it is asked to."""

import types
from typing import Any

import pytest

from humain.training.interruption import Interrupted
from tasks.control import training


class _Interruption:
    """Asks to stop at the check of that number, counted from 0."""

    def __init__(self, at):
        self.at = at
        self.checks = 0

    def check(self):
        if self.checks == self.at:
            raise Interrupted(15)
        self.checks += 1


@pytest.mark.parametrize(("at", "begun"), [(0, []), (1, [100]), (2, [100, 150]), (None, [100, 150])])
def test_a_set_stops_before_and_after_each_stage(monkeypatch, at, begun):
    done = []

    def run(learner, name, stage_steps, *, seed, num_seeds, train, ahead):
        assert (learner, name, stage_steps, seed, num_seeds) == ("learner", "few", (100, 50), 3, 2)
        assert (train, ahead) == ("train", "ahead")
        for env_steps in (100, 150):
            done.append(env_steps)
            yield env_steps

    monkeypatch.setattr(training.curriculum, "run", run)
    task: Any = types.SimpleNamespace(
        config=types.SimpleNamespace(sets={"few": (100, 50)}),
        flags=types.SimpleNamespace(num_seeds=2),
        seed=3,
        train="train",
        mesh=None,
        ahead="ahead",
        interruption=_Interruption(at),
    )
    learner: Any = "learner"
    if at is None:
        assert training.train_set(task, learner, "few") == [100, 150]
    else:
        with pytest.raises(Interrupted):
            training.train_set(task, learner, "few")
    assert done == begun
