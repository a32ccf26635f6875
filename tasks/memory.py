"""`//tasks:memory`: the effect of each part of the memory, in small worlds with a known optimum.

See `docs/tasks/memory.md` for the experiments and `configs/memory.py` for the configs.
"""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

from humain import errors
from tasks.ablations import experiments, report
from tasks.harness import entry
from tasks.harness.context import TaskContext

_NAME = "memory"


def check(task: TaskContext) -> None:
    """Checks, before anything is run, that all experiments and settings exist and are valid."""
    config = task.config
    if not config.experiments:
        raise errors.UserError(f"experiments is empty; choose from {', '.join(experiments.EXPERIMENTS)}")
    if len(set(config.experiments)) < len(config.experiments):
        raise errors.UserError(f"experiments {', '.join(config.experiments)} have one of them twice")
    if config.num_seeds < 1:
        raise errors.UserError(f"num_seeds must be at least 1, not {config.num_seeds}")
    for name in config.experiments:
        _settings(task, name)


def run(task: TaskContext) -> Mapping[str, Any]:
    """Runs the experiments one after the other, each as a stage."""
    results = {name: task.stage(name, partial(_measure, task, name)) for name in task.config.experiments}
    report.write(task.workdir, results)
    return results


def show(record: Mapping[str, Any]) -> None:
    """Prints the table."""
    print(report.table(record["results"]).to_text())


def _settings(task: TaskContext, name: str) -> Any:
    return experiments.build_settings(name, task.config[name].to_dict() if name in task.config else {})


def _measure(task: TaskContext, name: str) -> dict[str, Any]:
    settings = _settings(task, name)
    start = time.monotonic()
    result = experiments.EXPERIMENTS[name].measure(settings, seed=task.seed, num_seeds=task.config.num_seeds)
    return {"title": result.title, **result.to_json(), "seconds": time.monotonic() - start}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the task and ends the process; the command line is that of the process by default."""
    task = entry.Task(
        name=_NAME,
        run=run,
        show=show,
        check=check,
        description="Measures the effect of each part of the memory, in small worlds with a known optimum.",
    )
    entry.main(task, arguments)


if __name__ == "__main__":
    main()
