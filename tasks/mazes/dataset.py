"""Trajectories in mazes, read from a Minari dataset or from a file of OGBench's."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import time
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from humain import errors
from humain.environments import gymnasium_adapter
from humain.types import Trajectories
from tasks.control import datasets
from tasks.mazes import layout as layouts

_KEYS = ("observations", "actions", "terminals")
_EXPECTED = "expected a dataset of OGBench's point mazes"
# What NumPy and zipfile raise on files that are damaged or not theirs.
_UNREADABLE = (
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
_LARGEST = 2**28
"""Bytes of arrays, as they are in the file or padded: 16 times what OGBench's have, and read with less than 1 GB."""


@dataclasses.dataclass(frozen=True, eq=False)
class MazeData:
    """What was read.

    Attributes:
        trajectories: positions `[W, T, 2]` and actions `[W, T, 2]`, both float32, and lengths; NumPy arrays.
        sha256: of the trajectories, see `digest`.
        seconds: that reading took.
    """

    trajectories: Trajectories
    sha256: str
    seconds: float


def load(path: pathlib.Path, *, size: str | None = None) -> MazeData:
    """Reads a dataset.

    Args:
        path: the directory of a Minari dataset, such as `generator.generate` makes, or a `.npz` file of OGBench's, with
            `observations` `[N, 2]`, `actions` `[N, 2]` and `terminals` `[N]`, which is 1 at each trajectory's last
            state. What else a file has is passed over. The action at a last state leads nowhere, and becomes 0.
        size: the maze that the data must be of, one of `layout.SIZES`; any if None.

    Raises:
        UserError: if there is no such dataset, it holds something else, or it is damaged.
    """
    started = time.perf_counter()
    if size is not None:
        layouts.environment_name(size)
    if path.is_file() and path.suffix != ".hdf5" and path.name != "metadata.json":
        trajectories, written = _from_file(path), None
    else:
        trajectories, written = _from_minari(path, size)
    found = digest(trajectories)
    if written is not None and written != found:
        raise errors.UserError(
            f"{path} is damaged: its checksum is not that of its content; delete it, and make it anew"
        )
    if size is not None:
        _check_positions(path, trajectories, size)
    return MazeData(trajectories, found, time.perf_counter() - started)


def digest(trajectories: Trajectories) -> str:
    """The SHA-256 of lengths, states and actions, without padding: the same wherever equal data came from."""
    assert trajectories.actions is not None
    total = hashlib.sha256(np.asarray(trajectories.lengths, "<i4").tobytes())
    states, actions = np.asarray(trajectories.states, "<f4"), np.asarray(trajectories.actions, "<f4")
    for row, length in enumerate(np.asarray(trajectories.lengths)):
        total.update(np.ascontiguousarray(states[row, :length]).data)
        total.update(np.ascontiguousarray(actions[row, : length - 1]).data)
    return total.hexdigest()


def _check_positions(path: pathlib.Path, trajectories: Trajectories, size: str) -> None:
    """Refuses data of another maze, which pass through the walls of this one."""
    layout = layouts.load(size)
    for row, length in enumerate(np.asarray(trajectories.lengths)):
        free = layout.is_free(np.asarray(trajectories.states[row, :length]))
        if not free.all():
            place = trajectories.states[row, int(free.argmin())]
            raise errors.UserError(
                f"{path} is not of the maze {size}: trajectory {row} is at ({place[0]:.2f}, {place[1]:.2f}), in a "
                "wall; name the maze that they are of"
            )


def _from_minari(path: pathlib.Path, size: str | None) -> tuple[Trajectories, str | None]:
    """The trajectories of a Minari dataset, and the checksum that is written there, if any."""
    # The spaces of all mazes are the same.
    environment = dataclasses.replace(
        gymnasium_adapter.adapt(lambda: layouts.make(size or layouts.SIZES[0])),
        name=layouts.environment_name(size) if size else "pointmaze",
    )
    metadata = datasets.read_metadata(path, environment)
    made_in = _environment_of(metadata)
    known = [layouts.environment_name(each) for each in ([size] if size else layouts.SIZES)]
    if made_in is not None and made_in not in known:
        raise errors.UserError(f"{path} is of the environment {made_in}; expected {' or '.join(known)}")
    if isinstance(written := metadata.get("sha256"), str):
        return datasets.read_written(path, environment), written
    return datasets.load(path, environment), None


def _environment_of(metadata: Mapping[str, Any]) -> str | None:
    """The id of the environment that a dataset names, if it names one."""
    try:
        spec = json.loads(metadata["env_spec"])
        return str(spec["id"])
    except (KeyError, TypeError, ValueError):
        return None


def _from_file(path: pathlib.Path) -> Trajectories:
    """The trajectories of a `.npz` file."""
    arrays = _read_arrays(path)
    observations, actions, terminals = (arrays[key] for key in _KEYS)
    if terminals.ndim != 1 or terminals.dtype.kind not in "biuf" or not np.isin(terminals, (0, 1)).all():
        raise errors.UserError(
            f"{path} has terminals of shape {list(terminals.shape)} and type {terminals.dtype}; expected a 0 or 1 "
            "for each row"
        )
    num_states = len(terminals)
    for name, array in (("observations", observations), ("actions", actions)):
        if array.shape != (num_states, 2) or array.dtype.kind != "f":
            raise errors.UserError(
                f"{path} has {name} of shape {list(array.shape)} and type {array.dtype} for {num_states} terminals; "
                f"expected [{num_states}, 2] floating-point numbers"
            )
        wrong = ~np.isfinite(array).all(axis=1)
        if wrong.any():
            raise errors.UserError(f"{path} has {name} that are not finite, first in row {int(wrong.argmax())}")
    if (np.abs(actions) > 1).any():
        raise errors.UserError(f"{path} has actions from {actions.min()} to {actions.max()}; expected -1 to 1")
    return _cut(path, observations, actions, terminals)


def _read_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
    """The three arrays of a file; nothing is unpickled."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
            size = sum(info.file_size for info in archive.infolist() if info.filename.removesuffix(".npy") in _KEYS)
        missing = [key for key in _KEYS if key not in names]
        if missing:
            raise errors.UserError(
                f"{path} has no {' and no '.join(missing)}, but {', '.join(names) or 'nothing'}; {_EXPECTED}"
            )
        if size > _LARGEST:
            raise errors.UserError(
                f"{path} has {_mebibytes(size)} of arrays; at most {_mebibytes(_LARGEST)} can be read"
            )
        with np.load(path, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in _KEYS}
        for key, array in arrays.items():
            if not isinstance(array, np.ndarray):
                raise ValueError(f"{key} is no array")
    except _UNREADABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise errors.UserError(f"{path} can't be read as a .npz file ({reason}); copy it here anew") from error
    return arrays


def _cut(path: pathlib.Path, observations: np.ndarray, actions: np.ndarray, terminals: np.ndarray) -> Trajectories:
    """Trajectories, padded with zeros to one length, of rows one after the other."""
    ends = np.flatnonzero(terminals)
    if not len(ends) or ends[-1] != len(terminals) - 1:
        raise errors.UserError(f"{path} has no terminal in its last row; expected the end of a trajectory there")
    lengths = np.diff(ends, prepend=-1).astype(np.int32)
    if lengths.min() < 2:
        raise errors.UserError(f"trajectory {int(lengths.argmin())} of {path} has no step; leave it out")
    shape = (len(lengths), int(lengths.max()), 2)
    if 2 * 4 * np.prod(shape, dtype=float) > _LARGEST:
        raise errors.UserError(
            f"{path} has {shape[0]} trajectories of up to {shape[1]} states, which don't fit into "
            f"{_mebibytes(_LARGEST)} side by side; cut the long ones"
        )
    states, taken = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for row, (end, length) in enumerate(zip(ends, lengths, strict=True)):
        start = end + 1 - length
        states[row, :length] = observations[start : end + 1]
        taken[row, : length - 1] = actions[start:end]
    found: dict[str, Any] = {"states": states, "lengths": lengths, "actions": taken}
    return Trajectories(**found)


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"
