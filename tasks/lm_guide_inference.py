"""`//tasks:lm_guide_inference`: the trained hierarchy says how to reach goals.

See `docs/tasks/lm.md` for what it shows and `configs/lm_guide_inference.py` for its configs.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from absl import flags

from humain import errors
from humain.language import dataset
from humain.language.dataset import Dataset
from humain.viewing import tables
from tasks.harness import entry
from tasks.harness.context import TaskContext
from tasks.language import embedding, family, grounding, guides, models, outline
from tasks.language.guiding import Guidance, Guide
from tasks.language.models import Setup


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags that only this task has."""
    flags.DEFINE_multi_string(
        "goal", [], "A goal of your own, in words, to be planned for; may be given several times.", flag_values=values
    )


def check(task: TaskContext) -> None:
    """Refuses, before anything is loaded, what can't be."""
    family.check_made_from(task, family.TRAIN, family.MANIFEST)
    if task.config.mode not in ("think", "react"):
        raise errors.UserError(f"mode must be 'think' or 'react', not {task.config.mode!r}")
    for key in ("max_steps", "max_sub_steps", "max_top_steps"):
        if task.config[key] < 1:
            raise errors.UserError(f"{key} must be at least 1, not {task.config[key]}")
    if any(not goal.strip() for goal in task.flags.goal):
        raise errors.UsageError("--goal is empty; say what is to be reached")


def run(task: TaskContext) -> Mapping[str, Any]:
    """Guides for every plan of the data, by every model."""
    data = dataset.read(family.data(task))
    asked = _ground(task, data, [plan.goal for plan in data.plans], [plan.given for plan in data.plans])
    written = guides.Writing()
    counts: dict[str, dict[str, int]] = {}
    for name in family.config_of(task, family.TRAIN).models:
        setup, guidance = _load(task, name, data)
        task.progress.start(f"{name}: guiding", 0, len(asked))
        try:
            counts[name] = _write_guides(
                task, name=name, setup=setup, guidance=guidance, data=data, asked=asked, written=written
            )
        finally:
            task.progress.close()
    written.write(task.workdir)
    return {"models": counts}


def _write_guides(
    task: TaskContext,
    *,
    name: str,
    setup: Setup,
    guidance: Guidance,
    data: Dataset,
    asked: Sequence[Sequence[int]],
    written: guides.Writing,
) -> dict[str, int]:
    """Adds what a model says for every plan, and counts it."""
    counts = {"guides": 0, "finished": 0, "steps": 0, "candidates": 0}
    # What is given to learn from alone is not asked for again: it is much, and says little of what was learned.
    numbers = [number for number, plan in enumerate(data.plans) if plan.split != models.BLUEPRINTS]
    guidance.think_of([goal for number in numbers for goal in asked[number]])
    for number in numbers:
        plan, goals = data.plans[number], asked[number]
        task.interruption.check()
        guide = _guide(task, guidance, goals)
        written.add_guide(model=name, number=number, plan=plan, goals=goals, guide=guide, restore=setup.scaling.restore)
        counts["guides"] += 1
        counts["finished"] += guide.finished
        counts["steps"] += len(guide.steps)
        if plan.split != models.TRAIN and not plan.given:
            for time in range(len(plan.steps)):
                reaction = guidance.react(goals, plan.steps[:time])
                written.add_candidate(
                    model=name, number=number, time=time, reaction=reaction, restore=setup.scaling.restore
                )
                counts["candidates"] += 1
        task.progress.update(number + 1, {})
    return counts


def show(record: Mapping[str, Any]) -> None:
    """Prints how many guides there are."""
    columns = ("guides", "finished", "steps", "candidates")
    rows = [[name, *(counts[key] for key in columns)] for name, counts in record["results"]["models"].items()]
    print(tables.ReportTable(["model", "guides", "finished", "steps", "next steps asked for"], rows).to_text())


def answer(task: TaskContext) -> None:
    """Prints the plan for every --goal, and writes them all."""
    if not task.flags.goal:
        return
    data = dataset.read(family.data(task))
    trained = family.config_of(task, family.TRAIN).models
    name = models.main(trained)
    setup, guidance = _load(task, name, data)
    written = guides.Writing()
    goals = [" ".join(goal.split()) for goal in task.flags.goal]
    for goal, asked in zip(goals, _ground(task, data, goals, [()] * len(goals)), strict=True):
        guide = _guide(task, guidance, asked)
        written.add_asked(model=name, goal=goal, goals=asked, guide=guide, restore=setup.scaling.restore)
        names = outline.nearest_names(setup, data)
        for line in outline.lines(goal, asked, guide.nodes, data.vocabulary, names, finished=guide.finished):
            print(line)
        if not guide.finished:
            print(f"(not finished within {task.config.max_steps} steps)")
    written.write_asked(task.workdir)


def _guide(task: TaskContext, guidance: Guidance, goals: Sequence[int]) -> Guide:
    ask = guidance.think if task.config.mode == "think" else guidance.react_on
    return ask(goals)


def _load(task: TaskContext, name: str, data: Dataset) -> tuple[Setup, Guidance]:
    path = family.models(task) / f"{name}.safetensors"
    setup = models.build(family.config_of(task, family.TRAIN), name, data, trained=path)
    state = models.load(path, setup)
    above = None
    if setup.milestones is not None:
        above = models.load(path.with_name(f"{models.milestones_name(name)}.safetensors"), setup.milestones)
    return setup, setup.guidance(
        state,
        above,
        max_sub_steps=task.config.max_sub_steps,
        max_top_steps=task.config.max_top_steps,
        max_steps=task.config.max_steps,
    )


def _ground(
    task: TaskContext, data: Dataset, goals: Sequence[str], given: Sequence[Sequence[int]]
) -> list[tuple[int, ...]]:
    """The sentences that each goal asks for, of those that all goals share and those that are given with it."""
    known = models.known_goals(data.plans)
    vectors: dict[str, np.ndarray] = {
        plan.goal: vector for plan, vector in zip(data.plans, data.goal_embeddings, strict=True)
    }
    parts = {part for goal in goals if goal not in known for part in grounding.parts(goal)} - set(vectors)
    if parts:
        embedder = embedding.build(family.config_of(task, family.PREPARE).embedder)
        texts = sorted(parts)
        vectors.update(zip(texts, embedder.embed(texts), strict=True))
    grounded = []
    for goal, own in zip(goals, given, strict=True):
        sentences = np.array([*range(data.num_shared), *own])
        found = grounding.ground_all(goal, vectors, data.vocabulary_embeddings[sentences], known)
        # Known goals are sentences that all share, whose places are their numbers.
        grounded.append(tuple(int(sentences[place]) for place in found))
    return grounded


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the task and ends the process; the command line is that of the process by default."""
    entry.main(
        entry.Task(
            name=family.INFER,
            run=run,
            show=show,
            define_flags=define_flags,
            question_flags=("goal",),
            check=check,
            answer=answer,
            description="Guides to every goal of the data, and to goals of your own.",
            family=family.NAME,
            upstream={family.MANIFEST: family.PREPARE, family.TRAINED: family.TRAIN, family.MODELS: family.TRAIN},
        ),
        arguments,
    )


if __name__ == "__main__":
    main()
