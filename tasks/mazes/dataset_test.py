"""A user's own files are read to the bit, and what is not one of OGBench's files is refused in one line."""

import io
import json
import zipfile

import minari
import numpy as np
import pytest
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage

from humain import errors
from tasks.mazes import dataset, layout

_LENGTHS = (4, 2, 5)


def _arrays(lengths=_LENGTHS):
    """As in OGBench's files: positions in the first cell, row after row."""
    rng = np.random.default_rng(0)
    total = sum(lengths)
    terminals = np.zeros(total, bool)
    terminals[np.cumsum(lengths) - 1] = True
    return {
        "observations": rng.uniform(-1, 1, (total, 2)).astype(np.float32),
        "actions": rng.uniform(-1, 1, (total, 2)).astype(np.float32),
        "terminals": terminals,
        "qpos": np.zeros((total, 2), np.float32),
    }


def _write(path, **changes):
    arrays = {**_arrays(), **changes}
    np.savez_compressed(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def _load(path, **arguments):
    """The states, actions and lengths of a dataset."""
    found = dataset.load(path, **arguments).trajectories
    return np.asarray(found.states), np.asarray(found.actions), np.asarray(found.lengths)


def test_trajectories_are_cut_at_terminals(tmp_path):
    arrays = _arrays()
    states_of, actions_of, lengths = _load(_write(tmp_path / "own.npz"), size="medium")
    assert lengths.tolist() == list(_LENGTHS)
    assert states_of.shape == actions_of.shape == (3, 5, 2)
    assert states_of.dtype == actions_of.dtype == np.float32
    for row, (start, length) in enumerate(((0, 4), (4, 2), (6, 5))):
        states, actions = states_of[row], actions_of[row]
        np.testing.assert_array_equal(states[:length], arrays["observations"][start : start + length])
        # The last action leads to a state that the file does not have.
        np.testing.assert_array_equal(actions[: length - 1], arrays["actions"][start : start + length - 1])
        assert not states[length:].any() and not actions[length - 1 :].any()


def test_the_checksum_is_of_what_is_learned_from(tmp_path):
    arrays = _arrays()
    expected = dataset.load(_write(tmp_path / "own.npz")).sha256
    other_types = {
        "terminals": arrays["terminals"].astype(np.float32),
        "observations": arrays["observations"].astype(float),
    }
    assert dataset.load(_write(tmp_path / "types.npz", **other_types)).sha256 == expected
    last = arrays["actions"].copy()
    last[3] = 0.5  # leads nowhere
    assert dataset.load(_write(tmp_path / "last.npz", actions=last)).sha256 == expected
    last[2] = 0.5
    assert dataset.load(_write(tmp_path / "other.npz", actions=last)).sha256 != expected
    moved = arrays["observations"].copy()
    moved[-1] += 1e-6
    assert dataset.load(_write(tmp_path / "moved.npz", observations=moved)).sha256 != expected
    # Nine points at rest either way: three times two states and the action between them, and five states and four.
    still = [{**_arrays(lengths), "observations": np.zeros((sum(lengths), 2))} for lengths in ([2, 2, 2], [5])]
    digests = [
        dataset.load(_write(tmp_path / "still.npz", **{**each, "actions": each["observations"]})).sha256
        for each in still
    ]
    assert digests[0] != digests[1]


def test_one_trajectory_is_enough(tmp_path):
    data = dataset.load(_write(tmp_path / "one.npz", **_arrays([7])))
    assert data.trajectories.states.shape == (1, 7, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"terminals": None},
            r"has no terminals, but observations, actions, qpos; expected a dataset of OGBench's point",
        ),
        (
            {"observations": None, "terminals": None},
            "has no observations and no terminals, but actions, qpos; expected",
        ),
        (
            {"observations": np.zeros((11, 3), np.float32)},
            r"has observations of shape \[11, 3\] and type float32 for 11",
        ),
        (
            {"observations": np.zeros((11, 2), int)},
            r"observations of shape \[11, 2\] and type int64 for 11 terminals; exp",
        ),
        (
            {"actions": np.zeros((10, 2), np.float32)},
            r"has actions of shape \[10, 2\] and type float32 for 11 terminals",
        ),
        ({"actions": np.full((11, 2), 1.5)}, "has actions from 1.5 to 1.5; expected -1 to 1"),
        ({"actions": np.full((11, 2), np.inf)}, "has actions that are not finite, first in row 0"),
        (
            {"observations": np.diag([0.0] * 5 + [np.nan] + [0.0] * 5)[:, 4:6]},
            "observations that are not finite, first in row 5",
        ),
        ({"terminals": np.zeros(11, bool)}, "has no terminal in its last row; expected the end of a trajectory there"),
        ({"terminals": np.arange(11) == 3}, "has no terminal in its last row"),
        (
            {"terminals": np.full(11, 0.5)},
            r"has terminals of shape \[11\] and type float64; expected a 0 or 1 for each",
        ),
        ({"terminals": np.zeros((11, 1))}, r"has terminals of shape \[11, 1\]"),
        ({"terminals": np.array("x")}, r"has terminals of shape \[\]"),
        ({"terminals": np.isin(np.arange(11), (4, 5, 10))}, "trajectory 1 of .* has no step; leave it out"),
        (
            {"terminals": np.zeros(0), "actions": np.zeros((0, 2)), "observations": np.zeros((0, 2))},
            "no terminal in its",
        ),
        ({"terminals": np.array([None] * 11)}, r"can't be read as a .npz file \(Object arrays cannot be loaded"),
    ],
)
def test_other_contents_are_refused(tmp_path, changes, message):
    path = _write(tmp_path / "other.npz", **changes)
    with pytest.raises(errors.UserError, match=message) as failure:
        dataset.load(path)
    assert "\n" not in str(failure.value) and str(path) in str(failure.value)


def test_positions_in_walls_are_of_another_maze(tmp_path):
    maze = layout.load("large")
    positions = maze.to_position(maze.free_cells).astype(np.float32)
    arrays = {
        "observations": positions,
        "actions": positions * 0,
        "terminals": np.arange(len(positions)) == len(positions) - 1,
    }
    path = _write(tmp_path / "large.npz", **arrays, qpos=None)
    assert dataset.load(path, size="large").trajectories.states.shape == (1, 46, 2)
    with pytest.raises(
        errors.UserError, match=r"is not of the maze medium: trajectory 0 is at \(8.00, 0.00\), in a wall"
    ):
        dataset.load(path, size="medium")
    with pytest.raises(errors.UserError, match="there is no maze 'huge'"):
        dataset.load(path, size="huge")


def test_files_that_are_damaged_or_others_are_refused(tmp_path):
    path = _write(tmp_path / "own.npz")
    content = path.read_bytes()
    for number, length in enumerate((0, 1, 100, len(content) // 2, len(content) - 1)):
        cut = tmp_path / f"cut{number}.npz"
        cut.write_bytes(content[:length])
        with pytest.raises(errors.UserError, match=r"cut\d.npz can't be read as a .npz file \(.+\); copy it here anew"):
            dataset.load(cut)
    for save in (np.savez, np.savez_compressed):
        save(path, **_arrays())
        with zipfile.ZipFile(path) as archive:
            middle = (
                archive.getinfo("actions.npy").header_offset + archive.getinfo("terminals.npy").header_offset
            ) // 2
        flipped = bytearray(path.read_bytes())
        flipped[middle + 60] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(errors.UserError, match=r"own.npz can't be read as a .npz file \(.*actions.npy"):
            dataset.load(path)
    np.save(tmp_path / "single.npy", np.zeros(3))
    with pytest.raises(errors.UserError, match=r"single.npy can't be read as a .npz file \(File is not a zip file\)"):
        dataset.load(tmp_path / "single.npy")
    with zipfile.ZipFile(tmp_path / "text.npz", "w") as archive:
        for name in ("observations", "actions", "terminals"):
            archive.writestr(f"{name}.npy", "hello")
    with pytest.raises(errors.UserError, match=r"text.npz can't be read as a .npz file \(observations is no array\)"):
        dataset.load(tmp_path / "text.npz")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**15, 2)})
    with zipfile.ZipFile(tmp_path / "vast.npz", "w") as archive:
        for name in ("observations", "actions", "terminals"):
            archive.writestr(f"{name}.npy", header.getvalue())
    with pytest.raises(errors.UserError, match=r"vast.npz can't be read as a .npz file \(Unable to allocate"):
        dataset.load(tmp_path / "vast.npz")
    with pytest.raises(
        errors.UserError, match="there is no dataset .*missing.npz; name the directory of a Minari dataset"
    ):
        dataset.load(tmp_path / "missing.npz")


def test_what_does_not_fit_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "_LARGEST", 200)
    with pytest.raises(errors.UserError, match="has 0 MiB of arrays; at most 0 MiB can be read"):
        dataset.load(_write(tmp_path / "own.npz"))
    # 60 rows are 60 * (8 + 8 + 1) bytes and three headers of 128, 1404 in all; side by side they are 21 * 20 * 16.
    monkeypatch.setattr(dataset, "_LARGEST", 2000)
    uneven = {**_arrays([2] * 20 + [20]), "qpos": None}
    with pytest.raises(
        errors.UserError, match="has 21 trajectories of up to 20 states, which don't fit into 0 MiB side"
    ):
        dataset.load(_write(tmp_path / "uneven.npz", **uneven))


def _minari(path, name, *, size=2, **metadata):
    """A dataset as other programs write it, with Minari's own storage."""
    (path / name / "data").mkdir(parents=True)
    storage = MinariStorage.new(
        path / name / "data",
        observation_space=spaces.Box(-np.inf, np.inf, (size,)),
        action_space=spaces.Box(-1, 1, (2,)),
        data_format="hdf5",
    )
    storage.update_metadata({"dataset_id": f"{name}-v0", "minari_version": minari.__version__, **metadata})
    ends = np.arange(3) == 2
    storage.update_episodes(
        [
            EpisodeBuffer(
                id=0,
                observations=np.full((4, size), 0.5, np.float32),
                actions=np.full((3, 2), 0.25, np.float32),
                rewards=np.zeros(3),
                terminations=ends & False,
                truncations=ends,
            )
        ]
    )
    return path / name


def test_a_minari_dataset_of_others_is_read(tmp_path):
    plain = _minari(tmp_path, "plain")
    states, actions, _ = _load(plain, size="giant")
    np.testing.assert_array_equal(states, np.full((1, 4, 2), 0.5))
    np.testing.assert_array_equal(actions[:, :3], np.full((1, 3, 2), 0.25))
    expected = dataset.load(plain)
    assert expected.seconds > 0
    spec = json.dumps({"id": "pointmaze-giant-v0"})
    named = _minari(tmp_path, "named", env_spec=spec)
    for path in (named, named / "data", named / "data" / "main_data.hdf5"):
        assert dataset.load(path, size="giant").sha256 == expected.sha256


def test_a_minari_dataset_of_another_environment_is_refused(tmp_path):
    giant = _minari(tmp_path, "giant", env_spec=json.dumps({"id": "pointmaze-giant-v0"}))
    with pytest.raises(
        errors.UserError, match="giant is of the environment pointmaze-giant-v0; expected pointmaze-medium"
    ):
        dataset.load(giant, size="medium")
    pole = _minari(tmp_path, "pole", env_spec=json.dumps({"id": "CartPole-v1"}))
    with pytest.raises(errors.UserError, match="is of the environment CartPole-v1; expected pointmaze-medium-v0 or"):
        dataset.load(pole)
    with pytest.raises(
        errors.UserError, match=r"has observations of shape \(3,\), and those of pointmaze are of shape \(2"
    ):
        dataset.load(_minari(tmp_path, "wide", size=3))
    with pytest.raises(errors.UserError, match="is damaged: its checksum is not that of its content"):
        dataset.load(_minari(tmp_path, "wrong", sha256="0" * 64))
