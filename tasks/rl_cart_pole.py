"""`//tasks:rl_cart_pole`: two layers learn to balance a pole, and show what they aim for.

See `docs/tasks/rl_cart_pole.md` for what it shows and `configs/rl_cart_pole.py` for its configs.
"""

import pathlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

import jax
import numpy as np
from absl import flags

from humain import errors
from humain.files import records
from humain.training import loop
from humain.viewing import plan_tree
from tasks.control import cart_pole, courses, datasets, drawing, evaluation, moment, report, sets, training
from tasks.control.courses import Course, Pupil
from tasks.control.evaluation import Trials
from tasks.harness import entry, results
from tasks.harness.context import TaskContext

_TITLE = "Balancing a pole"
_TEST_SEED, _CURVE_SEED, _RANDOM_SEED, _GOAL_SEED = 1_000_000, 2_000_000, 3_000_000, 4_000_000
"""First seeds of the environments that each kind of test uses, so that none meets another's."""


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags that only this task has."""
    flags.DEFINE_integer("num_seeds", 1, "Seeds to train at once, from --seed on.", lower_bound=1, flag_values=values)
    flags.DEFINE_string(
        "dataset", None, "Minari dataset to learn from in place of the steps made at random.", flag_values=values
    )
    flags.DEFINE_string(
        "save_dataset", None, "Minari dataset to write all that the asked set experienced to.", flag_values=values
    )
    flags.DEFINE_multi_string(
        "goal", [], "What to ask the trained model for, such as x=1.0; may be given several times.", flag_values=values
    )
    flags.DEFINE_integer(
        "moment", None, "Step of the first trial whose plan tree is shown.", lower_bound=0, flag_values=values
    )


def check(task: TaskContext) -> None:
    """Refuses, before anything is trained, what can't be."""
    config = task.config
    if not config.sets:
        raise errors.UserError("sets is empty; there must be at least one")
    for name, course_steps in config.sets.items():
        if not isinstance(course_steps, tuple) or not course_steps or not all(map(_is_count, course_steps)):
            raise errors.UserError(f"sets.{name} must be one or more numbers of steps, 1 or more, not {course_steps}")
    if config.asked_set not in config.sets:
        raise errors.UserError(f"asked_set {config.asked_set!r} is none of {', '.join(config.sets)}")
    for name in ("chunk_steps", "num_updates"):
        if not _is_count(config[name]):
            raise errors.UserError(f"{name} must be a number, 1 or more, not {config[name]}")
    if config.num_updates % config.chunk_steps:
        raise errors.UserError(
            f"num_updates must be a multiple of chunk_steps, and {config.num_updates} is none of {config.chunk_steps}"
        )
    for key, value in config.test.items():
        if not value > 0:
            raise errors.UserError(f"test.{key} must be more than 0, not {value}")
    for key, value in config.shown.items():
        if not value >= 0:
            raise errors.UserError(f"shown.{key} must be 0 or more, not {value}")
    for text in task.flags.goal:
        for coordinate in parse_goal(text):
            if cart_pole.STATE_NAMES[coordinate] not in config.learning.goal_coordinates:
                raise errors.UserError(
                    f"--goal={text}: layers are taught goals in {', '.join(config.learning.goal_coordinates)} only "
                    "(learning.goal_coordinates)"
                )
    settings = sets.build_settings(config.learning)
    task.check_batches({"learning.pool_size": settings.pool_size})
    if task.flags.save_dataset is not None:
        datasets.check_target(task.resolve(task.flags.save_dataset))
    sets.build_exploration(config.exploration)
    sets.build_model(config.model, config.num_updates)


def parse_goal(text: str) -> dict[int, float]:
    """A goal such as `x=1.0` or `x=1.0,theta=0.1` by coordinate.

    Raises:
        UsageError: for anything else.
    """
    goal: dict[int, float] = {}
    for part in text.split(","):
        name, separator, value = part.partition("=")
        try:
            if not separator:
                raise ValueError("there is no =")
            coordinate = cart_pole.coordinate(name.strip())
            if coordinate in goal:
                raise ValueError(f"{name.strip()} is named twice")
            goal[coordinate] = float(value)
        except ValueError as error:
            raise errors.UsageError(f"--goal={text}: {error}; expected something like x=1.0") from error
        if not np.isfinite(goal[coordinate]):
            raise errors.UsageError(f"--goal={text}: {value} is no place to go to")
    return goal


def run(task: TaskContext) -> Mapping[str, Any]:
    """Trains and tests every set."""
    pupil = training.build_pupil(task)
    # For several devices, all is compiled otherwise.
    if task.mesh is None:
        courses.compile_ahead(task.ahead, pupil, num_seeds=task.flags.num_seeds)
    found: dict[str, Any] = {"sets": {}, "baselines": {}}
    for name in task.config.sets:
        course_list = training.train_set(task, pupil, name, partial(_train_and_compile, task, pupil))
        tested = task.stage(f"{name}_test", partial(_test_set, task, pupil, name, course_list))
        found["sets"][name] = tested["seeds"]
        if name == task.config.asked_set:
            found["moment"] = tested["moment"]
    found["baselines"]["random"] = task.stage("random", partial(_test_random, task))
    _write_report(task, found)
    return found


def show(record: Mapping[str, Any]) -> None:
    """Prints the results as tables."""
    found = record["results"]
    print(report.scores_table(found).to_text())
    if found.get("goals"):
        print(report.goals_table(found).to_text())


def answer(task: TaskContext) -> None:
    """Asks the trained model of one set for goals, shows a chosen moment, and writes what was experienced."""
    if not task.flags.goal and task.flags.moment is None and task.flags.save_dataset is None:
        return
    pupil = training.build_pupil(task)
    name = task.config.asked_set
    course = training.train_set(task, pupil, name)[-1]
    record = results.read(task.workdir)
    assert record is not None
    found = record["results"]
    for text in task.flags.goal:
        task.interruption.check()
        found.setdefault("goals", {})[text] = _test_goal(task, pupil, course, text)
        records.write_json(task.workdir / results.FILE_NAME, record)
    if task.flags.moment is not None:
        task.interruption.check()
        found["moment"] = _chosen_moment(task, pupil, name, course)
        print(f"{found['moment']['title']}\n{found['moment']['text']}")
        records.write_json(task.workdir / results.FILE_NAME, record)
    _write_report(task, found)
    if task.flags.goal:
        print(report.goals_table(found).to_text())
    training.save_dataset(task, course)


def _train_and_compile(task: TaskContext, pupil: Pupil, name: str, state: Any, **arguments: Any) -> loop.TrainResult:
    """Trains a learner; meanwhile, for the first one, what will test it is compiled."""
    if task.steps == 0 and task.mesh is None:
        learned = {"state": state.model, "knowledge": arguments["data"]}
        for num_episodes in dict.fromkeys((task.config.test.curve_episodes, task.config.test.episodes)):
            evaluation.compile_ahead(task.ahead, pupil.model, pupil.settings, **learned, num_episodes=num_episodes)
        moment.compile_ahead(task.ahead, pupil.model, pupil.settings, **learned)
    return task.train(name, state, **arguments)


def _test_set(task: TaskContext, pupil: Pupil, name: str, course_list: Sequence[Course]) -> dict[str, Any]:
    """An entry a seed, and a moment of the first trial."""
    config, num_seeds = task.config.test, task.flags.num_seeds
    curves: list[list[dict[str, Any]]] = [[] for _ in range(num_seeds)]
    for course in course_list:
        task.interruption.check()
        last = course is course_list[-1]
        trials = _run(
            task,
            _policy(pupil, course, config.episodes if last else config.curve_episodes),
            num_episodes=config.episodes if last else config.curve_episodes,
            first_seed=_TEST_SEED if last else _CURVE_SEED,
        )
        for curve, lengths in zip(curves, trials.lengths, strict=True):
            curve.append({"env_steps": course.env_steps, **evaluation.summary(lengths)})
    for number in range(min(task.config.shown.trials, trials.lengths.shape[1])):
        drawing.draw_trial(_trial_path(task.workdir, name, number), _to_trial(trials, number, "stay up"))
    seeds = [
        {
            "seed": task.seed + at,
            **evaluation.summary(trials.lengths[at]),
            "env_steps": course.env_steps,
            "collect_seconds": course.collect_seconds,
            "learn_seconds": course.learn_seconds,
            "compile_seconds": course.compile_seconds,
            "curve": curves[at],
        }
        for at in range(num_seeds)
    ]
    step = min(task.config.shown.moment, int(trials.lengths[0, 0]) - 1)
    return {
        "seeds": seeds,
        "moment": _moment(task, pupil, name, course, step=step, observation=trials.states[0, 0, step], goal=""),
    }


def _test_random(task: TaskContext) -> Mapping[str, Any]:
    policy = evaluation.random_policy(np.random.default_rng(task.seed))
    trials = evaluation.run(policy, num_seeds=1, num_episodes=task.config.test.episodes, seed=_RANDOM_SEED)
    return evaluation.summary(trials.lengths[0])


def _test_goal(task: TaskContext, pupil: Pupil, course: Course, text: str) -> Mapping[str, Any]:
    config, wanted = task.config.test, parse_goal(text)
    trials = _run(
        task, _policy(pupil, course, config.goal_trials, wanted), num_episodes=config.goal_trials, first_seed=_GOAL_SEED
    )
    held = evaluation.held(trials, wanted, distance=config.hold_distance, num_steps=config.hold_steps)
    drawing.draw_trial(_goal_path(task.workdir, text), _to_trial(trials, 0, text))
    return {
        "trials": int(held.size),
        "held": int(held.sum()),
        "seeds": len(held),
        "held_by_seed": [int(row.sum()) for row in held],
    }


def _chosen_moment(task: TaskContext, pupil: Pupil, name: str, course: Course) -> Mapping[str, Any]:
    """The moment that --moment names, on the way to the first goal that was asked for, if any was."""
    goal, step, config = task.flags.goal[0] if task.flags.goal else "", task.flags.moment, task.config.test
    # The very trials that were tested and drawn: in a batch of another size, rounding could make others of them.
    num_episodes, first_seed = (config.goal_trials, _GOAL_SEED) if goal else (config.episodes, _TEST_SEED)
    policy = _policy(pupil, course, num_episodes, parse_goal(goal) if goal else None)
    trials = _run(task, policy, num_episodes=num_episodes, first_seed=first_seed)
    length = int(trials.lengths[0, 0])
    if step >= length:
        raise errors.UserError(f"--moment={step}: the first trial has {length} steps; take an earlier one")
    return _moment(task, pupil, name, course, step=step, observation=trials.states[0, 0, step], goal=goal)


def _moment(
    task: TaskContext, pupil: Pupil, name: str, course: Course, *, step: int, observation: np.ndarray, goal: str
) -> dict[str, Any]:
    """The plan tree of what the first seed observed at a step of its first trial; no goal is to stay up."""
    moment.wait(task.ahead)
    state, knowledge = jax.tree.map(lambda leaf: leaf[0], jax.device_get((course.state, course.knowledge)))
    tree = moment.tree(
        pupil.model,
        pupil.settings,
        state=state,
        knowledge=knowledge,
        observation=observation,
        goal=evaluation.goal_state(knowledge.normalizer, parse_goal(goal) if goal else {}),
        goal_name=goal or "stay up",
    )
    return {
        "title": f"{name}, seed {task.seed}: step {step} of the first trial{goal and f' of goal {goal}'}",
        "text": plan_tree.to_text(moment.describe(observation), tree),
        "tree": tree.to_json(),
    }


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and value >= 1


def _policy(pupil: Pupil, course: Course, num_episodes: int, goal: dict[int, float] | None = None) -> evaluation.Policy:
    return evaluation.policy(
        pupil.model,
        pupil.settings,
        state=course.state,
        knowledge=course.knowledge,
        goal=goal,
        num_episodes=num_episodes,
    )


def _run(task: TaskContext, policy: evaluation.Policy, *, num_episodes: int, first_seed: int) -> Trials:
    """Episodes of every seed; the environments' seeds differ from one of the run's seeds to the next."""
    evaluation.wait(task.ahead)
    return evaluation.run(
        policy, num_seeds=task.flags.num_seeds, num_episodes=num_episodes, seed=first_seed + task.seed * num_episodes
    )


def _to_trial(trials: Trials, number: int, goal: str) -> drawing.Trial:
    length = int(trials.lengths[0, number])
    return drawing.Trial(
        states=trials.states[0, number, : length + 1],
        subgoals=trials.subgoals[0, number, :length],
        actions=trials.actions[0, number, :length],
        goal=goal,
        terminated=bool(trials.terminated[0, number]),
    )


def _trial_path(workdir: pathlib.Path, name: str, number: int) -> pathlib.Path:
    return workdir / f"trial_{name}_{number}.gif"


def _goal_path(workdir: pathlib.Path, text: str) -> pathlib.Path:
    return workdir / f"goal_{''.join(letter if letter.isalnum() or letter in '.-' else '_' for letter in text)}.gif"


def _write_report(task: TaskContext, found: Mapping[str, Any]) -> None:
    pictures = [
        (_trial_path(task.workdir, name, number), f"{name}, seed {task.seed}, trial {number}: stay up")
        for name in found["sets"]
        for number in range(task.config.shown.trials)
    ]
    pictures += [(_goal_path(task.workdir, text), f"goal {text}, trial 0") for text in found.get("goals", {})]
    report.write_report(task.workdir, found, _TITLE, [picture for picture in pictures if picture[0].exists()])


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the task and ends the process; the command line is that of the process by default."""
    entry.main(
        entry.Task(
            name="rl_cart_pole",
            run=run,
            show=show,
            define_flags=define_flags,
            input_flags=("dataset",),
            question_flags=("save_dataset", "goal", "moment"),
            check=check,
            answer=answer,
            description="Learns to balance a pole, and shows what it aims for.",
        ),
        arguments,
    )


if __name__ == "__main__":
    main()
