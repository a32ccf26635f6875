"""Trajectories as Minari datasets: what its users recorded, and what they can read with Minari's own storage.

A dataset is a directory with a folder `data`, in Minari's HDF5 format. Nothing is fetched, nothing is unpickled, and no
environment that a dataset names is made: a name of that kind can stand for any function.
"""

import contextlib
import pathlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import h5py
import minari
import numpy as np
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import METADATA_FILE_NAME, MinariStorage

from humain import errors
from humain.environments.gymnasium_adapter import GymnasiumEnvironment
from humain.types import Trajectories

_DATA = "data"
_FILE = "main_data.hdf5"
_FORMAT = "hdf5"
_ID = "humain/recorded-v0"
# What Minari and h5py raise on files that are damaged or not theirs.
_UNREADABLE = (AssertionError, AttributeError, ImportError, LookupError, OSError, RuntimeError, TypeError, ValueError)


def save(
    path: pathlib.Path,
    recorded: Trajectories,
    environment: GymnasiumEnvironment,
    *,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Writes a Minari dataset of an environment's episodes: whole, or not at all.

    Observations and actions are written in the types that the environment has them in, with their rewards. An episode
    that did not end by itself is written as truncated.

    Args:
        path: the directory to make; it may be there when it is empty. Moved to Minari's own directory under a name such
            as `mine-v0`, it is what `minari.load_dataset("mine-v0")` reads.
        recorded: at least one, each with a step; with actions and rewards.
        environment: that they were made in, or one with the same spaces.
        metadata: more to say of the dataset, in JSON's types.

    Raises:
        ValueError: if there is no episode, or one is not the environment's.
        UserError: if there is something else at `path`, or it can't be written.
    """
    if not len(recorded.lengths):
        raise ValueError("there is no episode to save; expected at least one")
    with contextlib.closing(environment.make()) as made:
        buffers = [
            _to_buffer(number, recorded, environment, made.action_space) for number in range(len(recorded.lengths))
        ]
        try:
            check_target(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
                whole = pathlib.Path(folder, "dataset")
                whole.mkdir()
                storage = MinariStorage.new(
                    whole / _DATA,
                    observation_space=made.observation_space,
                    action_space=made.action_space,
                    env_spec=made.spec,
                    data_format=_FORMAT,
                )
                storage.update_metadata({"dataset_id": _ID, "minari_version": minari.__version__, **(metadata or {})})
                _write_episodes(whole / _DATA / _FILE, buffers)
                num_steps = sum(len(buffer.rewards) for buffer in buffers)
                storage.update_metadata({"total_episodes": len(buffers), "total_steps": num_steps})
                storage.update_metadata({"dataset_size": storage.get_size()})
                whole.rename(path)
        except OSError as error:
            raise errors.UserError(f"{path} can't be written ({_first_line(error)}); name another directory") from error


def check_target(path: pathlib.Path) -> None:
    """Refuses to write a dataset where there is something already.

    Raises:
        UserError: if there is.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise errors.UserError(f"{path} is there already; name a directory that is not, or delete it")


def read_metadata(path: pathlib.Path, environment: GymnasiumEnvironment) -> dict[str, Any]:
    """What a Minari dataset says of itself.

    Args:
        path: as in `load`.
        environment: for messages.

    Raises:
        UserError: if there is no such dataset, or `load` can't read it.
    """
    record = _record(environment)
    directory = _data_directory(path, record)
    with _readable(path, record):
        metadata = MinariStorage.read_raw_metadata(directory)
        _check_metadata(path, metadata, record)
        return metadata


def read_written(path: pathlib.Path, environment: GymnasiumEnvironment) -> Trajectories:
    """Reads what `save` wrote of an environment with vectors as actions, without its rewards, and without checks.

    It takes an eighth of the time of `load`, and is for data that the caller checks, by a checksum for instance.

    Args:
        path: as in `load`.
        environment: for messages.

    Returns:
        Observations `[W, T, *]` and actions `[W, T, *]` as float32, and lengths; NumPy arrays.

    Raises:
        UserError: if there is no such dataset, or it is not one of `save`'s.
    """
    record = _record(environment)
    directory = _data_directory(path, record)
    total = read_metadata(path, environment)["total_episodes"]
    with _readable(path, record), h5py.File(directory / _FILE, "r") as file:
        stored = [
            [h5py.h5d.open(file.id, b"episode_%d/%s" % (number, field)) for field in (b"observations", b"actions")]
            for number in range(total)
        ]
        lengths = np.array([observations.shape[0] for observations, _ in stored], np.int32)
        shape = (total, int(lengths.max()))
        states, actions = (np.zeros((*shape, *array.shape[1:]), np.float32) for array in stored[0])
        for number, (length, arrays) in enumerate(zip(lengths, stored, strict=True)):
            for into, array, count in zip((states[number], actions[number]), arrays, (length, length - 1), strict=True):
                if array.shape != (count, *into.shape[1:]):
                    raise ValueError(f"episode {number} has an array of shape {array.shape}")
                array.read(h5py.h5s.ALL, h5py.h5s.ALL, into[:count])
    found: dict[str, Any] = {"states": states, "lengths": lengths, "actions": actions}
    return Trajectories(**found)


def load(path: pathlib.Path, environment: GymnasiumEnvironment) -> Trajectories:
    """Reads a Minari dataset of an environment's episodes.

    Args:
        path: the dataset's directory, the folder `data` in it, or a file of that folder.
        environment: whose episodes they must be.

    Returns:
        The episodes, at least one, each with a step: observations as float32, actions in the type of the environment's
        action space, rewards as float32; NumPy arrays. One that ended by itself has terminated, whether or not its cap
        was reached in the same step; every other one was cut off.

    Raises:
        UserError: if there is no such dataset, or it holds something else.
    """
    record = _record(environment)
    directory = _data_directory(path, record)
    read_metadata(path, environment)
    with _readable(path, record):
        storage = MinariStorage.read(directory)
        _check_spaces(path, storage.observation_space, storage.action_space, environment)
        entries = list(storage.get_episodes(range(storage.total_episodes)))
        for number, entry in enumerate(entries):
            _check_episode(f"episode {number} of {path}", entry, environment)
        return _to_trajectories(entries, environment)


@contextlib.contextmanager
def _readable(path: pathlib.Path, record: str) -> Iterator[None]:
    """Turns what Minari and h5py raise into one line for the user."""
    try:
        yield
    except _UNREADABLE as error:
        raise errors.UserError(
            f"{path} can't be read as a Minari dataset ({_first_line(error)}); copy it here anew, or {record}"
        ) from error


def _record(environment: GymnasiumEnvironment) -> str:
    """The remedy, in messages."""
    return f"record {environment.name} with minari.DataCollector"


def _data_directory(path: pathlib.Path, record: str) -> pathlib.Path:
    """The folder that holds a dataset's metadata."""
    for directory in (path, path / _DATA, path.parent):
        if (directory / METADATA_FILE_NAME).is_file() and (directory != path.parent or path.is_file()):
            return directory
    if not path.exists():
        raise errors.UserError(f"there is no dataset {path}; name the directory of a Minari dataset, or {record}")
    raise errors.UserError(
        f"{path} is no Minari dataset (no {_DATA}/{METADATA_FILE_NAME}); name the directory of one, or {record}"
    )


def _check_metadata(path: pathlib.Path, metadata: Mapping[str, Any], record: str) -> None:
    """Refuses what Minari would only read with wheels that are not here, or by making an environment."""
    kind = metadata.get("data_format")
    if kind != _FORMAT:
        raise errors.UserError(f"{path} is in the format {kind!r}; {record} and data_format={_FORMAT!r}")
    if "observation_space" not in metadata or "action_space" not in metadata:
        raise errors.UserError(f"{path} does not say what its observations and actions are; {record} anew")
    if metadata["total_episodes"] < 1 or metadata["total_steps"] < 1:
        raise errors.UserError(f"{path} has no episode with a step; {record}, some steps at least")
    if metadata["minari_version"] not in minari.supported_dataset_versions:
        raise errors.UserError(
            f"{path} was written by Minari {metadata['minari_version']}, which Minari {minari.__version__} does not"
            f" read; {record} of this version"
        )


def _check_spaces(
    path: pathlib.Path,
    observations: spaces.Space[Any],
    actions: spaces.Space[Any],
    environment: GymnasiumEnvironment,
) -> None:
    """Refuses spaces of other sizes; bounds may differ, of observations at least."""
    with contextlib.closing(environment.make()) as made:
        expected = made.observation_space, made.action_space
    for what, found, wanted in (("observations", observations, expected[0]), ("actions", actions, expected[1])):
        alike = type(found) is type(wanted) and found.shape == wanted.shape
        if isinstance(found, spaces.Discrete) and isinstance(wanted, spaces.Discrete):
            alike = (found.n, found.start) == (wanted.n, wanted.start)
        if not alike:
            raise errors.UserError(
                f"{path} has {what} of {_shown(found)}, and those of {environment.name} are of {_shown(wanted)}; "
                f"{_record(environment)}"
            )


def _shown(space: spaces.Space[Any]) -> str:
    """A space on one line, however large."""
    if isinstance(space, spaces.Box):
        return f"shape {space.shape}"
    return str(space) if isinstance(space, spaces.Discrete) else f"the space {type(space).__name__}"


def _check_episode(name: str, entry: Mapping[str, Any], environment: GymnasiumEnvironment) -> None:
    """Refuses Minari's record of an episode if it is not one of the environment's; the name is for the message."""
    observations, actions = np.asarray(entry["observations"]), np.asarray(entry["actions"])
    ended, cut_off = np.asarray(entry["terminations"], bool), np.asarray(entry["truncations"], bool)
    rewards = np.asarray(entry["rewards"])
    problem = _problem(observations, actions - environment.first_action, environment)
    if problem is None and not ended.shape == cut_off.shape == rewards.shape == actions.shape[:1]:
        problem = (
            f"has {ended.shape} terminations, {cut_off.shape} truncations and {rewards.shape} rewards for "
            f"{len(actions)} actions"
        )
    if problem is None and (ended | cut_off)[:-1].any():
        problem = "goes on after its end"
    if problem is not None:
        raise errors.UserError(f"{name} {problem}; leave it out of the dataset, or {_record(environment)}")


def _to_trajectories(entries: Sequence[Mapping[str, Any]], environment: GymnasiumEnvironment) -> Trajectories:
    """Trajectories out of Minari's records of episodes that have been checked."""
    space = environment.actions.space
    lengths = np.array([len(entry["rewards"]) + 1 for entry in entries], np.int32)
    shape = (len(entries), int(lengths.max()))
    states = np.zeros((*shape, environment.observation_space.size), np.float32)
    actions, rewards = np.zeros((*shape, *space.shape), space.dtype), np.zeros(shape, np.float32)
    for number, (entry, length) in enumerate(zip(entries, lengths, strict=True)):
        states[number, :length] = np.asarray(entry["observations"]).reshape(length, -1)
        taken = np.asarray(entry["actions"]) - environment.first_action
        actions[number, : length - 1] = taken.reshape(length - 1, *space.shape)
        rewards[number, : length - 1] = entry["rewards"]
    found: dict[str, Any] = {
        "states": states,
        "lengths": lengths,
        "actions": actions,
        "rewards": rewards,
        "terminated": np.array([bool(entry["terminations"][-1]) for entry in entries]),
    }
    return Trajectories(**found)


def _to_buffer(
    number: int, recorded: Trajectories, environment: GymnasiumEnvironment, action_space: spaces.Space[Any]
) -> EpisodeBuffer:
    """Minari's record of one trajectory."""
    if recorded.actions is None or recorded.rewards is None or recorded.terminated is None:
        raise ValueError("a dataset needs actions, rewards and ends, and these trajectories lack some; record them too")
    length = int(recorded.lengths[number])
    observations, actions = np.asarray(recorded.states[number])[:length], np.asarray(recorded.actions[number])
    actions = actions[: max(length - 1, 0)]
    problem = _problem(observations, actions, environment)
    if problem is not None:
        raise ValueError(f"trajectory {number} {problem}; save what {environment.name} did")
    ends = np.arange(length - 1) == length - 2
    terminated = bool(recorded.terminated[number])
    return EpisodeBuffer(
        id=number,
        observations=np.asarray(observations, np.float32),
        actions=(actions + environment.first_action)
        .astype(action_space.dtype)
        .reshape(-1, *(action_space.shape or ())),
        rewards=np.asarray(recorded.rewards[number], float)[: length - 1],
        terminations=ends & terminated,
        truncations=ends & (not terminated),
    )


def _write_episodes(path: pathlib.Path, buffers: Sequence[EpisodeBuffer]) -> None:
    """Writes the file that Minari's storage made, as `MinariStorage.update_episodes` would.

    That one makes every array one that can grow, with h5py's own objects around it: five times as slow, which counts
    with thousands of short episodes.
    """
    with h5py.File(path, "w", track_order=True) as file:
        scalar = h5py.h5s.create(h5py.h5s.SCALAR)
        for number, buffer in enumerate(buffers):
            group = h5py.h5g.create(file.id, b"episode_%d" % number)
            for name, value in ((b"id", number), (b"total_steps", len(buffer.rewards))):
                attribute = h5py.h5a.create(group, name, h5py.h5t.NATIVE_INT64, scalar)
                attribute.write(np.array(value, np.int64))
            for field in ("observations", "actions", "rewards", "terminations", "truncations"):
                array = np.ascontiguousarray(getattr(buffer, field))
                kind = h5py.h5t.py_create(array.dtype, logical=True)
                stored = h5py.h5d.create(group, field.encode(), kind, h5py.h5s.create_simple(array.shape))
                stored.write(h5py.h5s.ALL, h5py.h5s.ALL, array)


def _problem(observations: np.ndarray, actions: np.ndarray, environment: GymnasiumEnvironment) -> str | None:
    """What keeps observations and actions from being an episode of the environment, as the end of a sentence."""
    size, space = environment.observation_space.size, environment.actions.space
    kinds, numbers = ("f", "floating-point numbers") if space.has_differences else ("iu", "integers")
    if actions.shape[1:] != space.shape or actions.ndim < 1 or actions.dtype.kind not in kinds:
        wanted = ", ".join(("T", *map(str, space.shape)))
        return f"has actions of shape {actions.shape} and type {actions.dtype}, expected [{wanted}] {numbers}"
    if not len(actions):
        return "has no step"
    if not environment.actions.contains(actions):
        return f"has actions from {actions.min()} to {actions.max()}, expected those of {environment.actions}"
    if observations.shape != (len(actions) + 1, size) or observations.dtype.kind != "f":
        return (
            f"has observations of shape {observations.shape} and type {observations.dtype} for {len(actions)} actions,"
            f" expected [{len(actions) + 1}, {size}] floating-point numbers"
        )
    if not np.isfinite(observations).all():
        return "has observations that are not finite"
    return None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
