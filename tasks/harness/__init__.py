"""What every task binary shares: flags, config, work directory, results, exit codes."""

from tasks.harness.context import TaskContext
from tasks.harness.entry import Task, main

__all__ = ["Task", "TaskContext", "main"]
