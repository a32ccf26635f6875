"""`//tasks:lm_data_prepare`: plans in words become a data set of embeddings.

See `docs/tasks/lm.md` for what it shows and `configs/lm_data_prepare.py` for its configs.
"""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from absl import flags

from humain import errors
from humain.language import dataset, plans, preparation, sentences
from humain.language.plans import TextPlan
from tasks.harness import entry
from tasks.harness.context import TaskContext
from tasks.language import crafting, embedding, family, given, recipes, writing


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags that only this task has."""
    flags.DEFINE_string(
        "corpus",
        None,
        "Plans to learn from in place of `crafting`: a file with a JSON object a line.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "goals", None, "Goals, one a line, for which the config's writer is to write plans.", flag_values=values
    )


def check(task: TaskContext) -> None:
    """Refuses, before anything is paid for, what can't be."""
    if task.flags.corpus is not None and task.flags.goals is not None:
        raise errors.UsageError("--corpus has plans and --goals asks for them: pass one of the two")
    embedding.check(task.config.embedder)


def run(task: TaskContext) -> Mapping[str, Any]:
    """Gets the plans, embeds what they say, and writes the data set."""
    # The embedder first: where it can't be had, no writer is to have been paid.
    embedder = embedding.build(task.config.embedder)
    text_plans, writer = _plans(task)

    def report(num_done: int, num_texts: int) -> None:
        task.interruption.check()
        if num_done == 0:
            task.progress.start("embedding", 0, num_texts)
        else:
            task.progress.update(num_done, {})

    try:
        prepared = preparation.prepare(text_plans, embedder, writer=writer, report=report)
    finally:
        task.progress.close()
    dataset.write(family.data(task), prepared)
    return {
        "plans": {split: sum(plan.split == split for plan in prepared.plans) for split in _splits(prepared.plans)},
        "sentences": len(prepared.vocabulary),
        "width": prepared.width,
        "embedder": prepared.embedder,
        "writer": prepared.writer,
    }


def show(record: Mapping[str, Any]) -> None:
    """Prints what there is."""
    found = record["results"]
    counts = ", ".join(f"{count} {split}" for split, count in found["plans"].items())
    print(f"{counts} plans by {found['writer']}, {found['sentences']} sentences by {found['embedder']}")


def _splits(prepared: Sequence[Any]) -> list[str]:
    return list(dict.fromkeys(plan.split for plan in prepared))


def _plans(task: TaskContext) -> tuple[Sequence[TextPlan], str]:
    """The plans, and the name of what wrote them."""
    if task.flags.corpus is not None:
        path = task.resolve(task.flags.corpus)
        corpus = plans.read_corpus(path)
        for split in _splits(corpus):
            family.check_split(split)
        given.check(corpus, str(path))
        return corpus, "corpus"
    if task.flags.goals is not None:
        return _written(task, task.resolve(task.flags.goals))
    chosen = task.config.crafting
    try:
        shipped = crafting.corpus(recipes.load(), seed=task.seed, **chosen)
    except ValueError as error:
        raise errors.UserError(f"crafting: {error}") from error
    return [TextPlan(plan.goal, plan.steps, plan.split, plan.items, plan.given) for plan in shipped], "crafting"


def _written(task: TaskContext, path: pathlib.Path) -> tuple[Sequence[TextPlan], str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.UserError(
            f"--goals={path} can't be read ({error}); name a text file with a goal a line"
        ) from error
    goals = [sentences.normalize(line) for line in lines if line.strip()]
    if not goals:
        raise errors.UserError(f"there is no goal in {path}; write one a line")
    texts, name = writing.write(task, goals)
    written = []
    for goal, text in zip(goals, texts, strict=True):
        steps = tuple(sentences.split(text))
        if not steps:
            raise errors.UserError(f"the writer's text for the goal {goal!r} has no sentence; try another model")
        written.append(TextPlan(goal, steps))
    return written, name


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the task and ends the process; the command line is that of the process by default."""
    entry.main(
        entry.Task(
            name=family.PREPARE,
            run=run,
            show=show,
            define_flags=define_flags,
            input_flags=("corpus", "goals"),
            check=check,
            description="Turns plans in words into a data set of embeddings.",
            family=family.NAME,
        ),
        arguments,
    )


if __name__ == "__main__":
    main()
