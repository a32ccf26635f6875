"""`//tasks:point_maze`: learns ways through OGBench's point mazes from trajectories, and goes wherever it is asked to.

See `docs/tasks/point_maze.md` for what it shows and `configs/point_maze.py` for its configs.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from absl import flags

from humain import errors
from tasks.harness import entry
from tasks.harness.context import TaskContext
from tasks.mazes import drawing, evaluation, layout, published, report, runs, scale, sets, training
from tasks.mazes.evaluation import Question
from tasks.mazes.runs import SetRun

_NAME = "point_maze"
_POSITIVE = (
    *(f"test.{name}" for name in ("episodes", "max_steps")),
    *(f"model.{name}" for name in ("action_steps", "action_batch_size", "place_radius", "place_states")),
    *(f"model.{name}" for name in ("place_iterations", "least_seen", "horizon", "sweep_goals", "num_steps")),
    *(f"model.{name}" for name in ("batch_size", "hindsight_steps", "lookahead", "imagine_steps")),
    *(f"model.{name}" for name in ("imagine_batch_size", "max_nodes", "chunk_steps")),
    *(f"gcbc.{name}" for name in ("width", "num_layers", "learning_rate", "num_steps", "batch_size", "chunk_steps")),
)
"""The settings that must be more than 0."""
_SCALE_POSITIVE = (
    *("width", "height", "longest_passage", "num_walks", "longest"),
    *("sweep_goals", "max_updates", "max_nodes", "batch_size"),
)


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags that only this task has."""
    flags.DEFINE_string(
        "size",
        None,
        "Mazes: medium, large, giant, teleport, or several of them, as in medium,large.",
        flag_values=values,
    )
    flags.DEFINE_string("kind", None, "Kinds of data: navigate, stitch, or both.", flag_values=values)
    flags.DEFINE_float("data_share", None, "Share of the data to learn from, such as 0.1.", flag_values=values)
    flags.DEFINE_string(
        "dataset",
        None,
        "Data to learn from instead of made ones: a .npz file of OGBench's or a Minari dataset; with --size.",
        flag_values=values,
    )
    flags.DEFINE_string("start", None, "Position to start from, x,y, with --goal.", flag_values=values)
    flags.DEFINE_string("goal", None, "Position to plan a way to and to go to, x,y.", flag_values=values)


def check(task: TaskContext) -> None:
    """Checks flags and config before anything is made or trained."""
    config, values = task.config, task.flags
    if "scale" in config:
        _check_scale(task)
        return
    chosen = sets.chosen(task)
    sets.share(task)
    if (values.start is None) != (values.goal is None):
        raise errors.UsageError("--start and --goal go together; one of them is missing")
    for flag in ("start", "goal"):
        text = getattr(values, flag)
        if text is not None:
            position = runs.parse_position(text, flag)
            for size in dict.fromkeys(data_set.size for data_set in chosen):
                runs.check_free(layout.load(size), position, flag)
    for group, known in (("baselines", runs.BASELINES), ("ablations", tuple(runs.ABLATIONS))):
        unknown = [name for name in config[group] if name not in known]
        if unknown:
            raise errors.UserError(f"{group} has {unknown[0]!r}, which is not one of {', '.join(known)}")
    for key, known in (("places", training.PLACES), ("undo", training.UNDO)):
        if config.model[key] not in known:
            raise errors.UserError(f"model.{key} {config.model[key]!r} is not one of {', '.join(known)}")
    if config.model.num_layers not in (2, 3):
        raise errors.UserError(f"model.num_layers must be 2 or 3, not {config.model.num_layers}")
    if not 0 <= config.noise < math.inf:
        raise errors.UserError(f"noise must be 0 or more, not {config.noise}")
    for key in _POSITIVE:
        group, name = key.split(".")
        _check_positive(key, config[group][name])
    if config.model.piece_places < 2:
        raise errors.UserError(f"model.piece_places must be at least 2, not {config.model.piece_places}")


def _check_scale(task: TaskContext) -> None:
    """Checks the variant `scale`, whose maze is not one of OGBench's."""
    for flag in ("size", "kind", "data_share", "dataset", "start", "goal"):
        if getattr(task.flags, flag) is not None:
            raise errors.UsageError(f"--{flag} is for OGBench's mazes; the variant scale makes its own, leave it out")
    settings = task.config.scale
    for name in _SCALE_POSITIVE:
        _check_positive(f"scale.{name}", settings[name])
    # The first of what is timed is compiled, and does not count.
    for name in ("walk_rooms", "num_pairs"):
        if settings[name] < 2:
            raise errors.UserError(f"scale.{name} must be at least 2, not {settings[name]}")
    if not 0 <= settings.opened <= 1:
        raise errors.UserError(f"scale.opened must be from 0 to 1, not {settings.opened}")
    if not settings.sizes or min(settings.sizes) < 2:
        raise errors.UserError(f"scale.sizes must be sizes of communities of at least 2, not {settings.sizes}")


def _check_positive(key: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise errors.UserError(f"{key} must be more than 0, not {value}")


def run(task: TaskContext) -> Mapping[str, Any]:
    """Learns every data set, tests it, and tests its rivals and ablations."""
    if "scale" in task.config:
        settings = scale.Settings(**task.config.scale.to_dict())
        measured = {"scale": task.stage("scale", lambda: scale.measure(settings, task.seed))}
        report.write_scale_report(task.workdir, measured)
        return measured
    results: dict[str, Any] = {}
    rivals: dict[str, Any] = {}
    ablations: dict[str, Any] = {}
    for data_set in sets.chosen(task):
        part = SetRun(task, data_set)
        results[part.name] = part.measure()
        rivals[part.name] = {name: part.measure_baseline(name) for name in task.config.baselines}
        if data_set.kind != sets.OWN:
            rivals[part.name]["published"] = published.of(part.name)
        ablations[part.name] = {name: part.measure_ablation(name) for name in task.config.ablations}
    results |= {"baselines": rivals, "ablations": ablations}
    report.write_report(task.workdir, results)
    return results


def show(record: Mapping[str, Any]) -> None:
    """Prints the results as tables."""
    results = record["results"]
    if "scale" in results:
        print(report.scale_table(results).to_text())
        return
    print(report.results_table(results).to_text())
    for table in (report.rivals_table(results), report.ablations_table(results)):
        if table is not None:
            print(f"\n{table.to_text()}")


def answer(task: TaskContext) -> None:
    """Plans the way from --start to --goal, and goes it."""
    if task.flags.goal is None:
        return
    start, goal = (runs.parse_position(getattr(task.flags, flag), flag) for flag in ("start", "goal"))
    for data_set in sets.chosen(task):
        part, maze = SetRun(task, data_set), layout.load(data_set.size)
        trained = part.trained
        picture = task.workdir / f"asked_{part.name}.png"
        text = runs.draw_plan(picture, maze, trained, start, goal, title=f"{part.name}: asked")
        print(f"\n{part.name}\n{text}")
        question = Question(
            1, (task.seed, 0), start=(float(start[0]), float(start[1])), goal=(float(goal[0]), float(goal[1]))
        )
        (episode,) = evaluation.run(
            data_set.size,
            training.Stack(trained.model, trained.state),
            [question],
            noise=task.config.noise,
            max_steps=task.config.test.max_steps,
        )
        film = task.workdir / f"asked_{part.name}.gif"
        drawing.draw_episode(film, maze, episode, title=f"{part.name}: asked")
        outcome = "reached" if episode.success else "NOT reached"
        print(f"{part.name}: {outcome} in {len(episode.path) - 1} steps; see {picture} and {film}")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the task and ends the process; the command line is that of the process by default."""
    task = entry.Task(
        name=_NAME,
        run=run,
        show=show,
        define_flags=define_flags,
        input_flags=("dataset",),
        question_flags=("start", "goal"),
        check=check,
        answer=answer,
        description="Learns ways through OGBench's point mazes from trajectories alone.",
    )
    entry.main(task, arguments)


if __name__ == "__main__":
    main()
