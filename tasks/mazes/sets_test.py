"""Which data sets a run is about, and what can't be asked for."""

import types

import ml_collections
import numpy as np
import pytest

from configs import point_maze
from humain import errors
from tasks.mazes import sets
from tasks.mazes.sets import DataSet


def _task(**values):
    given = {"size": None, "kind": None, "dataset": None, "data_share": None} | values
    config = ml_collections.FrozenConfigDict(point_maze.get_config())
    return types.SimpleNamespace(flags=types.SimpleNamespace(**given), config=config, seed=0, resolve=lambda path: path)


def test_flags_come_before_the_config():
    assert sets.chosen(_task()) == [DataSet("giant", "stitch")]
    chosen = sets.chosen(_task(size="medium, large", kind="navigate,stitch"))
    assert [data_set.name for data_set in chosen] == [
        "medium_navigate", "medium_stitch", "large_navigate", "large_stitch",
    ]  # fmt: skip
    assert sets.share(_task()) == 1
    assert sets.share(_task(data_share=0.1)) == 0.1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": "huge"}, "there is no maze 'huge'; the sizes are medium, large, giant, teleport"),
        ({"kind": "explore"}, "there is no kind of data 'explore'; the kinds are navigate, stitch"),
        ({"size": ","}, "there is no data set; name at least one size and one kind"),
        ({"dataset": "mine.npz"}, "--dataset is of one maze; name its size, as in --size=large"),
        ({"dataset": "mine.npz", "size": "large", "kind": "stitch"}, "--kind is for data that is made"),
    ],
)
def test_what_there_is_not_is_refused(values, message):
    with pytest.raises(errors.UserError, match=message):
        sets.chosen(_task(**values))


@pytest.mark.parametrize("share", [0, -0.1, 1.5])
def test_a_share_is_part_of_the_whole(share):
    with pytest.raises(errors.UserError, match="data_share must be more than 0 and at most 1"):
        sets.share(_task(data_share=share))


def test_the_users_own_data_are_read_and_noise_is_added(tmp_path):
    states = np.array([(0.2 * step, 0.0) for step in range(6)], np.float32)
    observations, actions = np.tile(states, (400, 1)), np.tile([1.0, 0.0], (2400, 1)).astype(np.float32)
    terminals = np.tile([0, 0, 0, 0, 0, 1], 400).astype(np.float32)
    np.savez(tmp_path / "own.npz", observations=observations, actions=actions, terminals=terminals)
    task = _task(dataset=tmp_path / "own.npz", size="medium", data_share=0.5)
    assert sets.chosen(task) == [DataSet("medium", "dataset")]
    found = sets.read(task, DataSet("medium", "dataset")).trajectories
    assert found.states.shape == (200, 6, 2)
    np.testing.assert_array_equal(found.states[1], states)
    config = point_maze.get_config()
    config.noise = 0.1
    task.config = ml_collections.FrozenConfigDict(config)
    errors_ = np.asarray(sets.read(task, DataSet("medium", "dataset")).trajectories.states) - states
    # 2,400 draws: their deviation errs by 0.1 / sqrt(4,800) = 0.0014.
    assert errors_.shape == (200, 6, 2)
    assert 0.09 < errors_.std() < 0.11
    assert abs(errors_.mean()) < 0.01
