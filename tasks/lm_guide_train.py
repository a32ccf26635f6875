"""`//tasks:lm_guide_train`: three layers learn to guide, from embedded plans.

See `docs/tasks/lm.md` for what it shows and `configs/lm_guide_train.py` for its configs.
"""

import dataclasses
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
from tasks.language import experience, family, models
from tasks.language.models import Setup


def check(task: TaskContext) -> None:
    """Refuses, before anything is trained, what can't be."""
    config = task.config
    if not config.models:
        raise errors.UserError("models is empty; there must be at least one")
    updates = {"num_updates": config.num_updates, "milestones.num_updates": config.milestones.num_updates}
    for name, number in updates.items():
        if config.chunk_steps < 1 or number % config.chunk_steps:
            raise errors.UserError(f"{name} must be a multiple of chunk_steps ({config.chunk_steps}), not {number}")
    factors = {f"models.{name}.batch_factor": model.batch_factor for name, model in config.models.items()}
    factors["milestones.batch_factor"] = config.milestones.batch_factor
    for name, number in {"batch_size": config.batch_size, **factors}.items():
        if number < 1:
            raise errors.UserError(f"{name} must be at least 1, not {number}")
    imagined = {"num_imagined": config.num_imagined, "milestones.num_imagined": config.milestones.num_imagined}
    for name, number in imagined.items():
        if number < 0:
            raise errors.UserError(f"{name} must be 0 or more, not {number}")
    models.check(config)
    task.check_batches({"batch_size": config.batch_size})


def run(task: TaskContext) -> Mapping[str, Any]:
    """Trains every model of the config."""
    data = dataset.read(family.data(task))
    trained: dict[str, Any] = {}
    for place, name in enumerate(task.config.models):
        setup = models.build(task.config, name, data)
        batch_size = task.config.batch_size * task.config.models[name].batch_factor
        share = task.config.models[name].train_share
        trained[name] = task.stage(
            name, partial(_train, task, name, setup, place, batch_size, task.config.num_updates, share)
        )
        if setup.milestones is not None:
            above, chosen = models.milestones_name(name), task.config.milestones
            # A key that no model has.
            number = len(task.config.models) + place
            batch_size = task.config.batch_size * chosen.batch_factor
            trained[above] = task.stage(
                above, partial(_train, task, above, setup.milestones, number, batch_size, chosen.num_updates)
            )
    return {"models": trained}


def show(record: Mapping[str, Any]) -> None:
    """Prints what was trained."""
    rows = [
        [name, model["parameters"], model["updates"], ", ".join(map(str, model["examples"])), model["seconds"]]
        for name, model in record["results"]["models"].items()
    ]
    print(tables.ReportTable(["model", "parameters", "updates", "examples, bottom first", "seconds"], rows).to_text())


def _train(
    task: TaskContext, name: str, setup: Setup, number: int, batch_size: int, num_updates: int, share: float = 0.0
) -> Mapping[str, Any]:
    key = jax.random.fold_in(jax.random.key(task.seed), number)
    learning_config = LearningConfig(batch_size=batch_size)
    learner = learning.begin(setup.model, learning_config, setup.abstractions, key)
    training_data = learning.gather(setup.model, learning_config, learner.state, setup.trajectories)
    listed = [len(found.walks) for found in training_data.experience.stretches if found is not None]
    if share and setup.num_ways < len(setup.trajectories.lengths):
        mixed = experience.shared_out(training_data.experience, num_first=setup.num_ways, share=share)
        training_data = dataclasses.replace(training_data, experience=mixed)
    result = task.train(
        name,
        learner,
        chunk=loop.make_chunk(learning.build_update(setup.model, learning_config), task.config.chunk_steps),
        data=training_data,
        num_steps=num_updates,
        chunk_steps=task.config.chunk_steps,
    )
    models.save(family.models(task) / f"{name}.safetensors", result.state.state, setup.centroids)
    return {
        "parameters": models.num_parameters(result.state.state),
        "updates": result.step,
        "examples": listed,
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
