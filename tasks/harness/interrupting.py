"""For tests: interrupts a run by a signal at a chosen step."""

import dataclasses
import signal
from typing import Any

import pytest

from humain.training import checkpoint, interruption
from humain.training.loop import Host
from tasks.harness.context import TaskContext


def signal_once_saved(patch: pytest.MonkeyPatch, learner: str, step: int) -> None:
    """Makes the process send itself SIGTERM when a learner saves at a step, in the middle of its updates.

    Args:
        patch: the monkeypatch, which undoes it.
        learner: the learner's name within the run.
        step: the step, a multiple of the run's `chunk_steps`; learners then save at every chunk.
    """
    save, host = checkpoint.Checkpointer.save, TaskContext.host

    def save_and_ask(self: checkpoint.Checkpointer, at: int, state: Any, **arguments: Any) -> None:
        save(self, at, state, **arguments)
        if (self.directory.name, at) == (learner, step):
            signal.raise_signal(signal.SIGTERM)

    def host_that_saves(self: TaskContext, name: str) -> Host:
        return dataclasses.replace(host(self, name), checkpoint_steps=step)

    patch.setattr(TaskContext, "host", host_that_saves)
    patch.setattr(checkpoint.Checkpointer, "save", save_and_ask)
    # So long that even on a slow machine the process reaches the next safe point before it is ended.
    defaults = interruption.Interruption.__init__.__kwdefaults__
    assert defaults is not None
    patch.setitem(defaults, "grace_seconds", 3600.0)
