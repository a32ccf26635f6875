"""For tests: a run that a signal interrupts at a chosen step."""

import dataclasses
import signal
from typing import Any

import pytest

from humain.training import checkpoint, interruption
from humain.training.loop import Host
from tasks.harness.context import TaskContext


def signal_once_saved(patch: pytest.MonkeyPatch, learner: str, step: int) -> None:
    """Has the process send itself SIGTERM when a learner is saved at a step, in the midst of its updates.

    Args:
        patch: undoes it.
        learner: its name within the run.
        step: a multiple of the run's `chunk_steps`; learners are saved every so many.
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
    # However slow the machine, the process is not ended before it has come to the next safe point.
    defaults = interruption.Interruption.__init__.__kwdefaults__
    assert defaults is not None
    patch.setitem(defaults, "grace_seconds", 3600.0)
