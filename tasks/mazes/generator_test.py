"""Data are what a slow loop over upstream's environment makes of the same random numbers, and stay so when resumed."""

import contextlib
import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from humain import errors
from tasks.mazes import dataset, generator, layout, physics


def _inner(made) -> Any:
    """Upstream's environment in its wrappers, with attributes that Gymnasium's class knows nothing of."""
    return made.unwrapped


class _Told:
    """Progress that keeps what it was told."""

    def __init__(self):
        self.started, self.steps, self.closed = [], [], 0

    def start(self, name, first_step, num_steps):
        self.started.append((name, first_step, num_steps))

    def note(self, text):
        raise AssertionError("nothing to note")

    def update(self, step, metrics):
        self.steps.append(step)

    def close(self):
        self.closed += 1


def _generate(directory, *, size="medium", kind="stitch", seed=0, num_episodes=6, progress=None):
    return generator.generate(
        size, kind, seed, num_episodes=num_episodes, directory=directory, progress=progress or _Told()
    )


def _load(path, **arguments):
    """The states, actions and lengths of a dataset."""
    found = dataset.load(path, **arguments).trajectories
    return np.asarray(found.states), np.asarray(found.actions), np.asarray(found.lengths)


def _slow_goals(maze_map, kind, start):
    """The cells that a goal may be in, in upstream's order, by loops over the map."""
    free = [tuple(cell) for cell in np.argwhere(maze_map == 0)]

    def open_around(cell):
        return [maze_map[cell[0] + i, cell[1] + j] == 0 for i, j in ((-1, 0), (1, 0), (0, -1), (0, 1))]

    if kind == "navigate":
        corridors = ([True, True, False, False], [False, False, True, True])
        return [cell for cell in free if open_around(cell) not in corridors]
    steps, front = {start: 0}, [start]
    for cell in front:
        for i, j in ((-1, 0), (0, -1), (1, 0), (0, 1)):
            following = (cell[0] + i, cell[1] + j)
            if maze_map[following] == 0 and following not in steps:
                steps[following] = steps[cell] + 1
                front.append(following)
    return sorted(cell for cell, step in steps.items() if step == 4) or [start]


def _slow_episode(made, wanted, seed, episode):
    """Observations and actions `[T, 2]` of an episode, by upstream's environment, which also has the way and the end.

    Numbers from 0 to 1 choose among cells, and about a cell's centre, as little as they can: what is looked at is what
    the environment does with it.
    """
    inner = _inner(made)
    maze_map = inner.maze_map
    stream = np.random.default_rng([seed, layout.SIZES.index(wanted.size), generator.KINDS.index(wanted.kind), episode])
    first = stream.random(6)
    noise = stream.standard_normal((wanted.num_states, 2))
    later = stream.random((wanted.num_states, 4))

    def about(cell, x, y):
        return np.array(inner.ij_to_xy(cell)) + (2 * x - 1, 2 * y - 1)

    free = [tuple(cell) for cell in np.argwhere(maze_map == 0)]
    start = free[int(first[0] * len(free))]
    goals = _slow_goals(maze_map, wanted.kind, start)
    made.reset(options={"task_info": {"init_ij": start, "goal_ij": start}})
    inner.set_xy(about(start, *first[1:3]))
    inner.cur_goal_xy = about(goals[int(first[3] * len(goals))], *first[4:6])
    observation, observations, actions = inner.get_xy(), [], []
    for step in range(wanted.num_states):
        ahead = inner.get_oracle_subgoal(inner.get_xy(), inner.cur_goal_xy)[0] - inner.get_xy()
        action = np.clip(ahead / (np.linalg.norm(ahead) + 1e-6) + 0.5 * noise[step], -1, 1)
        observations.append(observation)
        actions.append(action)
        observation, *_, info = inner.step(action)
        if np.linalg.norm(inner.get_xy() - observation) > 1:  # the jump, to the exit that is drawn here
            exits = inner._teleport_info["teleport_out_xys"]
            inner.set_xy(np.array(exits[int(later[step, 3] * len(exits))]))
        if wanted.kind == "navigate" and info["success"]:
            inner.cur_goal_xy = about(goals[int(later[step, 0] * len(goals))], *later[step, 1:3])
    return np.array(observations), np.array(actions)


@pytest.mark.parametrize(
    ("size", "kind", "episodes"), [("teleport", "navigate", 2), ("teleport", "stitch", 8), ("giant", "stitch", 4)]
)
def test_an_episode_is_what_a_loop_over_upstream_s_environment_makes(size, kind, episodes):
    wanted, maze = generator.rules(size, kind), layout.load(size)
    with physics.Physics(maze) as simulator:
        steps = list(generator.simulate(maze, simulator, wanted, 5, range(episodes)))
    found = [np.stack(arrays, axis=1) for arrays in zip(*steps, strict=True)]
    jumps = 0
    with contextlib.closing(layout.make(size)) as made:
        for episode in range(episodes):
            expected = _slow_episode(made, wanted, 5, episode)
            for ours, theirs in zip(found, expected, strict=True):
                assert ours[episode].shape == theirs.shape == (wanted.num_states, 2)
                np.testing.assert_allclose(ours[episode], theirs, rtol=0, atol=1e-9)
            jumps += int((np.linalg.norm(np.diff(expected[0], axis=0), axis=1) > 1).sum())
    assert (jumps > 0) == (size == "teleport")


@pytest.mark.parametrize("kind", generator.KINDS)
def test_goals_may_be_where_loops_over_the_map_find_them(kind):
    """From every start: the closed cell of this maze has none four cells away, and is its own goal."""
    maze = layout.load("teleport")
    candidates, counts = generator._goal_candidates(maze, kind)
    for start, (numbers, count) in enumerate(zip(candidates, counts, strict=True)):
        expected = _slow_goals(np.where(maze.map, 1, 0), kind, tuple(maze.free_cells[start]))
        np.testing.assert_array_equal(maze.free_cells[numbers[:count]], expected)
    assert kind == "navigate" or counts.min() == 1


def test_the_rules_are_upstream_s():
    found = {
        (size, kind): (generator.rules(size, kind).num_episodes, generator.rules(size, kind).num_states)
        for size in layout.SIZES
        for kind in generator.KINDS
    }
    assert found == {
        ("medium", "navigate"): (1000, 1001),
        ("large", "navigate"): (1000, 1001),
        ("giant", "navigate"): (500, 2001),
        ("teleport", "navigate"): (1000, 1001),
        ("medium", "stitch"): (5000, 201),
        ("large", "stitch"): (5000, 201),
        ("giant", "stitch"): (5000, 201),
        ("teleport", "stitch"): (5000, 201),
    }


def test_a_dataset_says_what_it_is_and_is_found_again(tmp_path):
    told = _Told()
    path = _generate(tmp_path, progress=told)
    assert path == tmp_path / "pointmaze-medium-stitch-seed0-6episodes"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert told.started == [("medium stitch data", 0, 6 * 201)]
    assert told.steps[-1] == 6 * 201 and told.steps == sorted(told.steps) and told.closed == 1
    states, actions, lengths = _load(path, size="medium")
    assert states.shape == actions.shape == (6, 201, 2)
    assert lengths.tolist() == [201] * 6
    before = {file: file.stat().st_mtime_ns for file in path.rglob("*")}
    again = _Told()
    assert _generate(tmp_path, progress=again) == path
    assert again.started == [] and {file: file.stat().st_mtime_ns for file in path.rglob("*")} == before


def test_the_seed_decides_and_fewer_episodes_are_the_first_ones(tmp_path, monkeypatch):
    whole = dataset.load(_generate(tmp_path / "a"))
    assert dataset.load(_generate(tmp_path / "b")).sha256 == whole.sha256
    assert dataset.load(_generate(tmp_path / "c", seed=1)).sha256 != whole.sha256
    monkeypatch.setattr(generator, "_BLOCK_STEPS", 402)  # two episodes
    assert dataset.load(_generate(tmp_path / "d")).sha256 == whole.sha256
    fewer = _load(_generate(tmp_path / "d", num_episodes=3))
    for found, expected in zip(fewer, _load(tmp_path / "a" / "pointmaze-medium-stitch-seed0-6episodes"), strict=True):
        np.testing.assert_array_equal(found, expected[:3])


_PROGRAM = """\
import os, pathlib, sys
from tasks.mazes import generator

class Killed:
    def start(self, name, first_step, num_steps): pass
    def update(self, step, metrics):
        if step >= 3 * 402 + 200:
            os._exit(9)
    def close(self): pass

generator._BLOCK_STEPS = 402
generator.generate("medium", "stitch", 0, num_episodes=12, directory=pathlib.Path(sys.argv[1]), progress=Killed())
"""


def test_a_run_that_was_killed_goes_on_with_the_same_bytes(tmp_path, monkeypatch):
    """It ends at once, as if killed, in the middle of the fourth block of six."""
    expected = dataset.load(_generate(tmp_path / "whole", num_episodes=12))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path / "cut")]
    assert subprocess.run(command, env=environment, check=False).returncode == 9
    parts = tmp_path / "cut" / ".pointmaze-medium-stitch-seed0-12episodes.parts"
    assert list(parts.parent.iterdir()) == [parts] and len(list(parts.glob("*.npz"))) == 3
    monkeypatch.setattr(generator, "_BLOCK_STEPS", 402)
    # Another run was killed while it wrote the dataset.
    (tmp_path / "cut" / ".pointmaze-medium-stitch-seed0-12episodes.x7_f" / "dataset").mkdir(parents=True)
    told = _Told()
    path = _generate(tmp_path / "cut", num_episodes=12, progress=told)
    assert told.started == [("medium stitch data", 3 * 402, 12 * 201)]
    assert dataset.load(path).sha256 == expected.sha256
    assert list(path.parent.iterdir()) == [path]


def test_blocks_of_others_and_damaged_ones_are_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(generator, "_BLOCK_STEPS", 402)
    expected = dataset.load(_generate(tmp_path / "whole")).sha256
    with monkeypatch.context() as patch:
        patch.setattr(generator.datasets, "save", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(errors.UserError, match="can't be written .No space left.; name another directory"):
            _generate(tmp_path / "cut")
    parts = tmp_path / "cut" / ".pointmaze-medium-stitch-seed0-6episodes.parts"
    first, second, third = sorted(parts.glob("*.npz"))
    first.write_bytes(first.read_bytes()[:-7])
    with monkeypatch.context() as patch:  # the second one is of an earlier version
        patch.setattr(generator.importlib.metadata, "version", lambda name: "0")
        wanted = generator.rules("medium", "stitch", 6)
        zeros = np.zeros((2, 201, 2), np.float32)
        generator._write_part(parts, range(2, 4), generator._origin(wanted, 0), zeros, zeros)
    told = _Told()
    assert dataset.load(_generate(tmp_path / "cut", progress=told)).sha256 == expected
    assert told.started == [("medium stitch data", 2 * 201, 6 * 201)]  # the third one was taken


def test_damage_is_noticed(tmp_path):
    path = _generate(tmp_path)
    file = path / "data" / "main_data.hdf5"
    content = bytearray(file.read_bytes())
    states = np.asarray(dataset.load(path).trajectories.states[3], "<f4").tobytes()
    content[content.index(states) + 100] ^= 1
    file.write_bytes(content)
    assert _generate(tmp_path) == path
    with pytest.raises(
        errors.UserError, match=r"is damaged: its checksum is not that of its content; delete it, and make it anew"
    ):
        dataset.load(path)
    file.write_bytes(content[:5000])
    with pytest.raises(errors.UserError, match=r"can't be read as a Minari dataset"):
        dataset.load(path)


def test_something_else_at_its_place_is_refused(tmp_path):
    path = _generate(tmp_path, num_episodes=2)
    path.rename(path.with_name("pointmaze-medium-stitch-seed1-2episodes"))
    with pytest.raises(errors.UserError, match="seed1-2episodes is not what would be generated there; delete it"):
        _generate(tmp_path, seed=1, num_episodes=2)
    (tmp_path / "pointmaze-medium-stitch-seed2-2episodes").mkdir()
    with pytest.raises(errors.UserError, match="is no Minari dataset"):
        _generate(tmp_path, seed=2, num_episodes=2)
    (tmp_path / "file").touch()
    with pytest.raises(errors.UserError, match="can't be written .Not a directory.; name another directory"):
        _generate(tmp_path / "file", num_episodes=2)


def test_two_processes_don_t_make_the_same(tmp_path, monkeypatch):
    def meanwhile(*_, **__):
        with pytest.raises(errors.UserError, match="another process is generating pointmaze-medium-stitch-seed0-2"):
            _generate(tmp_path, num_episodes=2)
        raise KeyboardInterrupt

    monkeypatch.setattr(generator, "_made", meanwhile)
    with pytest.raises(KeyboardInterrupt):
        _generate(tmp_path, num_episodes=2)
    monkeypatch.undo()
    _generate(tmp_path, num_episodes=2)  # who was stopped holds nothing


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": "huge"}, "there is no maze 'huge'"),
        ({"kind": "explore"}, "there is no kind of data 'explore'; the kinds are navigate, stitch"),
        ({"num_episodes": 0}, "medium stitch has from 1 to 5000 episodes, not 0"),
        ({"num_episodes": 5001}, "medium stitch has from 1 to 5000 episodes, not 5001"),
        ({"seed": -1}, "the seed of the data must not be negative, and is -1"),
    ],
)
def test_what_there_is_none_of_is_refused(tmp_path, arguments, message):
    with pytest.raises(errors.UserError, match=message):
        _generate(tmp_path / "nothing", **arguments)
    assert not pathlib.Path(tmp_path, "nothing").exists()
