"""The device that a run computes on, and its precision: `--device` and `--matmul_precision`.

`cpu` is JAX's CPU, whatever other devices there are. `auto` is JAX's choice, with a warning if CUDA's wheels are
installed but no GPU can be used. `gpu` fails if there is none, and names the remedy.
"""

import contextlib
import importlib.util
import logging
import os
import pathlib
import sys
from collections.abc import Iterator

import jax

from humain import errors, host

CHOICES = ("auto", "cpu", "gpu")
PRECISIONS = ("highest", "high", "default")
"""JAX's names for the precision of matrix products of float32, the harness's default first.

`highest` is float32 itself; on a GPU, `default` may round the factors to TF32, with 10 bits of mantissa. On a CPU all
three are float32.
"""

# JAX reports a failed plugin only by logging the traceback here, and continues without the plugin.
_JAX_LOG = logging.getLogger("jax._src.xla_bridge")
_CUDA_PLUGINS = ("jax_cuda13_plugin", "jax_cuda12_plugin")
# The second one is that of Linux under Windows (WSL).
_DEVICE_FILES = ("nvidiactl", "dxg")


def request(device: str) -> None:
    """Sets the platforms that JAX will start; call it before anything else asks JAX for a device.

    The flag wins over `JAX_PLATFORMS`.

    Args:
        device: one of `CHOICES`.
    """
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
    elif device == "gpu":
        jax.config.update("jax_platforms", None)


def start(device: str, task: str) -> None:
    """Starts the devices, and checks that they are the requested ones.

    Args:
        device: one of `CHOICES`, as for `request`.
        task: the task's name, for the warning.

    Raises:
        UserError: if `gpu` was requested and none can be used, or a platform in `JAX_PLATFORMS` is missing; the message
            has the reason and the remedy.
    """
    installed = has_cuda_wheels()
    with _plugin_failures() as failures:
        try:
            platform = jax.default_backend()
        except RuntimeError as error:
            text = " ".join(str(error).split())
            raise errors.UserError(f"JAX can't start its devices: {text}; or pass --device=cpu") from error
    if platform == "gpu":
        return
    reason = "; ".join(failures) or _without_failure()
    if device == "gpu" and not installed:
        raise errors.UserError(
            "--device=gpu: JAX's CUDA wheels are not installed; build with --config=cuda, or without Bazel "
            "install requirements_cuda_lock.txt, or pass --device=cpu"
        )
    if device == "gpu":
        raise errors.UserError(
            f"--device=gpu: no GPU can be used ({reason}); check that nvidia-smi lists one and that its driver "
            "supports CUDA 13, or pass --device=cpu"
        )
    if device == "auto" and installed and not jax.config.values["jax_platforms"]:
        print(
            f"{task}: warning: CUDA's wheels are installed, but no GPU can be used ({reason}); this run uses the "
            f"{platform.upper()} (--device=cpu silences this warning)",
            file=sys.stderr,
        )


def has_cuda_wheels() -> bool:
    """Whether JAX's CUDA wheels are installed."""
    return any(importlib.util.find_spec(name) is not None for name in _CUDA_PLUGINS)


@contextlib.contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Sets JAX's default precision of matrix products, in all threads, within the `with` block.

    Args:
        precision: one of `PRECISIONS`.
    """
    before = jax.config.values["jax_default_matmul_precision"]
    jax.config.update("jax_default_matmul_precision", precision)
    try:
        yield
    finally:
        jax.config.update("jax_default_matmul_precision", before)


def describe() -> str:
    """Returns the device that JAX computes on, in words."""
    devices = jax.devices()
    if devices[0].platform == "cpu":
        return f"cpu ({host.num_cores()} cores)"
    return f"{devices[0].device_kind} x {len(devices)}"


@contextlib.contextmanager
def _plugin_failures() -> Iterator[list[str]]:
    """Removes JAX's log records of failed plugins, with their tracebacks, and yields a list with a line for each."""
    failures: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if message.startswith("Jax plugin configuration error") and record.exc_info:
            message = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        elif not message.startswith("CUDA backend failed to initialize"):
            return True
        failures.append(" ".join(message.split()).rstrip("."))
        return False

    _JAX_LOG.addFilter(keep)
    try:
        yield failures
    finally:
        _JAX_LOG.removeFilter(keep)


def _without_failure() -> str:
    """Returns why there is no GPU if no plugin gave a reason."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides all"
    if not any(pathlib.Path("/dev", name).exists() for name in _DEVICE_FILES):
        return "there is no NVIDIA driver here"
    return "JAX found none"
