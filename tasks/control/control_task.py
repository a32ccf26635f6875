"""What all tasks of control do, in the environment of a domain: learn, test, show what is aimed for, answer goals.

`tasks/rl_cart_pole.py` is such a task; `docs/tasks/rl_cart_pole.md` says what it shows.
"""

import functools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from absl import flags

from humain import errors
from humain.files import records
from humain.training import loop
from humain.viewing import plan_tree
from humain.world import knowledge as knowledge_lib
from humain.world import learning, plans
from tasks.control import curriculum, datasets, evaluation, report, sets, timing, training
from tasks.control.curriculum import Stage, Trainer
from tasks.control.domain import Domain
from tasks.control.evaluation import Trials, Turns
from tasks.control.exploration import Learned
from tasks.control.trial import Trial
from tasks.harness import entry, results
from tasks.harness.context import TaskContext

_TEST_SEED, _CURVE_SEED, _RANDOM_SEED, _GOAL_SEED, _MOVING_SEED = (million * 1_000_000 for million in range(1, 6))
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
        "plan_step", None, "Step of the first trial whose plan tree is shown.", lower_bound=0, flag_values=values
    )
    flags.DEFINE_boolean("time_actions", False, "Measure how long an action of each set takes.", flag_values=values)


def check(domain: Domain, task: TaskContext) -> None:
    """Refuses, before anything is trained, what can't be."""
    config = task.config
    if not config.sets:
        raise errors.UserError("sets is empty; there must be at least one")
    for name, stage_steps in config.sets.items():
        if not isinstance(stage_steps, tuple) or not stage_steps or not all(map(_is_count, stage_steps)):
            raise errors.UserError(
                f"sets.{name} must be one or more numbers of steps, each at least 1, not {stage_steps}"
            )
    # First of all what may be a misspelt set: whatever names the right one would be refused because of it.
    sets.check_ablations(config)
    if config.asked_set not in config.sets:
        raise errors.UserError(f"asked_set {config.asked_set!r} is not one of {', '.join(config.sets)}")
    for name in ("chunk_steps", "num_updates"):
        if not _is_count(config[name]):
            raise errors.UserError(f"{name} must be a number, at least 1, not {config[name]}")
    if config.num_updates % config.chunk_steps:
        raise errors.UserError(
            f"num_updates ({config.num_updates}) is not a multiple of chunk_steps ({config.chunk_steps})"
        )
    for key, value in config.test.items():
        if not value > 0:
            raise errors.UserError(f"test.{key} must be more than 0, not {value}")
    for name, moving in config.moving.items():
        turns = _turns(domain, config, name)
        counts = {key: moving[key] for key in ("span_steps", "hold_steps", "trials")}
        if turns.span_steps > domain.tested_in.max_steps or not all(map(_is_count, counts.values())):
            raise errors.UserError(
                f"moving.{name}: span_steps, hold_steps and trials must be whole numbers, at least 1, and span_steps "
                f"at most {domain.tested_in.max_steps}, the steps of an episode, not "
                + ", ".join(map(str, counts.values()))
            )
    for key, value in config.shown.items():
        if not value >= 0:
            raise errors.UserError(f"shown.{key} must be at least 0, not {value}")
    goals = {f"--goal={text}": text for text in task.flags.goal}
    goals |= {f"moving.{name}: {text}": text for name, moving in config.moving.items() for text in moving.goals}
    for where, text in goals.items():
        for coordinate in parse_goal(domain, text, where):
            if domain.coordinates[coordinate] not in config.learning.goal_coordinates:
                raise errors.UserError(
                    f"{where}: the layers learn goals in {', '.join(config.learning.goal_coordinates)} only "
                    "(learning.goal_coordinates)"
                )
    for name in config.sets:
        ablation = sets.ablation(config, name)
        imagination = sets.build_imagination(config.learning, domain, ablation.learning)
        task.check_batches({"learning.pool_size": imagination.pool_size})
        try:
            learning.check(imagination, ablation.num_layers)
        except ValueError as error:
            raise errors.UserError(f"learning, for the set {name}: {error}") from error
    if task.flags.plan_step is not None and sets.ablation(config, config.asked_set).num_layers < 2:
        raise errors.UserError(f"--plan_step: asked_set {config.asked_set!r} has no layer that asks for sub-goals")
    if task.flags.save_dataset is not None:
        datasets.check_target(task.resolve(task.flags.save_dataset))
    sets.build_exploration(config.exploration)
    sets.build_world(config.world, domain)
    sets.build_model(config.model, config.num_updates, domain)


def parse_goal(domain: Domain, text: str, where: str = "") -> dict[int, float]:
    """A goal such as `x=1.0` or `x=1.0,theta=0.1` by coordinate.

    Args:
        domain: whose coordinates are named.
        text: the goal.
        where: what an error names; by default the flag.

    Raises:
        UsageError: for anything else.
    """
    where = where or f"--goal={text}"
    goal: dict[int, float] = {}
    for part in text.split(","):
        name, separator, value = part.partition("=")
        try:
            if not separator:
                raise ValueError("there is no =")
            coordinate = domain.coordinate(name.strip())
            if coordinate in goal:
                raise ValueError(f"{name.strip()} is named twice")
            goal[coordinate] = float(value)
        except ValueError as error:
            raise errors.UsageError(f"{where}: {error}; expected something like {domain.coordinates[0]}=1.0") from error
        if not np.isfinite(goal[coordinate]):
            raise errors.UsageError(f"{where}: {value} is not a finite number")
    return goal


def run(domain: Domain, task: TaskContext) -> Mapping[str, Any]:
    """Trains and tests every set."""
    trainers = training.Trainers(task, domain)
    # For several devices, all is compiled otherwise.
    if task.mesh is None:
        curriculum.compile_ahead(task.ahead, trainers.of(next(iter(task.config.sets))), num_seeds=task.flags.num_seeds)
    found: dict[str, Any] = {"sets": {}, "baselines": {}}
    for name in task.config.sets:
        trainer = trainers.of(name)
        stages = training.train_set(task, trainer, name, partial(_train_and_compile, task, trainer))
        tested = task.stage(f"{name}_test", partial(_test_set, task, trainer, name, stages))
        found["sets"][name] = tested["seeds"]
        if name == task.config.asked_set and tested["plan"] is not None:
            found["plan"] = tested["plan"]
        for test in task.config.moving:
            moved = task.stage(f"{name}_{test}", partial(_test_moving_goals, task, trainer, stages[-1], test))
            found.setdefault(test, {})[name] = moved
    found["baselines"]["random"] = task.stage("random", partial(_test_random, domain, task))
    _write_report(domain, task, found)
    return found


def show(record: Mapping[str, Any]) -> None:
    """Prints the results as tables."""
    found = record["results"]
    print(report.scores_table(found).to_text())
    if report.moving_goals_table(found).rows:
        print(report.moving_goals_table(found).to_text())
    if found.get("goals"):
        print(report.goals_table(found).to_text())
    if found.get("action_times"):
        print(report.action_times_table(found).to_text())


def answer(domain: Domain, task: TaskContext) -> None:
    """Asks the trained model of one set for goals, shows a chosen plan, times actions, writes what was experienced."""
    asked = (task.flags.plan_step, task.flags.save_dataset)
    if not task.flags.goal and not task.flags.time_actions and asked == (None, None):
        return
    trainers, name = training.Trainers(task, domain), task.config.asked_set
    trainer = trainers.of(name)
    stage = training.train_set(task, trainer, name)[-1]
    record = results.read(task.workdir)
    assert record is not None
    found = record["results"]
    for text in task.flags.goal:
        task.interruption.check()
        found.setdefault("goals", {})[text] = _test_goal(task, trainer, stage, text)
        records.write_json(task.workdir / results.FILE_NAME, record)
    # The same of those with fewer layers, which is what the layers are worth there.
    for other in task.config.sets if task.flags.goal else ():
        if other == name or sets.ablation(task.config, other).num_layers == 2:
            continue
        fewer = trainers.of(other)
        last = training.train_set(task, fewer, other)[-1]
        for text in task.flags.goal:
            task.interruption.check()
            entry_of = found["goals"][text].setdefault("fewer_layers", {})
            entry_of[other] = _test_goal(task, fewer, last, text, draws=False)
            records.write_json(task.workdir / results.FILE_NAME, record)
    if task.flags.plan_step is not None:
        task.interruption.check()
        found["plan"] = _chosen_plan(task, trainer, name, stage)
        print(f"{found['plan']['title']}\n{found['plan']['text']}")
        records.write_json(task.workdir / results.FILE_NAME, record)
    if task.flags.time_actions:
        task.interruption.check()
        found["action_times"] = _time_actions(domain, task, trainers)
        records.write_json(task.workdir / results.FILE_NAME, record)
    _write_report(domain, task, found)
    if task.flags.goal:
        print(report.goals_table(found).to_text())
    if task.flags.time_actions:
        print(report.action_times_table(found).to_text())
    training.save_dataset(task, trainer, stage)


def _train_and_compile(
    task: TaskContext, trainer: Trainer, name: str, state: Any, **arguments: Any
) -> loop.TrainResult:
    """Trains a learner; meanwhile, for the first one, what will test it is compiled."""
    if task.steps == 0 and task.mesh is None and trainer.model is not None:
        learned = Learned(state=state.model, knowledge=arguments["data"])
        for num_episodes in dict.fromkeys((task.config.test.curve_episodes, task.config.test.episodes)):
            evaluation.compile_ahead(task.ahead, trainer.model, trainer.config, learned, num_episodes=num_episodes)
        if len(trainer.model.layers) == 2:
            plans.compile_ahead(
                task.ahead,
                trainer.model,
                trainer.config,
                trainer.world,
                state=state.model,
                knowledge=learned.knowledge,
            )
    return task.train(name, state, **arguments)


def _test_set(task: TaskContext, trainer: Trainer, name: str, stages: Sequence[Stage]) -> dict[str, Any]:
    """An entry a seed, and a plan of the first trial where there are two layers to make one."""
    config, num_seeds = task.config.test, task.flags.num_seeds
    curves: list[list[dict[str, Any]]] = [[] for _ in range(num_seeds)]
    for stage in stages:
        task.interruption.check()
        last = stage is stages[-1]
        trials = _run(
            task,
            trainer,
            _policy(trainer, stage, config.episodes if last else config.curve_episodes),
            num_episodes=config.episodes if last else config.curve_episodes,
            first_seed=_TEST_SEED if last else _CURVE_SEED,
        )
        for curve, returns in zip(curves, trials.returns, strict=True):
            curve.append({"env_steps": stage.env_steps, **evaluation.summary(returns)})
    domain = trainer.domain
    for number in range(min(task.config.shown.trials, trials.lengths.shape[1]) if domain.draw else 0):
        _draw(domain, _trial_path(task.workdir, name, number), _to_trial(trials, number, domain.target_name))
    seeds = [
        {
            "seed": task.seed + at,
            **evaluation.summary(trials.returns[at]),
            "env_steps": stage.env_steps,
            "collect_seconds": stage.collect_seconds,
            "learn_seconds": stage.learn_seconds,
            "compile_seconds": stage.compile_seconds,
            "curve": curves[at],
        }
        for at in range(num_seeds)
    ]
    plan = None
    if sets.ablation(task.config, name).num_layers == 2:
        step = min(task.config.shown.plan_step, int(trials.lengths[0, 0]) - 1)
        plan = _plan(task, trainer, name, stage, step=step, observation=trials.states[0, 0, step], goal="")
    return {"seeds": seeds, "plan": plan}


def _test_random(domain: Domain, task: TaskContext) -> Mapping[str, Any]:
    policy = evaluation.random_policy(domain.environment.actions, task.seed)
    trials = evaluation.run(
        policy, domain.tested_in, num_seeds=1, num_episodes=task.config.test.episodes, seed=_RANDOM_SEED
    )
    return evaluation.summary(trials.returns[0])


def _turns(domain: Domain, config: Any, test: str) -> Turns:
    """The goals that take turns in a test of `moving`."""
    moving = config.moving[test]
    try:
        return Turns(
            goals=tuple(parse_goal(domain, text, f"moving.{test}: {text}") for text in moving.goals),
            span_steps=moving.span_steps,
            hold_steps=moving.hold_steps,
            distance=config.test.hold_distance,
        )
    except ValueError as error:
        raise errors.UserError(f"moving.{test}: {error}") from error


def _test_moving_goals(task: TaskContext, trainer: Trainer, stage: Stage, test: str) -> Mapping[str, Any]:
    turns, num_trials = _turns(trainer.domain, task.config, test), task.config.moving[test].trials
    trials = _run(
        task,
        trainer,
        _policy(trainer, stage, num_trials, turns),
        num_episodes=num_trials,
        first_seed=_MOVING_SEED,
    )
    held = evaluation.held(trials, turns, num_spans=trainer.domain.tested_in.max_steps // turns.span_steps)
    return {
        "goals": int(held.size),
        "held": int(held.sum()),
        "held_by_seed": [int(episodes.sum()) for episodes in held],
        "fallen": int(trials.terminated.sum()),
    }


def _test_goal(
    task: TaskContext, trainer: Trainer, stage: Stage, text: str, *, draws: bool = True
) -> Mapping[str, Any]:
    config, wanted = task.config.test, parse_goal(trainer.domain, text)
    trials = _run(
        task,
        trainer,
        _policy(trainer, stage, config.goal_trials, wanted),
        num_episodes=config.goal_trials,
        first_seed=_GOAL_SEED,
    )
    successes = evaluation.reached_and_stayed(
        trials, wanted, distance=config.hold_distance, num_steps=config.hold_steps
    )
    if draws:
        _draw(trainer.domain, _goal_path(task.workdir, text), _to_trial(trials, 0, text))
    return {
        "trials": int(successes.size),
        "successes": int(successes.sum()),
        "seeds": len(successes),
        "successes_by_seed": [int(row.sum()) for row in successes],
    }


def _time_actions(domain: Domain, task: TaskContext, trainers: training.Trainers) -> Mapping[str, Any]:
    """What an action of each set takes, by itself and in the batch that returns are measured in."""
    stages = {name: training.train_set(task, trainers.of(name), name)[-1] for name in task.config.sets}
    found: dict[str, Any] = {}
    for how, num_seeds, num_episodes in (("alone", 1, 1), ("batch", task.flags.num_seeds, task.config.test.episodes)):
        policies = {
            name: evaluation.policy(
                trainers.of(name).model,
                trainers.of(name).config,
                evaluation.first_seeds(stage.learned, num_seeds),
                num_episodes=num_episodes,
                world=trainers.of(name).world,
            )
            for name, stage in stages.items()
        }
        observations = np.zeros((num_seeds, num_episodes, len(domain.coordinates)), np.float32)
        found[how] = {
            "actions": num_seeds * num_episodes,
            "microseconds": timing.microseconds_per_action(policies, observations),
        }
    return found


def _chosen_plan(task: TaskContext, trainer: Trainer, name: str, stage: Stage) -> Mapping[str, Any]:
    """The plan at the step that --plan_step names, on the way to the first goal that was asked for, if any was."""
    goal, step, config = task.flags.goal[0] if task.flags.goal else "", task.flags.plan_step, task.config.test
    # The very trials that were tested and drawn: in a batch of another size, rounding could make others of them.
    num_episodes, first_seed = (config.goal_trials, _GOAL_SEED) if goal else (config.episodes, _TEST_SEED)
    policy = _policy(trainer, stage, num_episodes, parse_goal(trainer.domain, goal) if goal else None)
    trials = _run(task, trainer, policy, num_episodes=num_episodes, first_seed=first_seed)
    length = int(trials.lengths[0, 0])
    if step >= length:
        raise errors.UserError(f"--plan_step={step}: the first trial has {length} steps; take an earlier one")
    return _plan(task, trainer, name, stage, step=step, observation=trials.states[0, 0, step], goal=goal)


def _plan(
    task: TaskContext, trainer: Trainer, name: str, stage: Stage, *, step: int, observation: np.ndarray, goal: str
) -> dict[str, Any]:
    """The plan tree of what the first seed observed at a step of its first trial; no goal is the target."""
    plans.wait(task.ahead)
    domain = trainer.domain
    assert trainer.model is not None
    learned = knowledge_lib.of_seed(stage.learned, 0)
    tree = plans.imagine(
        trainer.model,
        trainer.config,
        trainer.world,
        state=learned.state,
        knowledge=learned.knowledge,
        observation=observation,
        goal=knowledge_lib.goal_state(
            trainer.config, learned.knowledge.normalizer, parse_goal(domain, goal) if goal else {}
        ),
        goal_name=goal or domain.target_name,
        name=domain.describe,
        action_name=domain.describe_action,
    )
    return {
        "title": f"{name}, seed {task.seed}: step {step} of the first trial{goal and f' of goal {goal}'}",
        "text": plan_tree.to_text(domain.describe(observation), tree),
        "tree": tree.to_json(),
    }


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and value >= 1


def _policy(
    trainer: Trainer, stage: Stage, num_episodes: int, goal: dict[int, float] | Turns | None = None
) -> evaluation.Policy:
    return evaluation.policy(
        trainer.model,
        trainer.config,
        stage.learned,
        goal=goal,
        num_episodes=num_episodes,
        world=trainer.world,
    )


def _run(
    task: TaskContext, trainer: Trainer, policy: evaluation.Policy, *, num_episodes: int, first_seed: int
) -> Trials:
    """Episodes of every seed; the simulators' seeds differ from one of the run's seeds to the next."""
    evaluation.wait(task.ahead)
    return evaluation.run(
        policy,
        trainer.domain.tested_in,
        num_seeds=task.flags.num_seeds,
        num_episodes=num_episodes,
        seed=first_seed + task.seed * num_episodes,
    )


def _to_trial(trials: Trials, number: int, goal: str) -> Trial:
    length = int(trials.lengths[0, number])
    return Trial(
        states=trials.states[0, number, : length + 1],
        subgoals=trials.subgoals[0, number, :length],
        actions=trials.actions[0, number, :length],
        goal=goal,
        terminated=bool(trials.terminated[0, number]),
    )


def _draw(domain: Domain, path: pathlib.Path, trial: Trial) -> None:
    if domain.draw is not None:
        domain.draw(path, trial)


def _trial_path(workdir: pathlib.Path, name: str, number: int) -> pathlib.Path:
    return workdir / f"trial_{name}_{number}.gif"


def _goal_path(workdir: pathlib.Path, text: str) -> pathlib.Path:
    return workdir / f"goal_{''.join(letter if letter.isalnum() or letter in '.-' else '_' for letter in text)}.gif"


def _write_report(domain: Domain, task: TaskContext, found: Mapping[str, Any]) -> None:
    pictures = [
        (_trial_path(task.workdir, name, number), f"{name}, seed {task.seed}, trial {number}: {domain.target_name}")
        for name in found["sets"]
        for number in range(task.config.shown.trials)
    ]
    pictures += [(_goal_path(task.workdir, text), f"goal {text}, trial 0") for text in found.get("goals", {})]
    tested_in = domain.tested_in
    best = "" if domain.best_return is None else f": {domain.best_return:.0f} is the most there is"
    report.write_report(
        task.workdir,
        found,
        domain.title,
        [picture for picture in pictures if picture[0].exists()],
        scores=(
            f"Scores are returns of test episodes on `{tested_in.name}`, which stop after {tested_in.max_steps} steps"
            f"{best}."
        ),
        caption=domain.caption,
    )


def make(name: str, domain: Callable[[], Domain], *, description: str) -> entry.Task:
    """A task.

    Args:
        name: of the binary, and of its config.
        domain: what it learns in; made when the task runs.
        description: the first part of `--help`.
    """
    made = functools.cache(domain)
    return entry.Task(
        name=name,
        run=lambda task: run(made(), task),
        show=show,
        define_flags=define_flags,
        input_flags=("dataset",),
        question_flags=("save_dataset", "goal", "plan_step", "time_actions"),
        check=lambda task: check(made(), task),
        answer=lambda task: answer(made(), task),
        description=description,
    )
