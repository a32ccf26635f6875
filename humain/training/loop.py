"""The training loop: chunks of updates on the device; between them the host reads metrics, saves and obeys signals.

A learner is a pure `update(state, data, step) -> (state, metrics)`. `make_chunk` scans it; `train` compiles the chunk
once, dispatches chunk after chunk, and reads the metrics of a chunk only after the next one was dispatched.
Reading metrics one step late is a habit of nanodo (Google DeepMind, "A minimal Transformer decoder in JAX").
"""

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from humain import errors
from humain.training import ahead as ahead_lib
from humain.training import checkpoint as checkpoint_lib
from humain.training import interruption as interruption_lib
from humain.training import metrics as metrics_lib
from humain.training import progress as progress_lib
from humain.training import sharding
from humain.training.processes import Processes

PyTree: TypeAlias = Any
Metrics: TypeAlias = Mapping[str, jax.Array]
Update: TypeAlias = Callable[[PyTree, PyTree, jax.Array], tuple[PyTree, Metrics]]
Chunk: TypeAlias = Callable[[PyTree, PyTree, jax.Array], tuple[PyTree, Metrics]]


class NonFiniteLossError(errors.UserError):
    """A metric or the state became NaN or infinite.

    Attributes:
        metric: the name of the metric, or the path of the leaf of the state.
        step: the update at which it was found, counted from 1.
        checkpoint_step: the step of the last good checkpoint, or None.
    """

    def __init__(self, name: str, metric: str, *, step: int, checkpoint_step: int | None):
        good = "there is no checkpoint before it" if checkpoint_step is None else f"step {checkpoint_step} is saved"
        super().__init__(
            f"{name}: {metric} is not finite at step {step} ({good}); lower the learning rate or look at the data"
        )
        self.metric = metric
        self.step = step
        self.checkpoint_step = checkpoint_step


class Executables:
    """Compiled chunks by function and argument types, so that learners of equal shapes are compiled once."""

    def __init__(self) -> None:
        """Starts empty."""
        self._compiled: dict[Hashable, Callable[..., tuple[PyTree, Metrics]]] = {}

    def find(self, key: Hashable) -> Callable[..., tuple[PyTree, Metrics]] | None:
        """Returns the executable stored under a key from `executable_key`, or None."""
        return self._compiled.get(key)

    def store(self, key: Hashable, compiled: Callable[..., tuple[PyTree, Metrics]]) -> None:
        """Keeps an executable."""
        self._compiled[key] = compiled


def executable_key(chunk: Chunk, *arguments: PyTree) -> Hashable:
    """What an executable depends on: the function, and the structure, shapes, types and devices of its arguments."""
    leaves, structure = jax.tree.flatten(arguments)
    return (
        chunk,
        structure,
        tuple((jnp.shape(leaf), jnp.result_type(leaf), getattr(leaf, "sharding", None)) for leaf in leaves),
    )


@dataclasses.dataclass(frozen=True)
class Host:
    """What the host does between chunks; every part is optional.

    Attributes:
        checkpointer: saves the state, and restores it when the run continues.
        interruption: tells whether a signal asked to save and stop.
        metrics: writes the metrics.
        progress: shows the progress to the user.
        checkpoint_seconds: save when this many seconds have passed since the last save.
        checkpoint_steps: also save when this many updates were done since the last save; None for never.
        executables: where compiled chunks are kept for the next call with the same `chunk`.
        mesh: the devices that state and data are replicated over, and that `chunk` may split its batches over (see
            `humain.training.sharding`); one device by default.
        processes: the processes that train together, over a mesh with devices of each; by default, only this process.
            All of them call `train` with equal arguments, and save and stop together.
        ahead: programs that are being compiled already, among them chunks under the name of their function (see
            `jit_chunk`).
    """

    checkpointer: checkpoint_lib.Checkpointer | None = None
    interruption: interruption_lib.Interruption | None = None
    metrics: metrics_lib.MetricsWriter | None = None
    progress: progress_lib.Progress | None = None
    checkpoint_seconds: float = 60.0
    checkpoint_steps: int | None = None
    executables: Executables | None = None
    mesh: jax.sharding.Mesh | None = None
    processes: Processes = Processes()
    ahead: ahead_lib.Ahead | None = None


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """Where training ended.

    Attributes:
        state: the final state, on a device of this process.
        step: updates done in total.
        first_step: updates done before this call: 0, or the step that was restored.
        compile_seconds: time to trace and compile the chunk.
        run_seconds: time from the first dispatch to the last update, including saves.

    Both times are sums over all runs that led to this state, each up to its last save.
    """

    state: PyTree
    step: int
    first_step: int
    compile_seconds: float
    run_seconds: float


def make_chunk(update: Update, chunk_steps: int, *, unroll: int | bool = 1) -> Chunk:
    """Builds a chunk: a scan of `update` over `chunk_steps` steps.

    Args:
        update: `(state, data, step) -> (state, metrics)`, pure; `step` is an int32 scalar that counts updates over the
            whole run, to be folded into the run's root key. Metrics are arrays of numbers, by name.
        chunk_steps: updates per chunk, at least 1.
        unroll: how many updates to unroll in each iteration of the compiled loop; True for all.

    Returns:
        `(state, data, first_step) -> (state, metrics)`, where each metric has a leading axis `[chunk_steps]`.

    Raises:
        ValueError: if `chunk_steps` is below 1.
    """
    if chunk_steps < 1:
        raise ValueError(f"chunk_steps is {chunk_steps}; it must be at least 1")

    def chunk(state: PyTree, data: PyTree, first_step: jax.Array) -> tuple[PyTree, Metrics]:
        def body(state: PyTree, step: jax.Array) -> tuple[PyTree, Metrics]:
            return update(state, data, step)

        steps = first_step + jnp.arange(chunk_steps, dtype=jnp.int32)
        return jax.lax.scan(body, state, steps, unroll=unroll)

    return chunk


def jit_chunk(chunk: Chunk) -> jax.stages.Wrapped:
    """Jits a chunk as `train` does for one device, with its state donated."""
    return jax.jit(chunk, donate_argnums=0)


def train(
    state: PyTree,
    chunk: Chunk,
    *,
    data: PyTree,
    num_steps: int,
    chunk_steps: int,
    name: str = "train",
    host: Host | None = None,
) -> TrainResult:
    """Trains from the newest checkpoint, or from `state`, up to `num_steps` updates.

    The result is the same, bit for bit, however often the run was interrupted, as long as `chunk` is deterministic and
    the mesh the same. A checkpoint can be restored on any mesh; on another mesh, sums are taken in another order.

    Args:
        state: the initial state, a pytree of arrays; copied, so the caller's arrays stay valid.
        chunk: `(state, data, first_step) -> (state, metrics)` over `chunk_steps` updates, as from `make_chunk`;
            compiled here, with the state donated. A metric is a scalar (the mean over the chunk) or has a leading axis
            `[chunk_steps]`.
        data: what `chunk` reads, a pytree of arrays; copied to the devices once.
        num_steps: updates in total, a multiple of `chunk_steps`.
        chunk_steps: updates in one call of `chunk`.
        name: the run's name in metrics, messages and errors.
        host: checkpoints, interruption, metrics and progress; none of them by default.

    Returns:
        The final state and where the time went.

    Raises:
        ValueError: if `num_steps` is not a multiple of `chunk_steps`, or the checkpoint's step is not a chunk's end.
        NonFiniteLossError: if a metric is not finite or the state has a NaN; nothing after that update is saved.
        Interrupted: after a signal, once everything is saved.
        UserError: if the checkpoint was made with another configuration or structure.
    """
    if chunk_steps < 1 or num_steps < 0 or num_steps % chunk_steps:
        raise ValueError(
            f"{name}: num_steps is {num_steps} and chunk_steps {chunk_steps}; expected num_steps to be a multiple of "
            "chunk_steps (a ragged last chunk would be compiled anew)"
        )
    loop = _Loop(name, chunk_steps, num_steps, host or Host())
    return loop.run(state, chunk, data)


class _Loop:
    """One call of `train`; it holds what that call has counted and saved so far."""

    def __init__(self, name: str, chunk_steps: int, num_steps: int, host: Host):
        self._name = name
        self._chunk_steps = chunk_steps
        self._num_steps = num_steps
        self._host = host
        self._processes = host.processes
        self._progress = host.progress or progress_lib.NoProgress()
        self._saved_step: int | None = None
        self._saved_at = time.monotonic()
        self._compile_seconds = 0.0
        self._run_seconds = 0.0

    def run(self, state: PyTree, chunk: Chunk, data: PyTree) -> TrainResult:
        # Restore: the newest checkpoint takes the place of `state`, and its times are where the counts go on from.
        host, first_step = self._host, 0
        state = _own(state)
        if host.checkpointer is not None:
            restored = host.checkpointer.restore(state)
            if restored is not None:
                state, first_step = restored.state, restored.step
                self._saved_step = first_step
                self._compile_seconds = restored.notes.get("compile_seconds", 0.0)
                self._run_seconds = restored.notes.get("run_seconds", 0.0)
                if first_step > self._num_steps or first_step % self._chunk_steps:
                    raise ValueError(
                        f"{self._name}: the checkpoint is at step {first_step}, which is not a multiple of chunk_steps "
                        f"{self._chunk_steps} up to num_steps {self._num_steps}; use --clear"
                    )
        if first_step == self._num_steps:
            return TrainResult(state, first_step, first_step, self._compile_seconds, self._run_seconds)
        # Train. Metrics later than the checkpoint are removed first: the updates that wrote them are done again.
        if host.metrics is not None:
            host.metrics.resume(self._name, first_step)
        self._progress.start(self._name, first_step, self._num_steps)
        try:
            return self._run(*self._place(state, data), first_step, chunk)
        finally:
            self._progress.close()

    def _place(self, state: PyTree, data: PyTree) -> tuple[PyTree, PyTree]:
        """Copies state and data to where training runs: one device, or every device of the mesh."""
        mesh = self._host.mesh
        if mesh is None:
            return state, jax.device_put(data)
        self._processes.check_equal((state, data), f"beginnings of {self._name}")
        return sharding.replicate(state, mesh), sharding.replicate(data, mesh)

    def _run(self, state: PyTree, data: PyTree, first_step: int, chunk: Chunk) -> TrainResult:
        # Compile, timed apart from the updates.
        started = time.monotonic()
        compiled = self._compile(chunk, state, data, first_step)
        compile_seconds = time.monotonic() - started
        self._compile_seconds += compile_seconds
        self._progress.note(f"{self._name}: compiled in {compile_seconds:.1f} s")

        # Dispatch chunk after chunk. `unread` holds the metrics of the last one dispatched; they are read when the next
        # one is under way, so that the device does not wait for the host.
        self._counted_at = self._saved_at = time.monotonic()
        step = first_step
        unread: tuple[int, Metrics] | None = None
        while step < self._num_steps:
            # Stop on a signal to any process; save by the clock of the first one. All have to decide the same, since
            # each chunk is a computation that all take part in.
            stop, save = self._processes.agree(self._requested(), self._processes.leads and self._save_due(step))
            if stop or save:
                # Read before saving: a state that follows a non-finite loss is never saved.
                self._read(unread)
                unread = None
                self._count(state)
                self._save(step, state)
                self._check_interruption()
            state, metrics = compiled(state, data, np.int32(step))
            step += self._chunk_steps
            self._read(unread)
            unread = (step, metrics)
        # Finish: the last chunk's metrics, the time, and the final state.
        self._read(unread)
        self._count(state)
        self._save(step, state)
        if self._host.mesh is not None:
            state = sharding.local(state)
        return TrainResult(state, step, first_step, self._compile_seconds, self._run_seconds)

    def _count(self, state: PyTree) -> None:
        """Waits for the updates under way and adds the time since the last count to the run's time."""
        jax.block_until_ready(state)
        now = time.monotonic()
        self._run_seconds += now - self._counted_at
        self._counted_at = now

    def _compile(self, chunk: Chunk, state: PyTree, data: PyTree, step: int) -> Callable[..., tuple[PyTree, Metrics]]:
        """Compiles in a thread: XLA can't be stopped, but the main thread can save and exit meanwhile."""
        executables = self._host.executables
        key = executable_key(chunk, state, data)
        if executables is not None and (known := executables.find(key)) is not None:
            return known
        # Tracing stays in this thread, where the caller's JAX context managers (such as checks) apply.
        lowered = self._lower(chunk, state, data, step)
        outcome: list[Any] = []

        def compile_chunk() -> None:
            try:
                if self._host.ahead is not None:
                    self._host.ahead.wait(chunk)
                outcome.append(lowered.compile())
            except BaseException as error:  # handed to the main thread
                outcome.append(error)

        worker = threading.Thread(target=compile_chunk, name=f"compile {self._name}", daemon=True)
        worker.start()
        while worker.is_alive():
            worker.join(timeout=0.02)
            # With several processes the others would wait for one that exits here; they stop before the first chunk.
            if self._processes.count == 1 and self._requested() and worker.is_alive():
                self._save(step, state)
                self._check_interruption(abandoned=worker)
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        if executables is not None:
            executables.store(key, outcome[0])
        return outcome[0]

    def _lower(self, chunk: Chunk, state: PyTree, data: PyTree, step: int) -> jax.stages.Lowered:
        mesh = self._host.mesh
        if mesh is None:
            return jit_chunk(chunk).lower(state, data, np.int32(step))
        # The new state is placed like the old one, so that it can be the next chunk's argument.
        everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
        with jax.set_mesh(mesh):
            return jax.jit(chunk, donate_argnums=0, out_shardings=everywhere).lower(state, data, np.int32(step))

    def _requested(self) -> int:
        """The number of the signal that asked this process to stop, or 0."""
        interruption = self._host.interruption
        return (interruption.requested if interruption is not None else None) or 0

    def _check_interruption(self, *, abandoned: threading.Thread | None = None) -> None:
        (number,) = self._processes.agree(self._requested())
        if number:
            raise interruption_lib.Interrupted(number, abandoned=abandoned)

    def _save_due(self, step: int) -> bool:
        if self._host.checkpointer is None:
            return False
        every = self._host.checkpoint_steps
        by_steps = every is not None and step - (self._saved_step or 0) >= every
        return by_steps or time.monotonic() - self._saved_at >= self._host.checkpoint_seconds

    def _save(self, step: int, state: PyTree) -> None:
        checkpointer = self._host.checkpointer
        if checkpointer is None or step == self._saved_step:
            return
        for path, leaf in jax.tree_util.tree_leaves_with_path(state):
            # A state may hold infinities on purpose (such as scores of unseen transitions), but never a NaN.
            if jnp.issubdtype(leaf.dtype, jnp.floating) and np.isnan(np.asarray(leaf).astype(np.float32)).any():
                raise self._non_finite("state" + jax.tree_util.keystr(path), step)
        notes = {"compile_seconds": self._compile_seconds, "run_seconds": self._run_seconds}
        interruption = self._host.interruption
        # A save may take longer than the grace time; cut short, it would be lost together with the updates before it.
        with contextlib.nullcontext() if interruption is None else interruption.hold():
            checkpointer.save(step, state, notes=notes)
        self._saved_step = step
        self._saved_at = time.monotonic()

    def _read(self, unread: tuple[int, Metrics] | None) -> None:
        """Fetches, checks and writes a chunk's metrics, given with the step that it ended at."""
        if unread is None:
            return
        step, metrics = unread
        means: dict[str, float] = {}
        for key, value in jax.device_get(dict(metrics)).items():
            # One row a step; what is left of the shape becomes metrics of their own, `name.0`, `name.1` and so on.
            values = np.asarray(value, dtype=np.float64)
            per_step = values.reshape((len(values), -1)) if values.ndim else values.reshape((1, 1))
            finite = np.isfinite(per_step).all(axis=1)
            if not finite.all():
                raise self._non_finite(key, step - len(per_step) + 1 + int(np.argmin(finite)))
            parts = per_step.mean(axis=0)
            names = [key] if values.ndim < 2 else [f"{key}.{index}" for index in range(len(parts))]
            means.update(zip(names, parts.tolist(), strict=True))
        if self._host.metrics is not None:
            self._host.metrics.write(self._name, step, means)
        self._progress.update(step, means)

    def _non_finite(self, metric: str, step: int) -> NonFiniteLossError:
        return NonFiniteLossError(self._name, metric, step=step, checkpoint_step=self._saved_step)


def _own(tree: PyTree) -> PyTree:
    """Copies a pytree, dropping weak types: donation would delete the caller's arrays, and refuses one buffer twice."""

    def copy(leaf: Any) -> jax.Array:
        if isinstance(leaf, jax.Array) and not leaf.aval.weak_type:
            # Without a program for each shape, which has to be compiled first.
            return jax.device_put(leaf, may_alias=False)
        return jnp.array(leaf, dtype=jnp.asarray(leaf).dtype, copy=True)

    return jax.tree.map(copy, tree)
