"""Cart-pole episodes as Minari datasets, through Minari's own storage: what its users recorded, and what they can read.

A dataset is a directory with a folder `data`, in Minari's HDF5 format. Nothing is fetched, nothing is unpickled, and no
environment that a dataset names is made: a name of that kind can stand for any function.
"""

import contextlib
import pathlib
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import minari
import numpy as np
from gymnasium import spaces
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import METADATA_FILE_NAME, MinariStorage

from humain import errors
from tasks.control import cart_pole
from tasks.control.steps import Episode

_DATA = "data"
_FORMAT = "hdf5"
_ID = "cart-pole/recorded-v0"
_RECORD = "record CartPole-v1 with minari.DataCollector"
# What Minari and h5py raise on files that are damaged or none of theirs.
_UNREADABLE = (AssertionError, AttributeError, ImportError, LookupError, OSError, RuntimeError, TypeError, ValueError)


def save(path: pathlib.Path, recorded: Sequence[Episode]) -> None:
    """Writes a Minari dataset of CartPole-v1 episodes: whole, or not at all.

    Observations are written as float32 and actions as int64, as that environment has them, with its reward of 1 a step.
    An episode that did not end by itself is written as truncated.

    Args:
        path: the directory to make; it may be there when it is empty. Moved to Minari's own directory under a name such
            as `mine-v0`, it is what `minari.load_dataset("mine-v0")` reads.
        recorded: at least one, each with a step.

    Raises:
        ValueError: if there is no episode, or one is none of a cart pole.
        UserError: if there is something else at `path`, or it can't be written.
    """
    if not recorded:
        raise ValueError("there is no episode to save; expected at least one")
    buffers = [_to_buffer(number, episode) for number, episode in enumerate(recorded)]
    try:
        check_target(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            whole = pathlib.Path(folder, "dataset")
            whole.mkdir()
            with contextlib.closing(cart_pole.make()) as environment:
                storage = MinariStorage.new(
                    whole / _DATA,
                    observation_space=environment.observation_space,
                    action_space=environment.action_space,
                    env_spec=environment.spec,
                    data_format=_FORMAT,
                )
            storage.update_metadata({"dataset_id": _ID, "minari_version": minari.__version__})
            storage.update_episodes(buffers)
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


def load(path: pathlib.Path) -> list[Episode]:
    """Reads a Minari dataset of cart-pole episodes.

    Args:
        path: the dataset's directory, the folder `data` in it, or a file of that folder.

    Returns:
        The episodes, at least one, each with a step: observations as float32, actions as int32. One that ended by
        itself has terminated, whether or not its cap was reached in the same step; every other one was cut off.

    Raises:
        UserError: if there is no such dataset, or it holds something else.
    """
    directory = _data_directory(path)
    try:
        metadata = MinariStorage.read_raw_metadata(directory)
        _check_metadata(path, metadata)
        storage = MinariStorage.read(directory)
        _check_spaces(path, storage.observation_space, storage.action_space)
        entries = storage.get_episodes(range(storage.total_episodes))
        return [_to_episode(f"episode {number} of {path}", entry) for number, entry in enumerate(entries)]
    except _UNREADABLE as error:
        raise errors.UserError(
            f"{path} can't be read as a Minari dataset ({_first_line(error)}); copy it here anew, or {_RECORD}"
        ) from error


def _data_directory(path: pathlib.Path) -> pathlib.Path:
    """The folder that holds a dataset's metadata."""
    for directory in (path, path / _DATA, path.parent):
        if (directory / METADATA_FILE_NAME).is_file() and (directory != path.parent or path.is_file()):
            return directory
    if not path.exists():
        raise errors.UserError(f"there is no dataset {path}; name the directory of a Minari dataset, or {_RECORD}")
    raise errors.UserError(
        f"{path} is no Minari dataset (no {_DATA}/{METADATA_FILE_NAME}); name the directory of one, or {_RECORD}"
    )


def _check_metadata(path: pathlib.Path, metadata: Mapping[str, Any]) -> None:
    """Refuses what Minari would only read with wheels that are not here, or by making an environment."""
    kind = metadata.get("data_format")
    if kind != _FORMAT:
        raise errors.UserError(f"{path} is in the format {kind!r}; {_RECORD} and data_format={_FORMAT!r}")
    if "observation_space" not in metadata or "action_space" not in metadata:
        raise errors.UserError(f"{path} does not say what its observations and actions are; {_RECORD} anew")
    if metadata["total_episodes"] < 1 or metadata["total_steps"] < 1:
        raise errors.UserError(f"{path} has no episode with a step; {_RECORD}, some steps at least")
    if metadata["minari_version"] not in minari.supported_dataset_versions:
        raise errors.UserError(
            f"{path} was written by Minari {metadata['minari_version']}, which Minari {minari.__version__} does not"
            f" read; {_RECORD} of this version"
        )


def _check_spaces(path: pathlib.Path, observations: spaces.Space[Any], actions: spaces.Space[Any]) -> None:
    if not isinstance(observations, spaces.Box) or observations.shape != (cart_pole.STATE_SIZE,):
        raise errors.UserError(
            f"{path} has observations of {_shown(observations)}, and a cart pole's are vectors of"
            f" {cart_pole.STATE_SIZE}; {_RECORD}"
        )
    if not isinstance(actions, spaces.Discrete) or (actions.n, actions.start) != (cart_pole.NUM_ACTIONS, 0):
        raise errors.UserError(f"{path} has actions of {_shown(actions)}, and a cart pole's are 0 and 1; {_RECORD}")


def _shown(space: spaces.Space[Any]) -> str:
    """A space on one line, however large."""
    if isinstance(space, spaces.Box):
        return f"shape {space.shape}"
    return str(space) if isinstance(space, spaces.Discrete) else f"the space {type(space).__name__}"


def _to_episode(name: str, entry: Mapping[str, Any]) -> Episode:
    """An episode out of Minari's record of it; the name is for the message."""
    observations, actions = np.asarray(entry["observations"]), np.asarray(entry["actions"])
    ended, cut_off = np.asarray(entry["terminations"], bool), np.asarray(entry["truncations"], bool)
    problem = _problem(observations, actions)
    if problem is None and not ended.shape == cut_off.shape == actions.shape:
        problem = f"has {ended.shape} terminations and {cut_off.shape} truncations for {len(actions)} actions"
    if problem is None and (ended | cut_off)[:-1].any():
        problem = "goes on after its end"
    if problem is not None:
        raise errors.UserError(f"{name} {problem}; leave it out of the dataset, or {_RECORD}")
    return Episode(observations.astype(np.float32), actions.astype(np.int32), bool(ended[-1]))


def _to_buffer(number: int, episode: Episode) -> EpisodeBuffer:
    problem = _problem(episode.observations, episode.actions)
    if problem is not None:
        raise ValueError(f"episode {number} {problem}; save what a cart pole did")
    num_steps = len(episode.actions)
    ends = np.arange(num_steps) == num_steps - 1
    return EpisodeBuffer(
        id=number,
        observations=np.asarray(episode.observations, np.float32),
        actions=np.asarray(episode.actions, np.int64),
        rewards=np.ones(num_steps),
        terminations=ends & episode.terminated,
        truncations=ends & (not episode.terminated),
    )


def _problem(observations: np.ndarray, actions: np.ndarray) -> str | None:
    """What keeps observations and actions from being an episode of a cart pole, as the end of a sentence."""
    if actions.ndim != 1 or actions.dtype.kind not in "iu":
        return f"has actions of shape {actions.shape} and type {actions.dtype}, expected [T] integers"
    if not len(actions):
        return "has no step"
    if not np.isin(actions, range(cart_pole.NUM_ACTIONS)).all():
        return f"has actions from {actions.min()} to {actions.max()}, expected 0 and 1"
    if observations.shape != (len(actions) + 1, cart_pole.STATE_SIZE) or observations.dtype.kind != "f":
        return (
            f"has observations of shape {observations.shape} and type {observations.dtype} for {len(actions)} actions,"
            f" expected [{len(actions) + 1}, {cart_pole.STATE_SIZE}] floating-point numbers"
        )
    if not np.isfinite(observations).all():
        return "has observations that are not finite"
    return None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
