"""Data as OGBench's point mazes have them, made anew by upstream's rules, from a seed.

Upstream's `data_gen_scripts` (Park, Frans, Eysenbach, Levine: "OGBench: Benchmarking Offline Goal-Conditioned RL") make
the published data; this is another program for the same rules. A point starts in a free cell, and always heads for the
centre of the next cell on the way to its goal; its action is the unit vector to there with Gaussian noise. With
`navigate` it gets another goal whenever it has reached one; with `stitch` its goal is four cells away, and it stays
about there. The point moves by actions in float64, and the data have them in float32; the observation of a step that
ends at an entry of a teleporter is the position there. Both are as in upstream's data.

Upstream draws everything from one stream without a seed. Here each episode has its own stream, from the seed and the
episode's number, so the first episodes of a dataset are those of a smaller one, and an interrupted run goes on with the
same bytes. Upstream also makes a tenth more for validation, which is left out.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any

import numpy as np

from humain import errors
from humain.environments import gymnasium_adapter
from humain.files import archive, file_lock
from humain.training.progress import Progress
from humain.types import Trajectories
from tasks.control import datasets
from tasks.mazes import dataset, physics
from tasks.mazes import layout as layouts

KINDS = ("navigate", "stitch")
ACTION_NOISE = 0.5
"""The standard deviation of the noise on each component of an action."""
STITCH_DISTANCE = 4
"""How many cells away a goal of `stitch` is."""
_BLOCK_STEPS = 250_000
"""About how many steps are made at once; a block that is complete is not made again."""
_ROUNDS_PER_UPDATE = 50


@dataclasses.dataclass(frozen=True)
class Rules:
    """What is made.

    Attributes:
        size: the maze.
        kind: one of `KINDS`.
        num_episodes: in all.
        num_states: of an episode.
    """

    size: str
    kind: str
    num_episodes: int
    num_states: int


def rules(size: str, kind: str, num_episodes: int | None = None) -> Rules:
    """Upstream's numbers for a dataset, or fewer episodes.

    Raises:
        UserError: if there is no such maze or kind, or the number of episodes is not from 1 to upstream's.
    """
    layouts.environment_name(size)
    if kind not in KINDS:
        raise errors.UserError(f"there is no kind of data {kind!r}; the kinds are {', '.join(KINDS)}")
    if kind == "stitch":
        whole, num_states = 5000, 201
    else:
        whole, num_states = (500, 2001) if size == "giant" else (1000, 1001)
    if num_episodes is not None and not 1 <= num_episodes <= whole:
        raise errors.UserError(f"{size} {kind} has from 1 to {whole} episodes, not {num_episodes}")
    return Rules(size, kind, whole if num_episodes is None else num_episodes, num_states)


def generate(
    size: str,
    kind: str,
    seed: int,
    *,
    num_episodes: int | None = None,
    directory: pathlib.Path,
    progress: Progress,
) -> pathlib.Path:
    """Makes a dataset, unless it is there already.

    Args:
        size: the maze, one of `layout.SIZES`.
        kind: one of `KINDS`.
        seed: not negative; another one gives other data.
        num_episodes: fewer than upstream's: the first ones of the whole dataset.
        directory: where datasets are kept; made where it is missing. A run that was interrupted left complete blocks
            there, and they are not made again.
        progress: is told of the steps made.

    Returns:
        The dataset's directory, for `dataset.load`, which also finds out whether it is still as it was written.

    Raises:
        UserError: if there is no such maze or kind, something else is where the dataset should be, another process
            makes it right now, or it can't be written.
    """
    wanted = rules(size, kind, num_episodes)
    if seed < 0:
        raise errors.UserError(f"the seed of the data must not be negative, and is {seed}")
    name = f"pointmaze-{size}-{kind}-seed{seed}"
    if wanted.num_episodes != rules(size, kind).num_episodes:
        name += f"-{wanted.num_episodes}episodes"
    path = directory / name
    origin = _origin(wanted, seed)
    environment = dataclasses.replace(
        gymnasium_adapter.adapt(
            lambda: layouts.make(size, terminate_at_goal=False, max_episode_steps=wanted.num_states)
        ),
        name=layouts.environment_name(size),
    )
    if path.exists():
        _check_origin(path, origin, environment)
        return path
    parts = directory / f".{name}.parts"
    with _writing(path), _locked(parts):
        # What a run left that was killed while it wrote the dataset; no other run does so now.
        for left in directory.glob(f".{name}.*"):
            if left != parts:
                shutil.rmtree(left, ignore_errors=True)
        if not path.exists():
            observations, actions = _made(wanted, seed, parts, origin, progress)
            made = _trajectories(observations, actions)
            metadata = {
                "dataset_id": f"humain/{name}-v0",
                "sha256": dataset.digest(made),
                "origin": origin,
                "description": f"{size} {kind} of OGBench's point mazes, made anew by its rules",
            }
            datasets.save(path, made, environment, metadata=metadata)
    shutil.rmtree(parts, ignore_errors=True)
    return path


def simulate(
    layout: layouts.Layout,
    simulator: physics.Physics,
    wanted: Rules,
    seed: int,
    episodes: range,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The states and actions of some episodes, one time step after the other.

    Args:
        layout: the maze.
        simulator: of this maze.
        wanted: what is made.
        seed: of the data.
        episodes: which, by their numbers.

    Yields:
        Of each time step the observations `[E, 2]`, and the actions `[E, 2]` that follow them, float64.
    """
    draws = _Draws(wanted, seed, episodes)
    centres = layout.to_position(layout.free_cells)
    first = _choice(draws.first[:, 0], len(centres))
    positions = centres[first] + _within(draws.first[:, 1:3], layout.noise)
    candidates, counts = _goal_candidates(layout, wanted.kind)
    cells = candidates[first, _choice(draws.first[:, 3], counts[first])]
    goals = centres[cells] + _within(draws.first[:, 4:6], layout.noise)
    observations = positions
    for step in range(wanted.num_states):
        places = layout.numbers[tuple(layout.to_cell(positions).T)]
        ahead = centres[layout.next_cells[places, cells]] - positions
        ahead /= np.linalg.norm(ahead, axis=-1, keepdims=True) + 1e-6
        actions = np.clip(ahead + ACTION_NOISE * draws.noise[:, step], -1.0, 1.0)
        yield observations, actions
        observations, _ = simulator.step(positions, actions)
        drawn = draws.later[:, step]
        if wanted.kind == "navigate":
            reached = np.linalg.norm(observations - goals, axis=-1) <= layout.goal_radius
            others = candidates[first, _choice(drawn[:, 0], counts[first])]
            cells = np.where(reached, others, cells)
            goals = np.where(reached[:, None], centres[others] + _within(drawn[:, 1:3], layout.noise), goals)
        teleporters = layout.teleporters
        exits = _choice(drawn[:, 3], 1 if teleporters is None else len(teleporters.exits))
        positions, _ = physics.teleport(teleporters, observations, exits)


class _Draws:
    """All random numbers of some episodes, each with a stream of its own."""

    def __init__(self, wanted: Rules, seed: int, episodes: range):
        shape = (len(episodes), wanted.num_states)
        self.first = np.empty((len(episodes), 6))
        """`[E, 6]` from 0 to 1: cell and place of the start, cell and place of the goal."""
        self.noise = np.empty((*shape, 2))
        """`[E, T, 2]`, standard normal."""
        self.later = np.empty((*shape, 4))
        """`[E, T, 4]` from 0 to 1: cell and place of another goal, exit."""
        kind = (layouts.SIZES.index(wanted.size), KINDS.index(wanted.kind))
        for row, episode in enumerate(episodes):
            stream = np.random.default_rng([seed, *kind, episode])
            self.first[row] = stream.random(6)
            self.noise[row] = stream.standard_normal((wanted.num_states, 2))
            self.later[row] = stream.random((wanted.num_states, 4))


def _choice(drawn: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    """A whole number below `count` for each number from 0 to 1, all of them equally likely."""
    return (drawn * count).astype(np.int64)


def _within(drawn: np.ndarray, noise: float) -> np.ndarray:
    """A number from -noise to noise for each one from 0 to 1."""
    return (2 * drawn - 1) * noise


def _goal_candidates(layout: layouts.Layout, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The cells that a goal may be in, by the cell of the start: their numbers `[F, C]`, and how many `[F]`."""
    count = len(layout.free_cells)
    if kind == "navigate":
        return np.tile(layout.vertices, (count, 1)), np.full(count, len(layout.vertices))
    allowed = layout.distances == STITCH_DISTANCE
    # A start with no cell at that distance is its own goal.
    allowed |= np.eye(count, dtype=bool) & ~allowed.any(axis=1, keepdims=True)
    counts = allowed.sum(axis=1)
    return np.argsort(~allowed, axis=1, kind="stable")[:, : counts.max()], counts


def _made(
    wanted: Rules, seed: int, parts: pathlib.Path, origin: dict[str, Any], progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """The observations and actions `[W, T, 2]` of all episodes, block by block, from `parts` where that has them."""
    shape = (wanted.num_episodes, wanted.num_states, 2)
    observations, actions = np.empty(shape, np.float32), np.empty(shape, np.float32)
    per_block = max(1, _BLOCK_STEPS // wanted.num_states)
    blocks = [
        range(start, min(start + per_block, wanted.num_episodes)) for start in range(0, wanted.num_episodes, per_block)
    ]
    missing = []
    for block in blocks:
        found = _read_part(parts, block, origin)
        if found is None:
            missing.append(block)
        else:
            observations[block.start : block.stop], actions[block.start : block.stop] = found
    done = (wanted.num_episodes - sum(map(len, missing))) * wanted.num_states
    layout = layouts.load(wanted.size)
    try:
        progress.start(f"{wanted.size} {wanted.kind} data", done, wanted.num_episodes * wanted.num_states)
        with physics.Physics(layout) as simulator:
            for block in missing:
                rows = slice(block.start, block.stop)
                for step, (seen, chosen) in enumerate(simulate(layout, simulator, wanted, seed, block)):
                    observations[rows, step], actions[rows, step] = seen, chosen
                    if step % _ROUNDS_PER_UPDATE == 0:
                        progress.update(done + step * len(block), {})
                _write_part(parts, block, origin, observations[rows], actions[rows])
                done += len(block) * wanted.num_states
        progress.update(done, {})
    finally:
        progress.close()
    return observations, actions


def _part(parts: pathlib.Path, block: range) -> pathlib.Path:
    return parts / f"episodes_{block.start}_to_{block.stop - 1}.npz"


def _read_part(parts: pathlib.Path, block: range, origin: dict[str, Any]) -> tuple[np.ndarray, np.ndarray] | None:
    """What an earlier run made of a block; None where that is missing, damaged, or of other versions."""
    try:
        header, arrays = archive.read(_part(parts, block))
    except errors.UserError:
        return None
    if header.get("origin") != origin:
        return None
    return arrays["observations"], arrays["actions"]


def _write_part(
    parts: pathlib.Path, block: range, origin: dict[str, Any], observations: np.ndarray, actions: np.ndarray
) -> None:
    archive.write(_part(parts, block), {"origin": origin}, {"observations": observations, "actions": actions})


def _trajectories(observations: np.ndarray, actions: np.ndarray) -> Trajectories:
    """Episodes of one length. The action after the last state leads to no state of the data, and is left out."""
    count, length = observations.shape[:2]
    actions = np.concatenate([actions[:, :-1], np.zeros_like(actions[:, :1])], axis=1)
    found: dict[str, Any] = {
        "states": observations,
        "lengths": np.full(count, length, np.int32),
        "actions": actions,
        "rewards": np.zeros((count, length), np.float32),
        "terminated": np.zeros(count, bool),
    }
    return Trajectories(**found)


def _origin(wanted: Rules, seed: int) -> dict[str, Any]:
    """What decides the bytes of a dataset."""
    versions = {name: importlib.metadata.version(name) for name in ("ogbench", "mujoco", "numpy")}
    return {
        "rules": "data_gen_scripts/generate_locomaze.py of OGBench",
        **dataclasses.asdict(wanted),
        "action_noise": ACTION_NOISE,
        "seed": seed,
        "versions": versions,
    }


def _check_origin(
    path: pathlib.Path, origin: dict[str, Any], environment: gymnasium_adapter.GymnasiumEnvironment
) -> None:
    """Refuses a file that is not a dataset, or is another one; versions may differ."""
    found = datasets.read_metadata(path, environment).get("origin")
    decides = {key: value for key, value in origin.items() if key != "versions"}
    if not isinstance(found, dict) or {key: found.get(key) for key in decides} != decides:
        raise errors.UserError(f"{path} is not what would be generated there; delete it, or name another directory")


@contextlib.contextmanager
def _writing(path: pathlib.Path) -> Iterator[None]:
    """Says in one line where the dataset can't be written."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise errors.UserError(f"{path} can't be written ({reason}); name another directory") from error


@contextlib.contextmanager
def _locked(parts: pathlib.Path) -> Iterator[None]:
    """Keeps other processes from making the same dataset meanwhile."""
    parts.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(parts / "lock", os.O_RDWR | os.O_CREAT)
    try:
        if not file_lock.acquire(descriptor):
            raise errors.UserError(
                f"another process is generating {parts.with_suffix('').name[1:]} in {parts.parent}; wait for it"
            )
        yield
    finally:
        os.close(descriptor)
