"""Tests of the training loop."""

import contextlib
import dataclasses
import itertools
import pathlib
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from humain.training import checkpoint, interruption, loop, metrics

pytestmark = pytest.mark.filterwarnings("error")

_OPTIMIZER = optax.adam(0.05)


def _count(state: Any, data: Any, step: Any) -> tuple[Any, dict[str, Any]]:
    """Adds step times data to a sum: easy to work out by hand."""
    return {"sum": state["sum"] + data * step}, {"step": step.astype(jnp.float32)}


def _regression_state(seed: int = 0) -> dict[str, Any]:
    params = {"weights": jnp.zeros(2), "bias": jnp.zeros(())}
    return {"params": params, "optimizer": _OPTIMIZER.init(params), "key": jax.random.key(seed)}


def _regress(state: Any, data: Any, step: Any) -> tuple[Any, dict[str, Any]]:
    """Fits 3 x_0 - 2 x_1 + 1 on batches that the root key and the step decide."""
    rows = jax.random.randint(jax.random.fold_in(state["key"], step), (32,), 0, len(data))

    def loss_of(params: Any) -> Any:
        errors = data[rows] @ (params["weights"] - jnp.array([3.0, -2.0])) + params["bias"] - 1.0
        return jnp.mean(errors**2)

    loss, gradients = jax.value_and_grad(loss_of)(state["params"])
    updates, optimizer = _OPTIMIZER.update(gradients, state["optimizer"])
    return {**state, "params": optax.apply_updates(state["params"], updates), "optimizer": optimizer}, {"loss": loss}


def _inputs() -> Any:
    return jax.random.normal(jax.random.key(9), (256, 2))


def _host(directory: pathlib.Path, **keywords: Any) -> loop.Host:
    return loop.Host(
        checkpointer=checkpoint.Checkpointer(directory / "checkpoints", fingerprint="f"),
        metrics=metrics.MetricsWriter(directory, tensorboard=False),
        **keywords,
    )


def _train(num_steps: int, host: loop.Host | None = None, *, chunk_steps: int = 10) -> loop.TrainResult:
    return loop.train(
        _regression_state(),
        loop.make_chunk(_regress, chunk_steps),
        data=_inputs(),
        num_steps=num_steps,
        chunk_steps=chunk_steps,
        host=host,
    )


def _bits(tree: Any) -> list[bytes]:
    leaves = [jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf for leaf in tree]
    return [np.asarray(leaf).tobytes() for leaf in leaves]


def _assert_same_bits(found: Any, expected: Any) -> None:
    structures: list[Any] = [jax.tree.structure(found), jax.tree.structure(expected)]
    assert structures[0] == structures[1]
    assert _bits(jax.tree.leaves(found)) == _bits(jax.tree.leaves(expected))


class _Recorder:
    """Progress that remembers what it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def start(self, name: str, first_step: int, num_steps: int) -> None:
        self.calls.append(("start", name, first_step, num_steps))

    def note(self, text: str) -> None:
        self.calls.append(("note",))

    def update(self, step: int, values: Mapping[str, float]) -> None:
        self.calls.append(("update", step, dict(values)))

    def close(self) -> None:
        self.calls.append(("close",))


@pytest.mark.parametrize("unroll", [1, 2, True])
def test_a_chunk_runs_consecutive_steps(unroll: int | bool) -> None:
    chunk = jax.jit(loop.make_chunk(_count, 4, unroll=unroll))
    state, values = chunk({"sum": jnp.zeros(())}, jnp.array(2.0), jnp.int32(10))
    assert state["sum"] == 2 * (10 + 11 + 12 + 13)
    np.testing.assert_array_equal(values["step"], [10, 11, 12, 13])


def test_a_chunk_is_traced_once_for_all_steps() -> None:
    traces = []

    def update(state: Any, data: Any, step: Any) -> tuple[Any, dict[str, Any]]:
        traces.append(step)
        return _count(state, data, step)

    result = loop.train(
        {"sum": jnp.zeros(())}, loop.make_chunk(update, 5), data=np.float32(1), num_steps=50, chunk_steps=5
    )
    assert len(traces) == 1
    assert result.state["sum"] == 49 * 50 / 2


def test_the_optimum_is_found() -> None:
    result = _train(1000)
    # Without noise the optimum is exact; single precision leaves errors of a few 1e-7 relative to 3.
    np.testing.assert_allclose(result.state["params"]["weights"], [3, -2], atol=1e-4)
    np.testing.assert_allclose(result.state["params"]["bias"], 1, atol=1e-4)
    assert (result.step, result.first_step) == (1000, 0)
    assert result.compile_seconds > 0
    assert result.run_seconds > 0


def test_chunks_of_another_length_make_no_difference() -> None:
    _assert_same_bits(_train(60, chunk_steps=20).state, _train(60, chunk_steps=10).state)


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: pathlib.Path) -> None:
    whole = _train(60, _host(tmp_path / "whole"))
    half = _train(30, _host(tmp_path / "halves"))
    rest = _train(60, _host(tmp_path / "halves"))
    assert (half.first_step, half.step, rest.first_step, rest.step) == (0, 30, 30, 60)
    _assert_same_bits(rest.state, whole.state)
    lines = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "halves")]
    assert lines[0] == lines[1]
    assert lines[0].count(b"\n") == 6


def test_lines_after_the_checkpoint_are_written_anew(tmp_path: pathlib.Path) -> None:
    whole = _train(60, _host(tmp_path / "whole"))
    host = _host(tmp_path / "crashed", checkpoint_steps=30)
    _train(60, host)
    shutil.rmtree(tmp_path / "crashed" / "checkpoints" / "000000000060")  # as if killed just before this save
    again = _train(60, _host(tmp_path / "crashed"))
    assert again.first_step == 30
    _assert_same_bits(again.state, whole.state)
    lines = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "crashed")]
    assert lines[0] == lines[1]


def test_a_finished_run_does_nothing_more(tmp_path: pathlib.Path) -> None:
    writer = metrics.MetricsWriter(tmp_path)
    first = _train(20, dataclasses.replace(_host(tmp_path), metrics=writer))
    writer.close()
    files = sorted(tmp_path.rglob("*"))

    def chunk(state: Any, data: Any, step: Any) -> Any:
        raise AssertionError("traced again")

    host = dataclasses.replace(_host(tmp_path), metrics=writer)
    again = loop.train(_regression_state(1), chunk, data=_inputs(), num_steps=20, chunk_steps=10, host=host)
    assert (again.first_step, again.step) == (20, 20)
    # It took the time that it took.
    assert (again.compile_seconds, again.run_seconds) == (first.compile_seconds, first.run_seconds)
    _assert_same_bits(again.state, first.state)
    assert sorted(tmp_path.rglob("*")) == files


def test_times_add_up_over_processes(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A clock of whole seconds, one more at each look.
    clock = itertools.count()
    monkeypatch.setattr(loop.time, "monotonic", lambda: float(next(clock)))
    half = _train(30, _host(tmp_path))
    rest = _train(60, _host(tmp_path))
    # The other half takes as long.
    assert (rest.compile_seconds, rest.run_seconds) == (2 * half.compile_seconds, 2 * half.run_seconds)
    assert half.compile_seconds > 0
    assert half.run_seconds > 0


def test_learners_that_are_alike_are_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    traces: list[Any] = []

    def count(state: Any, data: Any, step: Any) -> tuple[Any, dict[str, Any]]:
        traces.append(step)
        return _count(state, data, step)

    chunk, host = loop.make_chunk(count, 2), loop.Host(executables=loop.Executables())

    def train(start: float, data: float, size: int = 1) -> float:
        state = {"sum": jnp.full(size, start)}
        return float(
            loop.train(state, chunk, data=jnp.float32(data), num_steps=4, chunk_steps=2, host=host).state["sum"][0]
        )

    # Steps 0 to 3 add up to 6.
    assert train(0.0, 1.0) == 6
    assert train(1.0, 2.0) == 13
    assert len(traces) == 1
    assert train(0.0, 1.0, size=2) == 6
    assert len(traces) == 2


def test_the_callers_state_is_left_as_it_is() -> None:
    shared = jnp.ones(3)
    state = {"a": shared, "b": shared}  # one buffer twice, which can't be donated as it is

    def update(state: Any, data: Any, step: Any) -> Any:
        return {"a": state["a"] + 1, "b": state["b"]}, {}

    result = loop.train(state, loop.make_chunk(update, 2), data=(), num_steps=4, chunk_steps=2)
    np.testing.assert_array_equal(shared, 1)
    np.testing.assert_array_equal(result.state["a"], 5)


def test_nothing_but_the_chunk_is_compiled(caplog: pytest.LogCaptureFixture) -> None:
    state = {"sum": jnp.float32(0), "table": jnp.ones((3, 5)), "key": jax.random.key(3)}

    def count_alone(state: Any, data: Any, step: Any) -> Any:
        return {**state, "sum": state["sum"] + step}, {}

    with jax.log_compiles(), caplog.at_level("WARNING"):
        result = loop.train(state, loop.make_chunk(count_alone, 2), data=(), num_steps=4, chunk_steps=2)
    messages = [record.getMessage().split() for record in caplog.records]
    assert [name for verb, name, *_ in messages if verb == "Compiling"] == ["jit(chunk)"]
    assert (result.state["sum"], state["sum"]) == (0 + 1 + 2 + 3, 0)


def test_weak_types_do_not_change_between_chunks() -> None:
    result = loop.train(
        {"sum": jnp.asarray(0.0)}, loop.make_chunk(_count, 2), data=jnp.ones(()), num_steps=4, chunk_steps=2
    )
    assert result.state["sum"] == 0 + 1 + 2 + 3


def test_metrics_are_means_over_the_chunk(tmp_path: pathlib.Path) -> None:
    def update(state: Any, data: Any, step: Any) -> Any:
        return state, {"step": step} | {"layers": jnp.stack([step, 10 * step])} | {"loss": step * 0.5}

    def chunk(state: Any, data: Any, step: Any) -> Any:
        state, values = loop.make_chunk(update, 4)(state, data, step)
        return state, {"loss": values["loss"], "layers": values["layers"], "mean": values["step"].mean()}

    recorder = _Recorder()
    loop.train((), chunk, data=(), num_steps=8, chunk_steps=4, name="set", host=_host(tmp_path, progress=recorder))
    # Steps 0 to 3 have the mean 1.5, steps 4 to 7 the mean 5.5.
    first = {"loss": 0.75, "layers.0": 1.5, "layers.1": 15.0, "mean": 1.5}
    second = {"loss": 2.75, "layers.0": 5.5, "layers.1": 55.0, "mean": 5.5}
    assert metrics.read_metrics(tmp_path / "metrics.jsonl") == [
        {"name": "set", "step": 4, **first},
        {"name": "set", "step": 8, **second},
    ]
    assert recorder.calls == [
        ("start", "set", 0, 8),
        ("note",),
        ("update", 4, first),
        ("update", 8, second),
        ("close",),
    ]


def _diverge(at_step: int, *, in_state: bool) -> loop.Update:
    def update(state: Any, data: Any, step: Any) -> Any:
        bad = jnp.where(step == at_step, jnp.nan, 0.0)
        return {"x": state["x"] + (bad if in_state else 0.0)}, {"loss": jnp.float32(0) if in_state else bad}

    return update


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: pathlib.Path) -> None:
    host = _host(tmp_path, checkpoint_steps=4)
    with pytest.raises(loop.NonFiniteLossError) as caught:
        loop.train(
            {"x": jnp.zeros(())},
            loop.make_chunk(_diverge(9, in_state=False), 4),
            data=(),
            num_steps=40,
            chunk_steps=4,
            name="set",
            host=host,
        )
    # The update at step 9 is the tenth, in the chunk that goes from 8 to 12; 8 was saved before it.
    assert (caught.value.metric, caught.value.step, caught.value.checkpoint_step) == ("loss", 10, 8)
    assert str(caught.value).startswith("set: loss is not finite at step 10 (step 8 is saved); ")
    assert host.checkpointer is not None
    assert host.checkpointer.latest_step() == 8


def test_a_state_with_nan_is_never_saved(tmp_path: pathlib.Path) -> None:
    host = _host(tmp_path)
    with pytest.raises(loop.NonFiniteLossError, match=r"state\['x'\] is not finite at step 8 \(there is no checkpoint"):
        loop.train(
            {"x": jnp.zeros(())},
            loop.make_chunk(_diverge(7, in_state=True), 4),
            data=(),
            num_steps=8,
            chunk_steps=4,
            host=host,
        )
    assert host.checkpointer is not None
    assert host.checkpointer.latest_step() is None


@pytest.mark.parametrize(("num_steps", "chunk_steps"), [(10, 4), (-4, 4), (4, 0)])
def test_ragged_chunks_are_refused(num_steps: int, chunk_steps: int) -> None:
    with pytest.raises(ValueError, match="expected num_steps to be a multiple of chunk_steps"):
        loop.train((), loop.make_chunk(_count, 4), data=(), num_steps=num_steps, chunk_steps=chunk_steps)


def test_a_chunk_has_at_least_one_step() -> None:
    with pytest.raises(ValueError, match="chunk_steps is 0"):
        loop.make_chunk(_count, 0)


def test_a_checkpoint_beyond_the_end_is_refused(tmp_path: pathlib.Path) -> None:
    _train(30, _host(tmp_path))
    with pytest.raises(ValueError, match="the checkpoint is at step 30"):
        _train(20, _host(tmp_path))


class _Asked(interruption.Interruption):
    """An interruption that comes when it is told to, without a signal."""

    def ask(self) -> None:
        self._requested = 15


def test_an_interruption_saves_and_the_run_goes_on(tmp_path: pathlib.Path) -> None:
    asked = _Asked()

    class Asking(_Recorder):
        def update(self, step: int, values: Mapping[str, float]) -> None:
            if step == 20:
                asked.ask()

    with pytest.raises(interruption.Interrupted) as caught:
        _train(100, _host(tmp_path, interruption=asked, progress=Asking()))
    assert caught.value.exit_code == 143
    # The metrics of step 20 are read while the chunk up to 30 is under way.
    assert checkpoint.Checkpointer(tmp_path / "checkpoints", fingerprint="f").latest_step() == 30
    rest = _train(100, _host(tmp_path))
    assert rest.first_step == 30
    whole = _train(100, _host(tmp_path / "whole"))
    _assert_same_bits(rest.state, whole.state)
    assert (tmp_path / "metrics.jsonl").read_bytes() == (tmp_path / "whole" / "metrics.jsonl").read_bytes()


def test_a_save_is_held_from_beginning_to_end(tmp_path: pathlib.Path) -> None:
    seen: list[str] = []

    class Held(_Asked):
        @contextlib.contextmanager
        def hold(self) -> Iterator[None]:
            seen.append("held")
            with super().hold():
                yield
            seen.append("let go")

    class Saved(checkpoint.Checkpointer):
        def save(self, step: int, state: Any, *, notes: Mapping[str, float] | None = None) -> None:
            seen.append(f"begins to save {step}")
            super().save(step, state, notes=notes)
            seen.append(f"saved {step}")

    host = dataclasses.replace(
        _host(tmp_path, interruption=Held(), checkpoint_steps=10),
        checkpointer=Saved(tmp_path / "checkpoints", fingerprint="f"),
    )
    _train(20, host)
    # Between two chunks, and at the end.
    expected = [["held", f"begins to save {step}", f"saved {step}", "let go"] for step in (10, 20)]
    assert seen == expected[0] + expected[1]


def test_an_interruption_does_not_wait_for_the_compiler(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _Asked()
    compiling, let_go = threading.Event(), threading.Event()
    compile_really = jax.stages.Lowered.compile

    def compile_slowly(lowered: Any, *arguments: Any, **keywords: Any) -> Any:
        if threading.current_thread().name != "compile train":
            return compile_really(lowered, *arguments, **keywords)
        compiling.set()
        asked.ask()
        let_go.wait(60)
        raise AssertionError("nobody waits for this")

    monkeypatch.setattr(jax.stages.Lowered, "compile", compile_slowly)
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    started = time.monotonic()
    with pytest.raises(interruption.Interrupted) as caught:
        _train(100, _host(tmp_path, interruption=asked))
    assert compiling.is_set()
    assert time.monotonic() - started < 60
    assert caught.value.abandoned is not None
    assert caught.value.abandoned.is_alive()
    let_go.set()
    caught.value.abandoned.join(20)
    # The state from which training would have begun is saved.
    restored = checkpoint.Checkpointer(tmp_path / "checkpoints", fingerprint="f").restore(_regression_state(1))
    assert restored is not None
    assert restored.step == 0
    _assert_same_bits(restored.state, _regression_state())


def test_an_error_of_the_compiler_is_raised_where_train_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(lowered: Any) -> Any:
        raise RuntimeError("no memory")

    monkeypatch.setattr(jax.stages.Lowered, "compile", fail)
    with pytest.raises(RuntimeError, match="no memory"):
        _train(10)


def test_the_defaults_of_the_host() -> None:
    host = loop.Host()
    assert (host.checkpoint_seconds, host.checkpoint_steps, host.processes) == (60, None, loop.Processes())
    assert [getattr(host, name) for name in ("checkpointer", "interruption", "metrics", "progress")] == [None] * 4
    assert (host.executables, host.mesh, host.ahead) == (None, None, None)


def test_a_checkpoint_is_due_after_a_time_or_a_number_of_updates(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    by_time = loop._Loop("toy", 1, 100, _host(tmp_path, checkpoint_seconds=10.0))
    by_steps = loop._Loop("toy", 1, 100, _host(tmp_path, checkpoint_seconds=1e9, checkpoint_steps=5))
    without = loop._Loop("toy", 1, 100, loop.Host(checkpoint_seconds=0.0, checkpoint_steps=1))
    for now[0], due in ((9.0, False), (10.0, True)):
        assert by_time._save_due(3) is due
    assert [by_steps._save_due(step) for step in (4, 5)] == [False, True]
    by_steps._saved_step = 5
    assert [by_steps._save_due(step) for step in (9, 10)] == [False, True]
    assert not without._save_due(50)


def test_a_checkpoint_that_is_no_end_of_a_chunk_is_refused(tmp_path: pathlib.Path) -> None:
    _train(30, _host(tmp_path))
    with pytest.raises(ValueError, match="at step 30, which is not a multiple of chunk_steps 20 up to num_steps 60"):
        _train(60, _host(tmp_path), chunk_steps=20)


def test_the_first_update_that_is_not_finite_is_named() -> None:
    for bad, step in ((0, 1), (3, 4), (4, 5)):
        with pytest.raises(loop.NonFiniteLossError) as caught:
            loop.train(
                {"x": jnp.zeros(())},
                loop.make_chunk(_diverge(bad, in_state=False), 4),
                data=(),
                num_steps=8,
                chunk_steps=4,
            )
        assert (caught.value.step, caught.value.checkpoint_step) == (step, None)


def test_a_run_of_no_steps_is_its_beginning() -> None:
    result = loop.train({"sum": jnp.float32(3)}, loop.make_chunk(_count, 1), data=(), num_steps=0, chunk_steps=1)
    assert (result.state["sum"], result.step, result.first_step) == (3, 0, 0)
    assert (result.compile_seconds, result.run_seconds) == (0, 0)
