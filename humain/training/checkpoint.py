"""Checkpoints of a pytree: arrays by Orbax, a JSON description, and a completion marker written last.

Layout of `<directory>/<step, 12 digits>/`:

  state/           the arrays, by Orbax, under the path of each leaf
  checkpoint.json  step, fingerprint of what made it, notes, and shape and dtype of each leaf
  COMPLETE         size and CRC-32 of every other file

A checkpoint is written under a temporary name, marked, then renamed. Restoring trusts only a marker that matches the
files. Orbax's own CheckpointManager is not used: its list of steps can include one whose commit failed, and its
handling of preemption needs jax.distributed. Orbax is imported where it is used: importing it takes longer than all
other imports of a learner together, and it is not needed before the first save.
"""

import contextlib
import dataclasses
import logging
import os
import pathlib
import shutil
import warnings
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from humain import errors
from humain.files import records
from humain.training.processes import Processes

PyTree: TypeAlias = Any

_DESCRIPTION = "checkpoint.json"
_MARKER = "COMPLETE"
_STATE = "state"
_TEMPORARY = "tmp."


@dataclasses.dataclass(frozen=True)
class Restored:
    """What a checkpoint held.

    Attributes:
        state: the pytree, with the structure, dtypes and placement of the template.
        step: the number of updates done.
        notes: the numbers that were saved beside the state, by name.
    """

    state: PyTree
    step: int
    notes: Mapping[str, float]


class Checkpointer:
    """Saves and restores the state of one run, keeping the newest `keep` checkpoints.

    Saving is synchronous: when `save` returns, the checkpoint survives the process.
    """

    def __init__(self, directory: pathlib.Path, *, fingerprint: str, keep: int = 2, processes: Processes | None = None):
        """Prepares the checkpointer; the first save creates the directory.

        Args:
            directory: holds the checkpoints of this run and nothing else.
            fingerprint: a digest of everything that the user chose (config, seed and so on); a checkpoint with another
                fingerprint is not restored.
            keep: how many of the newest checkpoints to keep, at least 1.
            processes: the processes that share the directory. All of them save and restore together, as Orbax requires;
                the first one alone decides which checkpoints are complete, and writes everything except the arrays. By
                default, only this process.

        Raises:
            ValueError: if `keep` is below 1.
        """
        if keep < 1:
            raise ValueError(f"keep is {keep}; it must be at least 1 checkpoint to keep")
        self._directory = directory.absolute()
        self._fingerprint = fingerprint
        self._keep = keep
        self._processes = processes or Processes()

    @property
    def directory(self) -> pathlib.Path:
        """The directory of the checkpoints."""
        return self._directory

    def steps(self) -> list[int]:
        """Returns the steps that have a directory, in rising order, whether their checkpoints are complete or not."""
        if not self._directory.is_dir():
            return []
        return sorted(int(entry.name) for entry in self._directory.iterdir() if entry.name.isdigit())

    def latest_step(self) -> int | None:
        """Returns the newest step whose files match its marker, or None."""
        return next((step for step in reversed(self.steps()) if self._fault(step) is None), None)

    def save(self, step: int, state: PyTree, *, notes: Mapping[str, float] | None = None) -> None:
        """Saves `state`; does nothing if a complete checkpoint of this step exists.

        Args:
            step: the number of updates done.
            state: a pytree of arrays (typed PRNG keys too) and Python numbers.
            notes: numbers about the run that are not part of its state, such as the time it took.

        Raises:
            ValueError: if a leaf is neither an array nor a number.
        """
        leads = self._processes.leads
        temporary = self._directory / f"{_TEMPORARY}{self._step_directory(step).name}"
        # Prepare. Every process has to learn whether to go on: Orbax's save below waits for all of them.
        (saved,) = self._processes.agree(leads and not self._make_room(step, temporary))
        if saved:
            return
        # Write the arrays, under the temporary name: until the rename at the end, no checkpoint has this step's name.
        leaves = _named_leaves(state)
        # Orbax can't store arrays without elements; their shape, in the description, is all there is to them.
        arrays = {name: array for name, leaf in leaves.items() if (array := _to_array(name, leaf)).size}
        if arrays:
            from orbax.checkpoint import v1 as ocp

            with _quiet():
                ocp.save(temporary / _STATE, arrays)
        # Mark and rename. Only now is the checkpoint complete, and only then do older ones go.
        if leads:
            self._complete(step, temporary, leaves, notes or {})

    def _make_room(self, step: int, temporary: pathlib.Path) -> bool:
        """Prepares the directory to write to; False if a complete checkpoint of this step exists."""
        final = self._step_directory(step)
        if final.exists():
            if self._fault(step) is None:
                return False
            shutil.rmtree(final)
        self._directory.mkdir(parents=True, exist_ok=True)
        for stale in self._directory.glob(_TEMPORARY + "*"):
            shutil.rmtree(stale)
        temporary.mkdir()
        return True

    def _complete(
        self, step: int, temporary: pathlib.Path, leaves: Mapping[str, Any], notes: Mapping[str, float]
    ) -> None:
        """Writes description and marker, renames the checkpoint, and deletes those that are now too old."""
        description = {
            "step": step,
            "fingerprint": self._fingerprint,
            "notes": {name: float(value) for name, value in notes.items()},
            "leaves": {name: _describe(leaf) for name, leaf in leaves.items()},
        }
        # The marker comes last, as it holds the checksum of everything before it.
        records.write_json(temporary / _DESCRIPTION, description)
        records.write_json(temporary / _MARKER, _manifest(temporary))
        temporary.rename(self._step_directory(step))
        # Incomplete checkpoints go whatever their step: they must not count among those kept.
        others = [other for other in self.steps() if other != step]
        whole = [other for other in others if self._fault(other) is None]
        kept = whole[len(whole) - self._keep + 1 :]
        for other in others:
            if other not in kept:
                shutil.rmtree(self._step_directory(other))

    def restore(self, template: PyTree) -> Restored | None:
        """Restores the newest complete checkpoint, bit for bit; warns of each newer incomplete one and deletes it.

        Args:
            template: a pytree of the same structure, shapes and dtypes (arrays or ShapeDtypeStructs); an array's
                sharding says where the restored one goes.

        Returns:
            The state and its step, or None if there is no complete checkpoint.

        Raises:
            UserError: if the checkpoint was made with another configuration, or its state has another structure.
        """
        if self._processes.count > 1:
            return self._restore_together(template)
        # From the newest step back to the first one whose files match its marker.
        for step in reversed(self.steps()):
            fault = self._fault(step)
            if fault is None:
                from orbax.checkpoint import v1 as ocp

                # The checksums match, so a checkpoint that can't be read is reported, but kept.
                try:
                    return self._load(step, template)
                except (OSError, ocp.errors.InvalidLayoutError) as error:
                    fault = f"it can't be read ({error})"
            else:
                shutil.rmtree(self._step_directory(step))
            warnings.warn(
                f"checkpoint {self._step_directory(step)} is not complete: {fault}; going back to the one before it",
                RuntimeWarning,
                stacklevel=2,
            )
        return None

    def _restore_together(self, template: PyTree) -> Restored | None:
        """Restores, in every process, the checkpoint that the first process finds complete."""
        # The processes agree on step + 1, so that 0 stands for no checkpoint.
        found = self.latest_step() if self._processes.leads else None
        (number,) = self._processes.agree(0 if found is None else found + 1)
        if not number:
            return None
        try:
            return self._load(number - 1, template)
        except OSError as error:
            raise errors.UserError(
                f"{self._step_directory(number - 1)} can't be read by process {self._processes.index} ({error}); all "
                "processes must share one work directory"
            ) from error

    def _step_directory(self, step: int) -> pathlib.Path:
        return self._directory / f"{step:012d}"

    def _fault(self, step: int) -> str | None:
        """Returns what is wrong with a checkpoint's files, or None if they match its marker."""
        directory = self._step_directory(step)
        try:
            expected = records.read_json(directory / _MARKER)
        except FileNotFoundError:
            return "it has no completion marker"
        except (OSError, ValueError):
            return "its completion marker can't be read"
        if not isinstance(expected, dict):
            return "its completion marker can't be read"
        found = _manifest(directory)
        for name in sorted(expected.keys() | found.keys()):
            if name not in found:
                return f"{name} is missing"
            if expected.get(name) != found[name]:
                return f"{name} is not what was written"
        return None

    def _load(self, step: int, template: PyTree) -> Restored:
        # Check that the checkpoint belongs to this run and to this program, before any array is read.
        directory = self._step_directory(step)
        description = records.read_json(directory / _DESCRIPTION)
        assert isinstance(description, dict)
        if description["fingerprint"] != self._fingerprint:
            raise errors.UserError(
                f"{directory} was made with another configuration or seed; "
                "use --clear to delete the work directory, or another --workdir"
            )
        stored = description["leaves"]
        assert isinstance(stored, dict)
        leaves = _named_leaves(template)
        for name in sorted(stored.keys() | leaves.keys()):
            wanted = _describe(leaves[name]) if name in leaves else None
            if stored.get(name) != wanted:
                raise errors.UserError(
                    f"{directory} doesn't fit the program: {name} is {stored.get(name)} there and {wanted} here; "
                    "use --clear to delete the work directory, or another --workdir"
                )
        # Load the arrays to where the template's are, and add what Orbax does not store: keys, numbers, empty arrays.
        abstract = {name: array for name, leaf in leaves.items() if (array := _abstract(leaf)).size}
        arrays: dict[str, Any] = {}
        if abstract:
            from orbax.checkpoint import v1 as ocp

            with _quiet():
                arrays = ocp.load(directory / _STATE, abstract)
        values = [_from_array(arrays.get(name), leaf) for name, leaf in leaves.items()]
        notes = description.get("notes", {})
        assert isinstance(notes, dict)
        numbers = {name: value for name, value in notes.items() if isinstance(value, float)}
        return Restored(jax.tree.unflatten(jax.tree.structure(template), values), step, numbers)


def _named_leaves(tree: PyTree) -> dict[str, Any]:
    """Returns the leaves by path, in flattening order; a leading index makes equal paths distinct."""
    paths = jax.tree_util.tree_leaves_with_path(tree)
    return {
        f"{index:04d}." + jax.tree_util.keystr(path, simple=True, separator="."): leaf
        for index, (path, leaf) in enumerate(paths)
    }


def _is_key(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _key_implementation(leaf: Any) -> Any:
    """Returns the random number generator of a key, concrete or abstract."""
    found: list[Any] = []
    # key_impl refuses a ShapeDtypeStruct, but accepts the tracer that stands for it.
    jax.eval_shape(lambda key: found.append(jax.random.key_impl(key)), jax.ShapeDtypeStruct(leaf.shape, leaf.dtype))
    return found[0]


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, (bool, int, float))


def _describe(leaf: Any) -> dict[str, Any]:
    if _is_number(leaf):
        return {"dtype": type(leaf).__name__, "shape": []}
    return {"dtype": str(leaf.dtype), "shape": list(leaf.shape)}


def _to_array(name: str, leaf: Any) -> Any:
    if _is_key(leaf):
        return jax.random.key_data(leaf)
    if isinstance(leaf, (jax.Array, np.ndarray)):
        return leaf
    if _is_number(leaf) or isinstance(leaf, np.generic):
        return np.asarray(leaf)
    raise ValueError(f"leaf {name} of the state is a {type(leaf).__name__}; expected an array or a number")


def _abstract(leaf: Any) -> Any:
    """Returns the shape, dtype and placement that Orbax has to load for a leaf of the template."""
    if _is_key(leaf):
        data = jax.eval_shape(jax.random.key_data, jax.ShapeDtypeStruct(leaf.shape, leaf.dtype))
        return jax.ShapeDtypeStruct(data.shape, data.dtype, sharding=_default_sharding())
    if isinstance(leaf, (jax.Array, jax.ShapeDtypeStruct)):
        sharding = leaf.sharding or _default_sharding()
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
    return np.empty_like(np.asarray(leaf))


def _from_array(array: Any, leaf: Any) -> Any:
    if _is_number(leaf):
        return type(leaf)(np.asarray(array).item())
    if isinstance(leaf, np.generic):
        return np.asarray(array)[()]
    if isinstance(leaf, np.ndarray):
        return np.empty(leaf.shape, leaf.dtype) if array is None else np.asarray(array)
    if _is_key(leaf):
        data = jax.eval_shape(jax.random.key_data, jax.ShapeDtypeStruct(leaf.shape, leaf.dtype))
        array = jnp.zeros(data.shape, data.dtype) if array is None else array
        return jax.random.wrap_key_data(array, impl=_key_implementation(leaf))
    return jnp.zeros(leaf.shape, leaf.dtype) if array is None else array


def _default_sharding() -> jax.sharding.Sharding:
    return jax.sharding.SingleDeviceSharding(jax.local_devices()[0])


def _manifest(directory: pathlib.Path) -> dict[str, list[int]]:
    """Returns the size and CRC-32 of every file except the marker, by relative path."""
    manifest = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_file() and name != _MARKER:
            crc = 0
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    crc = zlib.crc32(block, crc)
            manifest[name] = [os.path.getsize(path), crc]
    return manifest


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences what Orbax logs about its normal work; errors are still logged."""
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
