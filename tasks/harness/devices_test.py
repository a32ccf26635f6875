"""Tests of the devices: each choice where there is a GPU, no GPU, or a plugin that fails; JAX's own parts are real.

What a plugin does when JAX starts is seen in processes of their own, with a stand-in that fails as CUDA's does where no
driver is: it raises while JAX sets it up.
"""

import os
import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from humain import errors
from tasks.harness import devices

_PROGRAM = """
from humain import errors
from tasks.harness import devices
import jax, sys
try:
    devices.request(sys.argv[1])
    devices.start(sys.argv[1], "toy")
    print(jax.default_backend())
except errors.UserError as error:
    print("refused:", error)
"""
_FAILING = """
def initialize():
    try:
        raise OSError("libcupti.so.13: cannot open shared object file")
    except OSError as error:
        raise RuntimeError("Unable to load cuPTI. Is it installed?\\n") from error
"""
_REASON = "RuntimeError: Unable to load cuPTI. Is it installed?"


def _start(device: str, *, wheels: pathlib.Path | None = None, **environment: str) -> tuple[str, str]:
    """What a process of its own prints that starts JAX for a device: (output, errors)."""
    inherited = {name: value for name, value in os.environ.items() if name != "JAX_PLATFORMS"}
    places = [*([] if wheels is None else [str(wheels)]), *(path for path in sys.path if path)]
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, device],
        env={**inherited, "PYTHONPATH": os.pathsep.join(places), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip(), done.stderr.strip()


@pytest.fixture(name="wheels")
def _wheels(tmp_path: pathlib.Path) -> pathlib.Path:
    """Stand-ins for CUDA's wheels, whose plugin fails as it does on a machine without a driver."""
    (tmp_path / "jax_cuda13_plugin").mkdir()
    (tmp_path / "jax_cuda13_plugin" / "__init__.py").touch()
    (tmp_path / "jax_plugins" / "xla_cuda13").mkdir(parents=True)
    (tmp_path / "jax_plugins" / "xla_cuda13" / "__init__.py").write_text(_FAILING)
    return tmp_path


def test_a_plugin_that_fails_is_one_warning_and_no_traceback(wheels: pathlib.Path) -> None:
    assert _start("auto", wheels=wheels) == (
        "cpu",
        f"toy: warning: CUDA's wheels are installed, but no GPU can be used ({_REASON}); this run uses the CPU "
        "(--device=cpu silences this warning)",
    )


@pytest.mark.parametrize("environment", [{}, {"JAX_PLATFORMS": "cpu"}])
def test_a_gpu_that_is_asked_for_and_fails_is_one_line(wheels: pathlib.Path, environment: dict[str, str]) -> None:
    assert _start("gpu", wheels=wheels, **environment) == (
        f"refused: --device=gpu: no GPU can be used ({_REASON}); check that nvidia-smi lists one and that its driver "
        "supports CUDA 13, or pass --device=cpu",
        "",
    )


@pytest.mark.parametrize(("device", "environment"), [("cpu", {}), ("auto", {"JAX_PLATFORMS": "cpu"})])
def test_the_cpu_asked_for_says_nothing(wheels: pathlib.Path, device: str, environment: dict[str, str]) -> None:
    assert _start(device, wheels=wheels, **environment) == ("cpu", "")


def test_a_platform_that_is_not_there_is_one_line() -> None:
    output, error = _start("auto", JAX_PLATFORMS="nonsense")
    assert output.startswith("refused: JAX can't start its devices: Unable to initialize backend 'nonsense': ")
    assert output.endswith("or pass --device=cpu") and "\n" not in output
    assert error == ""
    assert _start("cpu", JAX_PLATFORMS="nonsense") == ("cpu", "")


@pytest.mark.skipif(devices.has_cuda_wheels(), reason="CUDA's wheels are here")
def test_without_the_wheels_a_gpu_is_refused_and_auto_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    devices.start("auto", "toy")
    assert capfd.readouterr().err == ""
    with pytest.raises(errors.UserError) as caught:
        devices.start("gpu", "toy")
    assert str(caught.value) == (
        "--device=gpu: JAX's CUDA wheels are not installed; build with --config=cuda, or without Bazel install "
        "requirements_cuda_lock.txt, or pass --device=cpu"
    )


@pytest.mark.parametrize("device", devices.CHOICES)
def test_where_there_is_a_gpu_nothing_is_said(
    device: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(devices, "has_cuda_wheels", lambda: True)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    devices.start(device, "toy")
    assert capfd.readouterr().err == ""


def test_hidden_gpus_are_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "has_cuda_wheels", lambda: True)
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(errors.UserError, match=r"no GPU can be used \(CUDA_VISIBLE_DEVICES hides all\)"):
        devices.start("gpu", "toy")


@pytest.mark.parametrize(("precision", "expected"), [("highest", "HIGHEST"), ("high", "HIGH"), ("default", "DEFAULT")])
def test_the_precision_reaches_matrix_products_and_is_put_back(precision: str, expected: str) -> None:
    before = jax.config.values["jax_default_matmul_precision"]
    with devices.matmul_precision(precision):
        text = jax.jit(jnp.matmul).lower(jnp.ones((2, 2)), jnp.ones((2, 2))).as_text()
        # Without one, XLA's own choice is DEFAULT, and the text may leave it out.
        assert f"precision = [{expected}, {expected}]" in text
    assert jax.config.values["jax_default_matmul_precision"] == before


def test_cpus_are_described_by_their_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    cpus = jax.devices("cpu")
    monkeypatch.setattr(jax, "devices", lambda: cpus)
    assert devices.describe() == "cpu (3 cores)"
