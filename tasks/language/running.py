"""For tests: runs the language tasks as users do, in the smoke variant of their configs."""

import pathlib
from types import ModuleType

import pytest


def name(task: ModuleType) -> str:
    """What users call a task."""
    return task.__name__.removeprefix("tasks.")


def run(task: ModuleType, folder: pathlib.Path, *words: str) -> int:
    """Runs a task in a work directory, with more words on its command line; its exit code."""
    with pytest.raises(SystemExit) as ended:
        task.main([f"--config=configs/{name(task)}.py:smoke", f"--workdir={folder}", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def refusal(
    capfd: pytest.CaptureFixture[str], task: ModuleType, folder: pathlib.Path, *words: str, code: int = 1
) -> str:
    """The one line on which a task refuses to run, with an exit code."""
    capfd.readouterr()
    assert run(task, folder, *words) == code
    error = capfd.readouterr().err
    assert error.startswith(f"{name(task)}: ")
    assert error.count("\n") == 1
    return error
