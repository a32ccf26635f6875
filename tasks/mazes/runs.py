"""The parts of a run: a data set, its rivals and its ablations, each a stage that is not done twice."""

import functools
import pathlib
import time
from typing import Any

import jax
import ml_collections
import numpy as np

from humain import errors, planning
from humain.files import archive
from humain.training import loop
from humain.types import Plan
from humain.viewing import plan_tree
from tasks.harness import memory
from tasks.harness.context import TaskContext
from tasks.mazes import baselines, behaviour_cloning, drawing, evaluation, layout, sets, training
from tasks.mazes.dataset import MazeData
from tasks.mazes.drawing import Way
from tasks.mazes.evaluation import Decider, PlayedEpisode
from tasks.mazes.sets import DataSet
from tasks.mazes.training import Learning, Trained

BASELINES = ("map", "gcbc", "nearest", "search")
"""The rivals that are run here."""
ABLATIONS: dict[str, dict[str, Any]] = {
    "one_layer": {},
    "two_layers": {},
    # Without crossroads, for which hindsight would have to look as far ahead.
    "hindsight": {"sweep": False, "lookahead": 1024, "piece_places": 1024, "num_layers": 2},
    "grid": {"places": "grid"},
    "random": {"places": "random"},
    "undo_all": {"undo": "all"},
    "undo_none": {"undo": "none"},
}
"""What is taken away: layers of the trained model, or settings of another one."""
_NUM_LAYERS = {"one_layer": 1, "two_layers": 2}
_TIMED_PLANS = 20


class SetRun:
    """One data set of a run."""

    def __init__(self, task: TaskContext, data_set: DataSet):
        """Nothing is read or learned until it is needed."""
        self._task, self._data_set = task, data_set

    @property
    def name(self) -> str:
        """Of the data set."""
        return self._data_set.name

    @functools.cached_property
    def data(self) -> MazeData:
        """What is learned from."""
        return sets.read(self._task, self._data_set)

    @functools.cached_property
    def learning(self) -> Learning:
        """What learns from it."""
        return Learning(self._task, self.name, self.data.trajectories)

    @functools.cached_property
    def trained(self) -> Trained:
        """The model, read if it was learned before."""
        folder = self._folder
        if (folder / "steps.humain").exists():
            return training.load(folder)
        trained = self.learning.learn(self._task.config.model)
        training.save(folder, trained)
        return trained

    @property
    def _folder(self) -> pathlib.Path:
        return self._task.workdir / "models" / self.name

    def measure(self) -> dict[str, Any]:
        """The entry of the data set in the results."""
        data = self._task.stage(f"{self.name}.data", self._describe_data)
        learned = self._task.stage(f"{self.name}.learn", lambda: self.trained.figures)
        tested = self._task.stage(f"{self.name}.test", self._test)
        thought = self._task.stage(f"{self.name}.think", lambda: measure_think(self.trained, self._data_set.size))
        peak = self._task.stage(f"{self.name}.memory", memory.peak_rss_mb)
        return {**tested, **data, **learned, **thought, "peak_rss_mb": peak}

    def measure_baseline(self, rival: str) -> dict[str, Any]:
        """The entry of a rival."""
        return dict(self._task.stage(f"{self.name}.baseline_{rival}", functools.partial(self._test_rival, rival)))

    def measure_ablation(self, ablation: str) -> dict[str, Any]:
        """The entry of an ablation."""
        return dict(self._task.stage(f"{self.name}.ablation_{ablation}", functools.partial(self._ablate, ablation)))

    def _describe_data(self) -> dict[str, Any]:
        started = time.perf_counter()
        found = self.data
        return {
            "data_seconds": time.perf_counter() - started,
            "states": int(np.sum(found.trajectories.lengths)),
            "trajectories": len(found.trajectories.lengths),
            "dataset_sha256": found.sha256,
        }

    def _evaluate(self, policy: Decider) -> tuple[list[PlayedEpisode], float]:
        config = self._task.config.test
        started = time.perf_counter()
        episodes = evaluation.run(
            self._data_set.size,
            policy,
            evaluation.questions(self._task.seed, num_episodes=config.episodes),
            noise=self._task.config.noise,
            max_steps=config.max_steps,
            check=self._check,
        )
        return episodes, time.perf_counter() - started

    def _check(self, step: int) -> None:
        if step % 20 == 0:
            self._task.interruption.check()

    def _test(self) -> dict[str, Any]:
        episodes, seconds = self._evaluate(training.Stack(self.trained.model, self.trained.state))
        self._draw(episodes)
        return {"success": evaluation.success_rates(episodes), **_lengths(episodes), "evaluate_seconds": seconds}

    def _test_rival(self, rival: str) -> dict[str, Any]:
        started = time.perf_counter()
        figures: dict[str, Any] = {}
        if rival == "map":
            policy: Decider = baselines.Oracle(layout.make(self._data_set.size).unwrapped)
        elif rival == "gcbc":
            policy = self._clone()
        elif rival == "nearest":
            policy = baselines.NearestTrajectory(self.data.trajectories, training.inverse(self.trained))
        else:
            search = self._search()
            figures = measure_search(search, self.trained, self._data_set.size)
            policy = search
        figures["learn_seconds"] = time.perf_counter() - started
        episodes, seconds = self._evaluate(policy)
        return {
            "success": evaluation.success_rates(episodes),
            **_lengths(episodes),
            "evaluate_seconds": seconds,
            **figures,
        }

    def _search(self) -> baselines.Search:
        trained = self.trained
        risk = self._task.config.model.horizon / trained.move_steps
        return baselines.Search(
            trained.centers, trained.steps, training.inverse(trained), training.assign(trained), risk=risk
        )

    def _clone(self) -> Decider:
        config = self._task.config.gcbc
        recorded = behaviour_cloning.record(self.data.trajectories)
        sizes = {"width": config.width, "num_layers": config.num_layers, "learning_rate": config.learning_rate}
        update = behaviour_cloning.build_update(batch_size=config.batch_size, learning_rate=config.learning_rate)
        result = self._task.train(
            f"{self.name}_gcbc",
            behaviour_cloning.begin(jax.random.key(self._task.seed), **sizes),
            chunk=loop.make_chunk(update, config.chunk_steps),
            data=recorded,
            num_steps=config.num_steps,
            chunk_steps=config.chunk_steps,
        )
        return behaviour_cloning.Clone(result.state.params, recorded)

    def _ablate(self, ablation: str) -> dict[str, Any]:
        if ablation in _NUM_LAYERS:
            trained, figures = self.trained, {}
            policy = training.Stack(trained.model, trained.state, _NUM_LAYERS[ablation])
        else:
            config = ml_collections.ConfigDict(self._task.config.model.to_dict())
            config.update(ABLATIONS[ablation])
            if not config.sweep:
                config.num_steps = config.hindsight_steps
            trained = self.learning.learn(ml_collections.FrozenConfigDict(config), ablation)
            figures = {name: trained.figures[name] for name in ("places", "edges")}
            policy = training.Stack(trained.model, trained.state)
        episodes, seconds = self._evaluate(policy)
        return {
            "success": evaluation.success_rates(episodes),
            **_lengths(episodes),
            "evaluate_seconds": seconds,
            **figures,
        }

    def _draw(self, episodes: list[PlayedEpisode]) -> None:
        """Pictures of the first question, and of a few episodes, those that failed first."""
        task, size = self._task, self._data_set.size
        maze = layout.load(size)
        first = episodes[0]
        draw_plan(
            task.workdir / f"places_{self.name}.png", maze, self.trained, first.path[0], first.goal, title=self.name
        )
        order = sorted(
            range(len(episodes)), key=lambda number: (episodes[number].success, _first_of_task(episodes, number))
        )
        for number, place in enumerate(order[: task.config.shown.episodes]):
            episode = episodes[place]
            title = f"{self.name}  task {episode.task}"
            drawing.draw_episode(task.workdir / f"episode_{self.name}_{number}.gif", maze, episode, title=title)
        arrays = {f"path_{number}": episode.path for number, episode in enumerate(episodes)}
        arrays |= {
            "goals": np.stack([episode.goal for episode in episodes]),
            "tasks": np.array([episode.task for episode in episodes]),
            "success": np.array([episode.success for episode in episodes]),
        }
        archive.write(task.workdir / f"episodes_{self.name}.npz", {}, arrays)


def think(trained: Trained, start: np.ndarray, goal: np.ndarray) -> Plan:
    """The plan from a place to another one, of positions `[2]` in them."""
    above = trained.model.above(1)
    places = training.assign(trained)(np.stack([start, goal]))
    return planning.think(above, trained.model.state_above(trained.state, 1), places[:1], places[1:])


def measure_think(trained: Trained, size: str) -> dict[str, Any]:
    """The time of a whole plan, alone and compiled, for the maze's own tasks; and how many plans were complete."""
    seconds, complete = [], []
    questions = _centres(size)
    above, state = trained.model.above(1), trained.model.state_above(trained.state, 1)
    for start, goal in questions:
        places = training.assign(trained)(np.stack([start, goal]))
        for _ in range(_TIMED_PLANS + 1):
            started = time.perf_counter()
            plan = jax.block_until_ready(planning.think(above, state, places[:1], places[1:]))
            seconds.append(time.perf_counter() - started)
        complete.append(bool(plan.complete[0]))
        # The first one was compiled, or met cold caches.
        del seconds[-_TIMED_PLANS - 1]
    return {"think_ms": 1000 * float(np.median(seconds)), "plans_complete": float(np.mean(complete))}


def measure_search(search: baselines.Search, trained: Trained, size: str) -> dict[str, Any]:
    """The time of a search for a whole way, alone, for the maze's own tasks."""
    seconds = []
    for start, goal in _centres(size):
        here, wanted = (int(place) for place in training.assign(trained)(np.stack([start, goal])))
        for _ in range(_TIMED_PLANS):
            started = time.perf_counter()
            search.way(here, wanted)
            seconds.append(time.perf_counter() - started)
    return {"think_ms": 1000 * float(np.median(seconds))}


def draw_plan(
    path: pathlib.Path, maze: layout.Layout, trained: Trained, start: np.ndarray, goal: np.ndarray, *, title: str
) -> str:
    """Draws places by their distance to a goal with the plan to it; returns the plan as text."""
    plan = think(trained, start, goal)
    centers = trained.centers
    ways = []
    for number, layer in enumerate(plan.layers):
        nodes = np.asarray(layer.states[0])[np.asarray(layer.valid[0])]
        positions = centers[nodes]
        ways.append(Way(np.concatenate([start[None], positions]) if number == 0 else positions, number))
    wanted = int(np.asarray(plan.goals[0]))
    drawing.draw_places(
        path, maze, centers, training.distances(trained, wanted), ways=ways, start=start, goal=goal, title=title
    )
    name = functools.partial(_named, centers)
    return plan_tree.plan_text(plan, name=name)


def parse_position(text: str, flag: str) -> np.ndarray:
    """A position from words such as `12,8.5`.

    Raises:
        UsageError: if it is not two numbers.
    """
    try:
        x, y = (float(word) for word in text.split(","))
    except ValueError as error:
        raise errors.UsageError(f"--{flag}={text} is not a position; write x,y as in --{flag}=4,8") from error
    return np.array([x, y], np.float32)


def check_free(maze: layout.Layout, position: np.ndarray, flag: str) -> None:
    """Refuses a position outside the maze or in a wall.

    Raises:
        UserError: if it is there.
    """
    if not bool(maze.is_free(position)):
        centres = maze.to_position(maze.free_cells)
        nearest = centres[np.linalg.norm(centres - position, axis=1).argmin()]
        lowest, highest = maze.to_position(np.zeros(2, int)), maze.to_position(np.array(maze.map.shape) - 1)
        outside = (position < lowest - maze.unit / 2).any() or (position > highest + maze.unit / 2).any()
        where = "outside the maze" if outside else "in a wall of the maze"
        raise errors.UserError(
            f"--{flag}={position[0]:g},{position[1]:g} is {where} {maze.size}; the nearest free cell is about "
            f"{nearest[0]:g},{nearest[1]:g}"
        )


def _named(centers: np.ndarray, place: Any) -> str:
    x, y = centers[int(place)]
    return f"({x:.1f}, {y:.1f})"


def _centres(size: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """The centres of the maze's own tasks."""
    maze = layout.load(size)
    return [
        (
            np.asarray(maze.to_position(np.array(each.start)), np.float32),
            np.asarray(maze.to_position(np.array(each.goal)), np.float32),
        )
        for each in maze.tasks
    ]


def _lengths(episodes: list[PlayedEpisode]) -> dict[str, Any]:
    """Mean steps of the episodes that succeeded."""
    steps = [len(episode.path) - 1 for episode in episodes if episode.success]
    return {"mean_steps": float(np.mean(steps)) if steps else None}


def _first_of_task(episodes: list[PlayedEpisode], number: int) -> int:
    """How many episodes of the same task come before; so that a few show different tasks."""
    return sum(episode.task == episodes[number].task for episode in episodes[:number])
