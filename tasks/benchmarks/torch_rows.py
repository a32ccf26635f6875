"""Measures SELU, dispatch and the machine's peaks in PyTorch.

It is the benchmark's only module that needs torch, and is imported only if PyTorch is measured.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch

from tasks.benchmarks import rows, selu
from tasks.benchmarks.rows import Found, Peak, RowSettings
from tasks.benchmarks.timing import Block, Timing, measure


def find_device(name: str) -> torch.device | None:
    """Returns the first device of a kind, `cpu` or `gpu`; None if PyTorch has none."""
    if name == "cpu":
        return torch.device("cpu")
    return torch.device("cuda") if torch.cuda.is_available() else None


def gpu_name() -> str:
    """Returns the name of the GPU."""
    return torch.cuda.get_device_name()


def selu_op_by_op(values: torch.Tensor) -> torch.Tensor:
    """SELU as in `tasks.benchmarks.selu`; without compilation, every operation is dispatched separately."""
    return selu.SCALE * (torch.clamp(values, min=0) + selu.ALPHA * torch.expm1(torch.clamp(values, max=0)))


def selu_loop(values: torch.Tensor, steps: int) -> torch.Tensor:
    """Applies SELU `steps` times, by torch's loop operation, since the compiler would unroll a Python loop."""

    def condition(step: torch.Tensor, carried: torch.Tensor) -> torch.Tensor:
        del carried
        return step < steps

    def body(step: torch.Tensor, carried: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return step + 1, selu_op_by_op(carried)

    return torch.while_loop(condition, body, (torch.zeros((), dtype=torch.int64), values))[1]


def parts(
    settings: RowSettings, device: torch.device, *, threads: int, compiled: bool
) -> Mapping[str, Callable[[], Found]]:
    """Returns the measurements on a device, by name.

    Args:
        settings: what to measure, and how thoroughly.
        device: the device to measure.
        threads: the number of threads to use on the CPU.
        compiled: whether `torch.compile` is measured too.
    """
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("highest")
    name = "cpu" if device.type == "cpu" else "gpu"
    values = torch.from_numpy(selu.inputs(settings.size, settings.seed)).to(device)

    def selu_row(row: str, function: Callable[[torch.Tensor], torch.Tensor], *, steps: int = 1) -> Found:
        applications = settings.applications if steps == 1 else None
        whole = measure(_chain(function, values), settings.effort, applications=applications)
        dispatch: Timing | None = None
        if steps == 1:
            dispatch = measure(_chain(function, values[:1].clone()), settings.effort)
        made = rows.make(
            row,
            whole,
            framework="torch",
            device=name,
            size=settings.size,
            work=steps,
            dispatch=dispatch,
            moved=selu.bytes_moved(settings.size, steps),
            flops=selu.flops(settings.size, steps),
        )
        return rows.of_selu(made, settings)

    def dispatch_row() -> Found:
        timing = measure(_repeat(lambda one: one + 1, values[:1].clone()), settings.effort)
        return Found(rows=[rows.make("dispatch", timing, framework="torch", device=name, size=1)])

    def compiled_row(row: str, function: Callable[[torch.Tensor], torch.Tensor], *, steps: int = 1) -> Found:
        if not compiled:
            return Found(notes=[f"torch.compile on {name}: {row} left out, since torch_compile is False in the config"])
        try:
            with _fresh_cache():
                return selu_row(row, torch.compile(function, dynamic=False), steps=steps)
        except Exception as error:  # The compiler, or its absence, may raise any exception.
            return Found(notes=[f"torch.compile on {name}: {row} could not be compiled: {_in_short(error)}"])

    def loop(values: torch.Tensor) -> torch.Tensor:
        return selu_loop(values, settings.loop_steps)

    found = {
        "dispatch": dispatch_row,
        "selu_eager": lambda: selu_row("selu_eager", selu_op_by_op),
        "selu_builtin": lambda: selu_row("selu_builtin", torch.nn.functional.selu),
        "selu_jit": lambda: compiled_row("selu_jit", selu_op_by_op),
        "selu_loop": lambda: compiled_row("selu_loop", loop, steps=settings.loop_steps),
        # Last, since all threads have started by then.
        "peaks": lambda: _peaks(settings, device, name, values),
    }
    return {part: _without_gradients(function) for part, function in found.items()}


def _peaks(settings: RowSettings, device: torch.device, name: str, values: torch.Tensor) -> Found:
    sizes = settings.peaks[name]
    source = torch.arange(sizes.copy_size, dtype=torch.float32, device=device) if sizes.copy_size else values
    target = torch.empty_like(source)
    copy = measure(_repeat(target.copy_, source), settings.effort)
    side = sizes.matmul_size
    left = torch.randn((side, side), generator=torch.Generator().manual_seed(1)).to(device)
    product = measure(_repeat(lambda left: left @ left, left), settings.effort)
    peak = Peak(
        framework="torch",
        device=name,
        gbytes_per_second=2 * source.numel() * source.element_size() / copy.best_seconds / 1e9,
        gflops=2 * side**3 / product.best_seconds / 1e9,
    )
    threads: dict[str, int | None] = {"torch": torch.get_num_threads()} if name == "cpu" else {}
    return Found(peaks=[peak], threads=threads)


def _chain(function: Callable[[torch.Tensor], torch.Tensor], start: torch.Tensor) -> Block:
    """Returns a block that applies a function to its own answer, and waits once at the end."""

    def block(calls: int) -> None:
        values = start
        for _ in range(calls):
            values = function(values)
        _wait(values)

    return block


def _repeat(function: Callable[[torch.Tensor], torch.Tensor], argument: torch.Tensor) -> Block:
    """Returns a block that calls a function with the same argument, and waits for the last answer."""

    def block(calls: int) -> None:
        for _ in range(calls):
            function(argument)
        _wait(argument)

    return block


def _wait(values: torch.Tensor) -> None:
    """Waits for the device; on the CPU, work is done when a call returns."""
    if values.is_cuda:
        torch.cuda.synchronize(values.device)


def _without_gradients(function: Callable[[], Found]) -> Callable[[], Found]:
    """Returns the function without recording for gradients, as in JAX."""

    def call() -> Found:
        with torch.no_grad():
            return function()

    return call


@contextmanager
def _fresh_cache() -> Iterator[None]:
    """Gives the compiler an empty cache directory, deleted afterwards, and makes it work within this process."""
    names = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "TORCHINDUCTOR_COMPILE_THREADS")
    before = {name: os.environ.get(name) for name in names}
    with tempfile.TemporaryDirectory(prefix="torch_compile_") as directory:
        os.environ.update(dict.fromkeys(names[:2], directory), TORCHINDUCTOR_COMPILE_THREADS="1")
        torch.compiler.reset()
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


def _in_short(error: Exception) -> str:
    """Returns the type of an error and the first line of its message, cut to a length."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"
