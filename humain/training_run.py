"""Training a model on trajectories in one call: what `humain.train` is."""

import contextlib
import dataclasses
import hashlib
import math
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import jax

from humain import errors, learning, saving
from humain.abstraction.abstraction import Abstraction
from humain.files import records
from humain.learning import Learner, LearningConfig
from humain.model import Model, ModelState
from humain.training import checkpoint, loop, metrics, progress
from humain.types import Trajectories

_LONGEST_CHUNK = 100
"""Updates in one dispatch, at most."""

_TRAINING = "training.json"
_DEFAULT = LearningConfig(batch_size=256)


def train(
    model: Model,
    trajectories: Trajectories,
    *,
    abstractions: Abstraction | Sequence[Abstraction] | None = None,
    state: ModelState | None = None,
    steps: int,
    config: LearningConfig = _DEFAULT,
    seed: int = 0,
    workdir: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 30.0,
    show_progress: bool = False,
    mesh: jax.sharding.Mesh | None = None,
) -> ModelState:
    """Learns from trajectories. The same arguments give the same state.

    Args:
        model: the stack.
        trajectories: to learn from.
        abstractions: one for each layer, bottom first, or a single one for all: which states of a path the layer above
            sees. For a new beginning.
        state: what was learned before, to go on from; in place of `abstractions`.
        steps: updates, in all; a multiple of 100 is dispatched fastest.
        config: examples in an update, and what is learned from plans that the model composes itself (replay).
        seed: of all randomness.
        workdir: keeps checkpoints and metrics (`metrics.jsonl`) if given. The same call goes on
            from the last checkpoint there, after whatever ended the process, and ends in the same state; with more
            steps, it trains further.
        checkpoint_seconds: time from one checkpoint to the next.
        mesh: of devices that batches are split over, as from `data_mesh`; None for one device.
        show_progress: whether to show a bar, or lines where standard error is not a terminal.

    Raises:
        ValueError: when trajectories and model do not fit together, naming what does not.
        UserError: when `workdir` holds the training of another model, or of other data.
        NonFiniteLossError: when a loss or parameter leaves the finite numbers.
    """
    if (abstractions is None) == (state is None):
        raise ValueError("give abstractions=, for a new beginning, or state=, to go on from it, and not both")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, not {steps}")
    if state is None:
        learner = _begin(model, config, _for_each_layer(abstractions, len(model.layers)), seed)
    else:
        learner = dataclasses.replace(_begin(model, config, state.abstractions, seed), state=state)
    # What is wrong with the data is said before a work directory is claimed for it.
    data = learning.gather(model, config, learner.state, trajectories)
    checkpointer, writer, done = None, None, 0
    if workdir is not None:
        folder = pathlib.Path(workdir)
        what = _fingerprint(model, learner.state, data.experience.trajectories, config=config, seed=seed)
        _claim(folder, what)
        checkpointer = checkpoint.Checkpointer(folder / "checkpoints", fingerprint=what)
        writer = metrics.MetricsWriter(folder, tensorboard=False)
        done = checkpointer.latest_step() or 0
        if done > steps:
            raise errors.UserError(
                f"{folder} is at step {done}, beyond steps={steps}; ask for more, or take another workdir"
            )
    chunk_steps = _chunk_steps(steps, done)

    host = loop.Host(
        checkpointer=checkpointer,
        metrics=writer,
        progress=progress.make_progress() if show_progress else None,
        checkpoint_seconds=checkpoint_seconds,
        mesh=mesh,
    )
    with contextlib.nullcontext() if writer is None else contextlib.closing(writer):
        result = loop.train(
            learner,
            loop.make_chunk(learning.build_update(model, config), chunk_steps),
            data=data,
            num_steps=steps,
            chunk_steps=chunk_steps,
            host=host,
        )
    assert isinstance(result.state, Learner)
    return result.state.state


def _for_each_layer(given: Any, num_layers: int) -> tuple[Any, ...]:
    """One abstraction for each layer, of these or of a single one."""
    chosen = tuple(given) if isinstance(given, (tuple, list)) else (given,) * num_layers
    if not all(hasattr(abstraction, "is_pivot") for abstraction in chosen):
        raise ValueError(f"abstractions must be one for all layers or one for each, not {given!r}")
    return chosen


def _begin(model: Model, config: LearningConfig, abstractions: tuple[Any, ...], seed: int) -> Learner:
    """The learner before its first update, made in one dispatch."""
    return jax.jit(learning.begin, static_argnums=(0, 1))(model, config, abstractions, jax.random.key(seed))


def _chunk_steps(steps: int, done: int) -> int:
    """The longest chunk that divides what is to do and what is done: where a chunk ends changes nothing but speed."""
    common = math.gcd(steps, done)
    return max(size for size in range(1, _LONGEST_CHUNK + 1) if common % size == 0)


def _fingerprint(
    model: Model, state: ModelState, trajectories: Trajectories, *, config: LearningConfig, seed: int
) -> str:
    """A digest of all that decides where training leads, but for how long it goes on."""
    header, arrays = saving.describe(model, state)
    digest = hashlib.sha256(records.dump_sorted([header, config, seed]).encode())
    leaves = [*arrays.values(), *jax.tree.leaves(jax.device_get(trajectories))]
    for array in leaves:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _claim(folder: pathlib.Path, fingerprint: str) -> None:
    """Makes a work directory this training's own.

    Raises:
        UserError: when it is another one's.
    """
    path = folder / _TRAINING
    if path.exists():
        found = records.read_json(path)
        if not isinstance(found, dict) or found.get("fingerprint") != fingerprint:
            raise errors.UserError(
                f"{folder} holds the training of another model, or with other data, config or seed; take another "
                "workdir, or delete this one"
            )
    else:
        records.write_json(path, {"fingerprint": fingerprint})
