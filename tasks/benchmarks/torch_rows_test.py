"""What is measured in PyTorch is SELU, every part gives its row, and a missing compiler is said."""

import dataclasses
import os

import numpy as np
import pytest
import torch

from tasks.benchmarks import rows, selu, small_settings, torch_rows
from tasks.benchmarks.rows import PeakSizes

_PARTS = ("dispatch", "selu_eager", "selu_builtin", "selu_jit", "selu_loop", "peaks")


def _parts(*, compiled: bool = False):
    return torch_rows.parts(small_settings.SETTINGS, torch.device("cpu"), threads=1, compiled=compiled)


@pytest.mark.parametrize("function", [torch_rows.selu_op_by_op, torch.nn.functional.selu])
def test_selu_is_that_of_the_reference(function):
    values = selu.inputs(1000, 0)
    np.testing.assert_allclose(function(torch.from_numpy(values)), selu.reference(values), rtol=1e-5, atol=1e-6)


def test_every_part_is_measured():
    parts = _parts()
    assert tuple(parts) == _PARTS
    found = {name: part() for name, part in parts.items()}
    for name in ("dispatch", "selu_eager", "selu_builtin"):
        (row,) = found[name].rows
        assert (row.name, row.framework, row.device) == (name, "torch", "cpu")
        assert row.size == (1 if name == "dispatch" else 100)
        assert 0 < row.low <= row.median_seconds <= row.high
    (peak,) = found["peaks"].peaks
    assert peak.gbytes_per_second > 0
    assert peak.gflops > 0
    assert found["peaks"].threads == {"torch": 1}
    for name in ("selu_jit", "selu_loop"):
        assert found[name] == rows.Found(
            notes=[f"torch.compile on cpu: {name} left out, since torch_compile is False in the config"]
        )


def test_applications_that_take_too_long_are_fewer_and_said():
    effort = dataclasses.replace(small_settings.EFFORT, max_seconds=1e-9)
    settings = dataclasses.replace(small_settings.SETTINGS, effort=effort)
    found = torch_rows.parts(settings, torch.device("cpu"), threads=1, compiled=False)["selu_builtin"]()
    # One in each of six repeats.
    assert found.notes == ["selu_builtin of torch on cpu: 6 of 12 applications, by max_row_seconds"]


def test_values_are_those_of_the_seed(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def inputs(size: int, seed: int) -> np.ndarray:
        asked.append((size, seed))
        return np.zeros(size, np.float32)

    monkeypatch.setattr(selu, "inputs", inputs)
    settings = dataclasses.replace(small_settings.SETTINGS, seed=7)
    torch_rows.parts(settings, torch.device("cpu"), threads=1, compiled=False)
    assert asked == [(100, 7)]


@pytest.mark.parametrize(("copy_size", "copied"), [(0, 100), (500, 500)])
def test_a_copy_is_of_as_many_floats_as_the_device_is_given(monkeypatch: pytest.MonkeyPatch, copy_size, copied):
    sizes = []
    made = torch_rows._repeat

    def kept(function, argument):
        sizes.append(argument.numel())
        return made(function, argument)

    monkeypatch.setattr(torch_rows, "_repeat", kept)
    peaks = {"cpu": PeakSizes(matmul_size=8, copy_size=copy_size)}
    settings = dataclasses.replace(small_settings.SETTINGS, peaks=peaks)
    torch_rows.parts(settings, torch.device("cpu"), threads=1, compiled=False)["peaks"]()
    assert sizes[0] == copied


def test_what_is_compiled_is_measured(monkeypatch: pytest.MonkeyPatch):
    compiled = []

    def compile_function(function, *, dynamic):
        compiled.append((function, dynamic, os.environ["TORCHINDUCTOR_CACHE_DIR"]))
        return function

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/kept")
    monkeypatch.setattr(torch, "compile", compile_function)
    (row,) = _parts(compiled=True)["selu_jit"]().rows
    assert (row.name, row.work) == ("selu_jit", 1)
    ((function, dynamic, directory),) = compiled
    assert (function, dynamic) == (torch_rows.selu_op_by_op, False)
    # The compiler began with an empty cache, which is gone, and the environment is as it was.
    assert directory != "/kept"
    assert not os.path.exists(directory)
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "/kept"


@pytest.mark.parametrize("name", ["selu_jit", "selu_loop"])
def test_a_compiler_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, name):
    def compile_function(function, *, dynamic):
        raise RuntimeError("No working C++ compiler found\nset CXX")

    monkeypatch.setattr(torch, "compile", compile_function)
    found = _parts(compiled=True)[name]()
    message = "could not be compiled: RuntimeError: No working C++ compiler found"
    assert dataclasses.asdict(found)["rows"] == ()
    assert found.notes == [f"torch.compile on cpu: {name} {message}"]


def test_an_interruption_is_not_taken_for_a_missing_compiler(monkeypatch: pytest.MonkeyPatch):
    def compile_function(function, *, dynamic):
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "compile", compile_function)
    with pytest.raises(KeyboardInterrupt):
        _parts(compiled=True)["selu_jit"]()
