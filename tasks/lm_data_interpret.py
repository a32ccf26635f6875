"""`//tasks:lm_data_interpret`: guides become words, and figures say how good they are.

See `docs/tasks/lm.md` for what it shows and `configs/lm_data_interpret.py` for its configs.
"""

import collections
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

import numpy as np

from humain import errors
from humain.files import records
from humain.language import dataset
from humain.language.dataset import Dataset
from humain.viewing import tables
from humain.viewing.report import Report
from tasks.harness import entry, results
from tasks.harness.context import TaskContext
from tasks.language import crafting, decoding, family, guides, judging, models, outline, recipes, retrieval
from tasks.language.guides import Guides
from tasks.language.recipes import Recipes

_HELD_OUT = "heldout"
_PLANS = "plans.jsonl"
_NUM_SHOWN = 8
"""Plans of each split that the report unfolds."""
_NUM_PRINTED = 4
"""Plans of each split but that of training that the terminal is shown."""


def check(task: TaskContext) -> None:
    """Refuses, before anything is read, what can't be."""
    for place in (family.MANIFEST, family.TRAINED):
        family.check_made_from(task, family.INFER, place)
    for key in ("num_candidates", "max_steps"):
        if task.config[key] < 1:
            raise errors.UserError(f"{key} must be at least 1, not {task.config[key]}")
    decoding.check(task.config.decoder)
    for name in family.BASELINES:
        if name in family.config_of(task, family.TRAIN).models:
            raise errors.UserError(f"models.{name} has the name of a baseline; train it under another")


def run(task: TaskContext) -> Mapping[str, Any]:
    """Reads the guides, judges them and writes what they say."""
    data = dataset.read(family.data(task))
    read = guides.read(task.workdir.parent / family.INFER)
    truth = crafting.invented_recipes(recipes.load()) if data.writer == "crafting" else None
    found = task.stage("judged", partial(_judge, task, data, read, truth))
    texts = decoding.decode(task, data, read)
    spoken = _spoken(task, data, read, texts, truth)
    records.write_text(task.workdir / _PLANS, "".join(records.dump_line(plan) + "\n" for plan in spoken))
    _write_report(task, task.workdir, found, spoken)
    return found


def show(record: Mapping[str, Any]) -> None:
    """Prints the figures."""
    print(_table(record["results"], record["config"]["num_candidates"]).to_text())
    if record["results"]["stored_paths"] is not None:
        print(_stored(record["results"]))


def answer(task: TaskContext) -> None:
    """Prints plans: some of those that were not learned from, and all for goals that a user asked for."""
    path = task.workdir / _PLANS
    try:
        spoken = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        main = models.main(dict.fromkeys(plan["model"] for plan in spoken))
        by_split = _by_split(plan for plan in spoken if plan["model"] == main and plan["split"] != models.TRAIN)
        for split, plans in by_split.items():
            print(f"{split}: {min(len(plans), _NUM_PRINTED)} of {len(plans)} plans by {main}, all are in {path}")
            for plan in plans[:_NUM_PRINTED]:
                first, *rest = plan["outline"]
                print("\n".join((f"{first} ({_verdict(plan)})", *rest, *_faults(plan))))
    except (IndexError, KeyError, OSError, TypeError, ValueError) as error:
        raise errors.UserError(
            f"{path} can't be read; run //tasks:{family.INTERPRET} --clear, then this again"
        ) from error
    _answer_asked(task, spoken)


def _answer_asked(task: TaskContext, spoken: Sequence[Mapping[str, Any]]) -> None:
    """Prints the guides to goals that a user asked for, if there are any, and adds them to the report."""
    read = guides.read_asked(task.workdir.parent / family.INFER)
    record = results.read(task.workdir)
    if read is None or record is None:
        return
    data = dataset.read(family.data(task))
    texts = decoding.decode(task, data, read) if any(map(_steps, read.guides)) else {}
    asked = _spoken(task, data, read, texts, None)
    for plan in asked:
        print("\n".join(plan["outline"]))
        if texts:
            print("\n".join(["In words:", *plan["steps"]]))
    records.write_text(task.workdir / "goals.jsonl", "".join(records.dump_line(plan) + "\n" for plan in asked))
    for directory in (task.workdir, task.workdir.parent):
        _write_report(task, directory, record["results"], spoken, asked)


def _by_split(plans: Iterable[Mapping[str, Any]]) -> Mapping[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = collections.defaultdict(list)
    for plan in plans:
        found[plan["split"]].append(plan)
    return found


def _verdict(plan: Mapping[str, Any]) -> str:
    """What holds of a plan in words, such as "valid, complete, not minimal, differs from the data"."""
    said = [name if plan[name] else f"not {name}" for name in ("valid", "complete", "minimal") if name in plan]
    return ", ".join(
        (
            *(() if plan["finished"] else ("not reached",)),
            *said,
            "as in the data" if plan["exact"] else "differs from the data",
        )
    )


def _faults(plan: Mapping[str, Any]) -> list[str]:
    return [f"  against it: {fault}" for fault in plan.get("faults", ())]


def _judge(task: TaskContext, data: Dataset, read: Guides, truth: Recipes | None) -> Mapping[str, Any]:
    names = list(read.models)
    ours = models.main(names)
    found: dict[str, Any] = {}
    baselines: dict[str, Any] = {}
    for name in names:
        nearest = judging.nearest(read.answers, data.vocabulary_embeddings)
        plans = {
            guide["plan"]: [int(nearest[node["row"]]) for node in _steps(guide)]
            for guide in read.guides
            if guide["model"] == name
        }
        answers = {
            (entry["plan"], entry["time"]): None if entry["row"] is None else read.answers[entry["row"]]
            for entry in read.candidates
            if entry["model"] == name
        }
        scores = _scores(task, data=data, plans=plans, answers=answers, truth=truth)
        if name == ours:
            found.update(scores)
        else:
            baselines[name] = scores
    questions = list(dict.fromkeys((entry["plan"], entry["time"]) for entry in read.candidates))
    # What each goal asks for is the same for every model.
    asked: dict[int, Sequence[int]] = {guide["plan"]: guide["goals"] for guide in read.guides}
    looking: dict[str, retrieval.Baseline] = {
        family.LOOKUP: retrieval.Lookup(data, asked),
        family.LINEAR_LOOKUP: retrieval.LinearLookup(data, asked),
        family.NEAREST_PLAN: retrieval.NearestPlan(data, asked),
        family.RETRIEVER: retrieval.Retriever(data, asked),
    }
    for name, baseline in looking.items():
        plans = {number: baseline.plan(number, max_steps=task.config.max_steps) for number in asked}
        following = {
            (number, time): baseline.following(number, data.plans[number].steps[:time]) for number, time in questions
        }
        answers = {
            question: None if step is None else data.vocabulary_embeddings[step] for question, step in following.items()
        }
        baselines[name] = _scores(task, data=data, plans=plans, answers=answers, truth=truth)
    return {
        **found,
        "model": ours,
        "stored_paths": retrieval.share_stored(data, _HELD_OUT),
        "baselines": baselines,
    }


def _scores(
    task: TaskContext,
    *,
    data: Dataset,
    plans: Mapping[int, Sequence[int]],
    answers: Mapping[tuple[int, int], np.ndarray | None],
    truth: Recipes | None,
) -> dict[str, Any]:
    picked = judging.top1(data, answers, split=_HELD_OUT, num_candidates=task.config.num_candidates, seed=task.seed)
    return {**judging.scores(data, plans, truth), family.candidates_key(task.config.num_candidates): picked}


def _steps(guide: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [node for node in guide["nodes"] if node["layer"] == 0 and not node["repeated"]]


def _spoken(
    task: TaskContext, data: Dataset, read: Guides, texts: Mapping[int, str], truth: Recipes | None
) -> list[Mapping[str, Any]]:
    """Every guide in words: its outline, its steps as decoded, the reference, and how good it is.

    There is no reference for a user's goal, and nothing to judge it by.
    """
    config = family.config_of(task, family.TRAIN)
    setups = {
        name: models.build(config, name, data, trained=family.models(task) / f"{name}.safetensors")
        for name in read.models
    }
    nearest = judging.nearest(read.answers, data.vocabulary_embeddings)
    spoken: list[Mapping[str, Any]] = []
    for guide in read.guides:
        rows = [node["row"] for node in _steps(guide)]
        name = outline.nearest_names(setups[guide["model"]], data)
        spoken.append(
            {
                "model": guide["model"],
                "split": guide["split"],
                "goal": guide["goal"],
                "finished": guide["finished"],
                **_judged(data, guide["plan"], [int(nearest[row]) for row in rows], truth),
                "steps": [texts.get(row, data.vocabulary[nearest[row]]) for row in rows],
                "reference": None if guide["plan"] is None else _reference(data, guide["plan"]),
                "outline": outline.lines(
                    guide["goal"],
                    guide["goals"],
                    guide["nodes"],
                    data.vocabulary,
                    name,
                    finished=guide["finished"],
                ),
            }
        )
    return spoken


def _judged(data: Dataset, number: int | None, steps: Sequence[int], truth: Recipes | None) -> Mapping[str, Any]:
    return {} if number is None else judging.verdict(data, number, steps, truth)


def _reference(data: Dataset, number: int) -> list[str]:
    return [data.vocabulary[step] for step in data.plans[number].steps]


def _table(found: Mapping[str, Any], num_candidates: int) -> tables.ReportTable:
    """One row a model, shares in percent."""
    columns = {
        "train exact %": ("train", "exact"),
        "held-out valid %": ("heldout", "valid"),
        "complete %": ("heldout", "complete"),
        "minimal %": ("heldout", "minimal"),
        "pairs complete %": ("pairs", "complete"),
        "composition valid %": ("composition", "valid"),
        "composition complete %": ("composition", "complete"),
    }
    columns[f"1 of {num_candidates} %"] = (family.candidates_key(num_candidates), "top1")
    rows: list[list[tables.Cell]] = []
    for name, scores in {found["model"]: found, **found["baselines"]}.items():
        shares = [scores.get(split, {}).get(score) for split, score in columns.values()]
        rows.append([name, *(None if share is None else 100 * share for share in shares)])
    return tables.ReportTable(["model", *columns], rows, dict.fromkeys(columns, ".1f"))


def _stored(found: Mapping[str, Any]) -> str:
    return f"{100 * found['stored_paths']:.1f} % of the held-out plans are stored paths, word for word"


def _write_report(
    task: TaskContext,
    directory: pathlib.Path,
    found: Mapping[str, Any],
    spoken: Sequence[Mapping[str, Any]],
    asked: Sequence[Mapping[str, Any]] = (),
) -> None:
    report = Report("Guides in words")
    report.table(_table(found, task.config.num_candidates))
    if found["stored_paths"] is not None:
        report.prose(_stored(found))
    if asked:
        report.heading("Goals of your own")
    for plan in asked:
        with report.details(plan["goal"] if plan["finished"] else f"{plan['goal']} (not reached)"):
            report.preformatted("\n".join(plan["outline"]))
            report.prose("In words:")
            report.preformatted("\n".join(plan["steps"]))
    for split, plans in _by_split(plan for plan in spoken if plan["model"] == found["model"]).items():
        report.heading(f"{split}: {min(len(plans), _NUM_SHOWN)} of {len(plans)} plans")
        for plan in plans[:_NUM_SHOWN]:
            with report.details(f"{plan['goal']} ({_verdict(plan)})"):
                report.preformatted("\n".join((*plan["outline"], *_faults(plan))))
                if plan["steps"] != plan["reference"]:
                    report.prose("In words, and as in the data:")
                    report.preformatted("\n".join(plan["steps"]))
                    report.preformatted("\n".join(plan["reference"]))
    report.write(directory / "report.html")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the task and ends the process; the command line is that of the process by default."""
    entry.main(
        entry.Task(
            name=family.INTERPRET,
            run=run,
            show=show,
            check=check,
            answer=answer,
            description="Puts guides into words, and says how good they are.",
            family=family.NAME,
            upstream={
                family.MANIFEST: family.PREPARE,
                family.TRAINED: family.TRAIN,
                **dict.fromkeys(family.ALL_GUIDES, family.INFER),
            },
        ),
        arguments,
    )


if __name__ == "__main__":
    main()
