"""What is measured in JAX is SELU, and every part gives its row."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.native import selu as native_selu
from tasks.benchmarks import jax_rows, selu, small_settings
from tasks.benchmarks.rows import PeakSizes

_PARTS = (
    "dispatch",
    "selu_eager",
    "selu_builtin",
    "selu_jit",
    "selu_jit_in_place",
    "selu_exp",
    "selu_exp_in_place",
    "selu_native",
    "selu_native_in_place",
    "selu_loop",
    "peaks",
)


def _cpu() -> jax.Device:
    device = jax_rows.find_device("cpu")
    assert device is not None
    return device


@pytest.mark.parametrize(
    "function", [jax_rows.selu_op_by_op, jax.jit(jax_rows.selu_op_by_op), jax_rows.selu_by_exp, jax.nn.selu]
)
def test_selu_is_that_of_the_reference(function):
    values = selu.inputs(1000, 0)
    np.testing.assert_allclose(function(values), selu.reference(values), rtol=1e-5, atol=1e-6)


def test_selu_by_exp_is_off_by_what_it_says():
    values = np.concatenate([np.linspace(-20, 0, 1_000_003), -np.logspace(-12, 0, 10_001)]).astype(np.float32)
    error = np.abs(jax.jit(jax_rows.selu_by_exp)(values) - selu.reference(values.astype(np.float64)))
    assert error.max() < 2.5e-7
    # exp(x) is 1 in float32 here, where expm1 keeps every digit.
    np.testing.assert_array_equal(jax_rows.selu_by_exp(jnp.array([-1e-8, -2e-8])), [0, 0])


def test_a_loop_applies_selu_as_often_as_it_says():
    values = selu.inputs(100, 0)
    expected = selu.reference(selu.reference(selu.reference(values)))
    np.testing.assert_allclose(jax_rows.selu_loop(jnp.asarray(values), 3), expected, rtol=1e-5, atol=1e-6)


def test_every_part_is_measured():
    parts = jax_rows.parts(small_settings.SETTINGS, _cpu())
    assert tuple(parts) == _PARTS
    found = {name: part() for name, part in parts.items()}
    for name in _PARTS[:-1]:
        (row,) = found[name].rows
        assert (row.name, row.framework, row.device) == (name, "jax", "cpu")
        assert row.size == (1 if name == "dispatch" else 100)
        assert row.work == (3 if name == "selu_loop" else 1)
        assert 0 < row.low <= row.median_seconds <= row.high
        assert (row.gbytes_per_second is None) == (name == "dispatch")
        assert (row.dispatch_seconds is None) == (name in ("dispatch", "selu_loop"))
    (peak,) = found["peaks"].peaks
    assert peak.gbytes_per_second > 0
    assert peak.gflops > 0
    assert set(found["peaks"].threads) == {"jax"}


@pytest.mark.parametrize("row", ["selu_native", "selu_native_in_place"])
def test_an_operation_that_is_not_built_is_said(monkeypatch: pytest.MonkeyPatch, row):
    monkeypatch.setattr(native_selu, "missing", lambda: "not built: run through Bazel")
    found = jax_rows.parts(small_settings.SETTINGS, _cpu())[row]()
    assert dataclasses.asdict(found)["rows"] == ()
    assert found.notes == [f"{row} of jax on cpu: not built: run through Bazel"]


@pytest.mark.parametrize("in_place", [False, True])
def test_a_chain_applies_a_function_to_its_own_answer_and_keeps_where_it_starts(in_place):
    seen = []
    step = jax_rows.compile_form(lambda values: values * 2, in_place=in_place)

    def function(values):
        seen.append(float(values[0]))
        return step(values)

    start = jnp.array([3.0])
    block = jax_rows.chain(function, start, in_place=in_place)
    block(3)
    block(1)
    assert seen == [3.0, 6.0, 12.0, 3.0]
    assert not start.is_deleted()


def test_applications_are_spread_over_repeats():
    (row,) = jax_rows.parts(small_settings.SETTINGS, _cpu())["selu_jit"]().rows
    # Twelve over six repeats.
    assert (row.calls, row.repeats) == (2, 6)


def test_applications_that_take_too_long_are_fewer_and_said():
    effort = dataclasses.replace(small_settings.EFFORT, max_seconds=1e-9)
    settings = dataclasses.replace(small_settings.SETTINGS, effort=effort)
    found = jax_rows.parts(settings, _cpu())["selu_builtin"]()
    # One in each of six repeats.
    assert found.notes == ["selu_builtin of jax on cpu: 6 of 12 applications, by max_row_seconds"]


def test_values_are_those_of_the_seed(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def inputs(size: int, seed: int) -> np.ndarray:
        asked.append((size, seed))
        return np.zeros(size, np.float32)

    monkeypatch.setattr(selu, "inputs", inputs)
    settings = dataclasses.replace(small_settings.SETTINGS, seed=7)
    jax_rows.parts(settings, _cpu())
    assert asked == [(100, 7)]


@pytest.mark.parametrize(("copy_size", "copied"), [(0, 100), (500, 500)])
def test_a_copy_is_of_as_many_floats_as_the_device_is_given(monkeypatch: pytest.MonkeyPatch, copy_size, copied):
    sizes = []
    made = jax_rows._copies

    def kept(source):
        sizes.append(source.size)
        return made(source)

    monkeypatch.setattr(jax_rows, "_copies", kept)
    peaks = {"cpu": PeakSizes(matmul_size=8, copy_size=copy_size)}
    settings = dataclasses.replace(small_settings.SETTINGS, peaks=peaks)
    jax_rows.parts(settings, _cpu())["peaks"]()
    assert sizes[0] == copied


def test_a_device_that_is_not_there_is_none(monkeypatch: pytest.MonkeyPatch):
    def devices(name: str) -> list[jax.Device]:
        raise RuntimeError(f"Unknown backend {name}")

    monkeypatch.setattr(jax, "devices", devices)
    assert jax_rows.find_device("gpu") is None
