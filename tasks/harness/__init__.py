"""What all task binaries share: flags, config, work directory, results and exit codes."""

from tasks.harness.context import TaskContext
from tasks.harness.entry import Task, main

__all__ = ["Task", "TaskContext", "main"]
