"""`//tasks:lm_guide_train`: three layers learn to guide, from embedded plans.

See `docs/tasks/lm.md` for what it shows and `configs/lm_guide_train.py` for its configs.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

import jax

from humain import errors, learning
from humain.language import dataset
from humain.learning import LearningConfig
from humain.training import loop
from humain.viewing import tables
from tasks.harness import entry
from tasks.harness.context import TaskContext
from tasks.language import family, models
from tasks.language.models import Setup


def check(task: TaskContext) -> None:
    """Refuses, before anything is trained, what can't be."""
    config = task.config
    if not config.models:
        raise errors.UserError("models is empty; there must be at least one")
    if config.chunk_steps < 1 or config.num_updates % config.chunk_steps:
        raise errors.UserError(
            f"num_updates must be a multiple of chunk_steps ({config.chunk_steps}), not {config.num_updates}"
        )
    if config.batch_size < 1:
        raise errors.UserError(f"batch_size must be at least 1, not {config.batch_size}")
    task.check_batches({"batch_size": config.batch_size})


def run(task: TaskContext) -> Mapping[str, Any]:
    """Trains every model of the config."""
    data = dataset.read(family.data(task))
    trained: dict[str, Any] = {}
    for place, name in enumerate(task.config.models):
        setup = models.build(task.config, name, data)
        trained[name] = task.stage(name, partial(_train, task, name, setup, place, _batch_size(task, name)))
        if setup.milestones is not None:
            above = models.milestones_name(name)
            # Keys that no model has.
            place += len(task.config.models)
            trained[above] = task.stage(
                above, partial(_train, task, above, setup.milestones, place, task.config.batch_size)
            )
    return {"models": trained}


def _batch_size(task: TaskContext, name: str) -> int:
    """Examples for each layer an update."""
    return task.config.batch_size * task.config.models[name].batch_factor


def show(record: Mapping[str, Any]) -> None:
    """Prints what was trained."""
    rows = [
        [name, model["parameters"], model["updates"], ", ".join(map(str, model["examples"])), model["seconds"]]
        for name, model in record["results"]["models"].items()
    ]
    print(tables.ReportTable(["model", "parameters", "updates", "examples, bottom first", "seconds"], rows).to_text())


def _train(task: TaskContext, name: str, setup: Setup, place: int, batch_size: int) -> Mapping[str, Any]:
    key = jax.random.fold_in(jax.random.key(task.seed), place)
    learning_config = LearningConfig(batch_size=batch_size)
    learner = learning.begin(setup.model, learning_config, setup.abstractions, key)
    training_data = learning.gather(setup.model, learning_config, learner.state, setup.trajectories)
    result = task.train(
        name,
        learner,
        chunk=loop.make_chunk(learning.build_update(setup.model, learning_config), task.config.chunk_steps),
        data=training_data,
        num_steps=task.config.num_updates,
        chunk_steps=task.config.chunk_steps,
    )
    models.save(family.models(task) / f"{name}.safetensors", result.state.state, setup.centroids)
    return {
        "parameters": models.num_parameters(result.state.state),
        "updates": result.step,
        "examples": [len(found.walks) for found in training_data.experience.stretches if found is not None],
        "seconds": result.run_seconds,
        "compile_seconds": result.compile_seconds,
    }


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the task and ends the process; the command line is that of the process by default."""
    entry.main(
        entry.Task(
            name=family.TRAIN,
            run=run,
            show=show,
            check=check,
            description="Trains three layers on embedded plans, and the models to compare them with.",
            family=family.NAME,
            upstream={family.MANIFEST: family.PREPARE},
        ),
        arguments,
    )


if __name__ == "__main__":
    main()
