"""Datasets go out and come back to the bit, also from and to Minari's own functions, and what is none is refused."""

import contextlib
import dataclasses
import json
import warnings
from typing import Any

import gymnasium
import h5py
import jax
import minari
import numpy as np
import pytest
from minari.dataset.minari_storage import MinariStorage

from humain import errors
from humain.environments import collecting, gymnasium_adapter
from humain.types import Trajectories
from tasks.control import datasets

CART_POLE = gymnasium_adapter.adapt("CartPole-v1")
CAR = gymnasium_adapter.adapt("MountainCarContinuous-v0")

_RNG_SEED = 7


def _together(*episodes):
    """Trajectories of (observations, actions, terminated), with a reward of 1 a step."""
    longest = max(len(observations) for observations, *_ in episodes)
    lengths = np.array([len(observations) for observations, *_ in episodes], np.int32)

    def padded(rows):
        return np.stack(
            [np.concatenate([row, np.zeros((longest - len(row), *row.shape[1:]), row.dtype)]) for row in rows]
        )

    fields: dict[str, Any] = {
        "states": padded([observations for observations, *_ in episodes]),
        "lengths": lengths,
        "actions": padded([actions for _, actions, _ in episodes]),
        "rewards": (np.arange(longest) < lengths[:, None] - 1).astype(np.float32),
        "terminated": np.array([terminated for *_, terminated in episodes]),
    }
    return Trajectories(**fields)


def _three():
    """Ended by the world after 3 steps, cut off after 1, ended after 200."""
    rng = np.random.default_rng(_RNG_SEED)
    return [
        (
            rng.normal(size=(num_steps + 1, 4)).astype(np.float32),
            rng.integers(0, 2, num_steps).astype(np.int32),
            terminated,
        )
        for num_steps, terminated in ((3, True), (1, False), (200, True))
    ]


def _episodes():
    return _together(*_three())


def _assert_same(found, expected):
    for field in dataclasses.fields(Trajectories):
        array, wanted = getattr(found, field.name), getattr(expected, field.name)
        assert (array.dtype, array.shape) == (wanted.dtype, wanted.shape)
        assert array.tobytes() == wanted.tobytes()


def _record(monkeypatch, root, name, environment, play, **arguments):
    """What `play` returns of a collector around an environment, whose dataset is made then."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # on authors not named, and folders that the collector leaves to the interpreter
        collector = minari.DataCollector(environment, **arguments)
        played = play(collector)
        collector.create_dataset(name)
        collector.close()
        del collector
    return played


def _play(collector, limits):
    """One episode for each limit of steps, as the environment itself tells it."""
    collector.action_space.seed(0)
    played = []
    for number, limit in enumerate(limits):
        observations, terminated = [collector.reset(seed=number)[0]], False
        actions: list[int] = []
        while not terminated and len(actions) < limit:
            actions.append(collector.action_space.sample())
            observation, _, terminated, _, _ = collector.step(actions[-1])
            observations.append(observation)
        played.append((np.array(observations, np.float32), np.array(actions, np.int32), bool(terminated)))
    return _together(*played)


def _saved(path):
    datasets.save(path, _episodes(), CART_POLE)
    return path


def _edit(path, **values):
    file = path / "data" / "metadata.json"
    metadata = {**json.loads(file.read_text()), **values}
    file.write_text(json.dumps({name: value for name, value in metadata.items() if value is not None}))
    return path


def _box(*shape):
    space = {"type": "Box", "dtype": "float32", "shape": shape}
    return json.dumps({**space, "low": np.zeros(shape).tolist(), "high": np.ones(shape).tolist()})


def _refused(path, match):
    with pytest.raises(errors.UserError, match=match) as caught:
        datasets.load(path, CART_POLE)
    assert "\n" not in str(caught.value)


def test_what_is_saved_is_loaded_to_the_bit(tmp_path):
    path = _saved(tmp_path / "new" / "mine")
    _assert_same(datasets.load(path, CART_POLE), _episodes())
    assert [entry.name for entry in path.parent.iterdir()] == ["mine"]


@pytest.mark.parametrize("part", ["", "data", "data/main_data.hdf5", "data/metadata.json"])
def test_every_part_of_a_dataset_stands_for_it(tmp_path, part):
    _assert_same(datasets.load(_saved(tmp_path / "mine") / part, CART_POLE), _episodes())


def test_a_collector_s_dataset_is_loaded(monkeypatch, tmp_path):
    # The first and the last are cut off by a reset and by the end of collecting, the others end by themselves.
    played = _record(
        monkeypatch, tmp_path, "cartpole/random-v0", CART_POLE.make(), lambda env: _play(env, (4, 500, 500, 6))
    )
    assert np.asarray(played.terminated).tolist() == [False, True, True, False]
    _assert_same(datasets.load(tmp_path / "cartpole" / "random-v0", CART_POLE), played)


def test_a_collector_s_infos_and_caps_are_no_obstacle(monkeypatch, tmp_path):
    capped = gymnasium.wrappers.TimeLimit(CART_POLE.make().unwrapped, 5)
    played = _record(monkeypatch, tmp_path, "capped-v0", capped, lambda env: _play(env, (5,)), record_infos=True)
    assert played.lengths.tolist() == [6] and not played.terminated[0]
    _assert_same(datasets.load(tmp_path / "capped-v0", CART_POLE), played)


def test_minari_loads_what_is_saved(monkeypatch, tmp_path):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    _saved(tmp_path / "mine-v0")
    dataset = minari.load_dataset("mine-v0")
    assert (dataset.total_episodes, dataset.total_steps) == (3, 204)
    assert dataset.spec.env_spec.id == "CartPole-v1"
    with CART_POLE.make() as environment:
        assert (dataset.observation_space, dataset.action_space) == (
            environment.observation_space,
            environment.action_space,
        )
    for found, (observations, actions, terminated) in zip(dataset, _three(), strict=True):
        np.testing.assert_array_equal(found.observations, observations)
        assert all(dataset.action_space.contains(action) for action in found.actions)
        assert found.rewards.tolist() == [1.0] * len(actions)
        # Of the last step: either terminated or truncated. Of those before: neither.
        assert (found.terminations[-1], found.truncations[-1]) == (terminated, not terminated)
        assert not found.terminations[:-1].any() and not found.truncations[:-1].any()


def test_an_episode_that_ends_at_its_cap_has_terminated(tmp_path):
    path = _saved(tmp_path / "mine")
    with h5py.File(path / "data" / "main_data.hdf5", "a") as file:
        file["episode_0/truncations"][-1] = True
        file["episode_1/truncations"][-1] = False
    assert np.asarray(datasets.load(path, CART_POLE).terminated).tolist() == [True, False, True]


def test_what_is_there_is_not_overwritten(tmp_path):
    path = _saved(tmp_path / "mine")
    with pytest.raises(errors.UserError, match="is there already"):
        datasets.save(path, _episodes(), CART_POLE)
    (tmp_path / "empty").mkdir()
    _assert_same(datasets.load(_saved(tmp_path / "empty"), CART_POLE), _episodes())
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.UserError, match="is there already"):
        datasets.save(tmp_path / "file", _episodes(), CART_POLE)
    with pytest.raises(errors.UserError, match="can't be written"):
        datasets.save(tmp_path / "file" / "mine", _episodes(), CART_POLE)


@pytest.mark.parametrize(
    ("observations", "actions", "match"),
    [
        (np.zeros((1, 4), np.float32), np.zeros(0, np.int32), "no step"),
        (np.zeros((3, 5), np.float32), np.zeros(2, np.int32), r"shape \(3, 5\)"),
        (np.zeros((3, 4), np.int32), np.zeros(2, np.int32), "int32"),
        (np.zeros((3, 4), np.float32), np.array([0, 2]), "from 0 to 2"),
        (np.zeros((3, 4), np.float32), np.zeros((2, 1), np.int32), r"shape \(2, 1\)"),
        (np.zeros((3, 4), np.float32), np.zeros(2, np.float32), "float32"),
        (np.full((3, 4), np.nan, np.float32), np.zeros(2, np.int32), "not finite"),
    ],
)
def test_what_is_no_episode_is_not_saved(tmp_path, observations, actions, match):
    with pytest.raises(ValueError, match=f"trajectory 0 .*{match}"):
        datasets.save(tmp_path / "mine", _together((observations, actions, False)), CART_POLE)
    none = jax.tree.map(lambda leaf: leaf[:0], _episodes())
    with pytest.raises(ValueError, match="no episode"):
        datasets.save(tmp_path / "mine", none, CART_POLE)
    for missing in ("actions", "rewards", "terminated"):
        with pytest.raises(ValueError, match="these trajectories lack some"):
            datasets.save(tmp_path / "mine", dataclasses.replace(_episodes(), **{missing: None}), CART_POLE)
    assert list(tmp_path.iterdir()) == []


def test_no_dataset_is_refused(tmp_path):
    _refused(tmp_path / "none", "there is no dataset .*minari.DataCollector")
    _refused(tmp_path, "is no Minari dataset")
    (tmp_path / "notes.txt").write_text("")
    _refused(tmp_path / "notes.txt", "is no Minari dataset")
    # A directory beside a metadata.json is none by that.
    path = _saved(tmp_path / "mine")
    (path / "data" / "beside").mkdir()
    _refused(path / "data" / "beside", "is no Minari dataset")


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"data_format": "arrow"}, "format 'arrow'"),
        ({"total_episodes": 0}, "no episode with a step"),
        ({"total_episodes": 9}, "can't be read"),
        ({"total_episodes": "3"}, "can't be read"),
        ({"minari_version": "9.0.0"}, "written by Minari 9.0.0"),
        ({"minari_version": None}, "can't be read"),
        (
            {"observation_space": _box(6)},
            r"observations of shape \(6,\), and those of CartPole-v1 are of shape \(4,\); record CartPole-v1",
        ),
        ({"observation_space": _box(40, 40, 3)}, r"observations of shape \(40, 40, 3\)"),
        ({"observation_space": '{"type": "Discrete", "n": 16, "start": 0}'}, "observations of Discrete"),
        ({"observation_space": "no space"}, "can't be read"),
        ({"action_space": _box(1)}, r"actions of shape \(1,\), and those of CartPole-v1 are of Discrete\(2\)"),
        ({"action_space": '{"type": "Discrete", "n": 3, "start": 0}'}, "actions of Discrete"),
        ({"action_space": '{"type": "Discrete", "n": 2, "start": 1}'}, "actions of Discrete"),
    ],
)
def test_metadata_of_something_else_is_refused(tmp_path, values, match):
    _refused(_edit(_saved(tmp_path / "mine"), **values), match)


def test_no_environment_that_a_dataset_names_is_made(monkeypatch, tmp_path):
    def refuse(*_arguments, **_settings):
        raise AssertionError("an environment was made")

    path = _edit(_saved(tmp_path / "mine"), observation_space=None)
    monkeypatch.setattr(gymnasium, "make", refuse)
    _refused(path, "does not say what its observations and actions are")


@pytest.mark.parametrize(
    ("name", "values", "match"),
    [
        ("observations", np.zeros((4, 5), np.float32), r"episode 0 of .*shape \(4, 5\)"),
        ("observations", np.zeros((3, 4), np.float32), r"episode 0 of .*shape \(3, 4\)"),
        ("observations", np.full((4, 4), np.inf, np.float32), "not finite"),
        ("actions", np.array([0, 1, 2]), "from 0 to 2"),
        ("actions", np.array([0.0, 1.0, 1.0]), "float64"),
        ("terminations", np.array([False, True]), r"\(2,\) terminations"),
        ("terminations", np.array([True, False, True]), "goes on after its end"),
        ("truncations", np.array([False, True, False]), "goes on after its end"),
        ("rewards", None, "can't be read"),
    ],
)
def test_damaged_episodes_are_refused(tmp_path, name, values, match):
    path = _saved(tmp_path / "mine")
    with h5py.File(path / "data" / "main_data.hdf5", "a") as file:
        del file[f"episode_0/{name}"]
        if values is not None:
            file[f"episode_0/{name}"] = values
    _refused(path, match)


@pytest.mark.parametrize("name", ["main_data.hdf5", "metadata.json"])
@pytest.mark.parametrize("content", [b"", b"\x80 no such file", None])
def test_damaged_files_are_refused(tmp_path, name, content):
    path = _saved(tmp_path / "mine")
    file = path / "data" / name
    file.write_bytes(file.read_bytes()[:100] if content is None else content)
    _refused(path, "can't be read as a Minari dataset .*; copy it here anew")


def test_an_empty_dataset_is_refused(monkeypatch, tmp_path):
    _record(monkeypatch, tmp_path, "nothing-v0", CART_POLE.make(), lambda env: None)
    assert MinariStorage.read(tmp_path / "nothing-v0" / "data").total_episodes == 0
    _refused(tmp_path / "nothing-v0", "no episode with a step")


def test_another_environment_s_dataset_is_refused(monkeypatch, tmp_path):
    _record(monkeypatch, tmp_path, "acrobot-v0", gymnasium.make("Acrobot-v1"), lambda env: _play(env, (1,)))
    _refused(tmp_path / "acrobot-v0", r"observations of shape \(6,\)")


def test_actions_may_be_vectors_and_rewards_any(monkeypatch, tmp_path):
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    experienced = collecting.collect(CAR, jax.random.key(0), num_steps=30, num_environments=2)
    taken = experienced.actions
    assert taken is not None
    datasets.save(tmp_path / "car-v0", experienced, CAR)
    _assert_same(datasets.load(tmp_path / "car-v0", CAR), experienced)
    dataset = minari.load_dataset("car-v0")
    assert dataset.total_steps == 30
    for number, found in enumerate(dataset):
        assert all(dataset.action_space.contains(action) for action in found.actions)
        # A hundredth of a tenth of the square of each push is what it costs.
        np.testing.assert_allclose(found.rewards, -0.1 * found.actions[:, 0] ** 2, rtol=1e-4)
        np.testing.assert_array_equal(found.actions, taken[number, : len(found.actions)])
    _refused(tmp_path / "car-v0", r"observations of shape \(2,\), and those of CartPole-v1 are of shape \(4,\)")
    with pytest.raises(ValueError, match="expected those of BoxActions"):
        datasets.save(tmp_path / "far", dataclasses.replace(experienced, actions=taken + 2), CAR)


def _drives():
    """Two episodes of the car, one of 3 steps and one of 5."""
    rng = np.random.default_rng(_RNG_SEED)
    return _together(
        *(
            (
                rng.normal(size=(num_steps + 1, 2)).astype(np.float32),
                rng.uniform(-1, 1, (num_steps, 1)).astype(np.float32),
                False,
            )
            for num_steps in (3, 5)
        )
    )


def test_a_dataset_is_written_as_minari_writes_it(tmp_path):
    """Minari's own function is given the same episodes: names, types, contents and counts are the same."""
    datasets.save(tmp_path / "ours", _drives(), CAR)
    ours = datasets.read_metadata(tmp_path / "ours", CAR)
    with contextlib.closing(CAR.make()) as made:
        (tmp_path / "theirs").mkdir()
        storage = MinariStorage.new(
            tmp_path / "theirs",
            observation_space=made.observation_space,
            action_space=made.action_space,
            env_spec=made.spec,
            data_format="hdf5",
        )
        storage.update_metadata({"dataset_id": ours["dataset_id"], "minari_version": ours["minari_version"]})
        storage.update_episodes([datasets._to_buffer(row, _drives(), CAR, made.action_space) for row in range(2)])
    theirs = MinariStorage.read_raw_metadata(tmp_path / "theirs")
    assert (ours["total_episodes"], ours["total_steps"]) == (2, 8)
    assert ours.pop("dataset_size") >= 0 and theirs.pop("dataset_size") >= 0  # in megabytes
    assert ours == theirs
    found: dict[str, Any] = {}
    expected: dict[str, Any] = {}
    for folder, kept in ((tmp_path / "ours" / "data", found), (tmp_path / "theirs", expected)):
        with h5py.File(folder / "main_data.hdf5") as file:

            def keep(name, entry, kept=kept):
                kept[name] = {key: (value.dtype, value) for key, value in entry.attrs.items()}
                if isinstance(entry, h5py.Dataset):
                    kept[name]["array"] = (entry.dtype, entry.shape, entry[()].tobytes())

            file.visititems(keep)
    assert found == expected and len(found) == 2 * (1 + 5)


def test_what_is_saved_is_read_without_checks(tmp_path):
    datasets.save(tmp_path / "mine", _drives(), CAR, metadata={"dataset_id": "humain/mine-v0", "origin": {"seed": 3}})
    metadata = datasets.read_metadata(tmp_path / "mine", CAR)
    assert (metadata["dataset_id"], metadata["origin"]) == ("humain/mine-v0", {"seed": 3})
    found, expected = datasets.read_written(tmp_path / "mine", CAR), datasets.load(tmp_path / "mine", CAR)
    _assert_same(dataclasses.replace(found, rewards=expected.rewards, terminated=expected.terminated), expected)
    with h5py.File(tmp_path / "mine" / "data" / "main_data.hdf5", "a") as file:
        del file["episode_1/actions"]
        file["episode_1/actions"] = np.zeros((4, 1), np.float32)
    with pytest.raises(errors.UserError, match=r"can't be read as a Minari dataset .episode 1 has an array of shape"):
        datasets.read_written(tmp_path / "mine", CAR)
    with pytest.raises(errors.UserError, match="there is no dataset"):
        datasets.read_written(tmp_path / "missing", CAR)
