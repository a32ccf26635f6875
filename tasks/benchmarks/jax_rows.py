"""Measures SELU, dispatch and the machine's peaks in JAX."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from humain.native import selu as native_selu
from humain.types import Array
from tasks.benchmarks import machine, rows, selu
from tasks.benchmarks.rows import Found, Peak, RowSettings
from tasks.benchmarks.timing import Block, Timing, measure


def find_device(name: str) -> jax.Device | None:
    """Returns the first device of a kind, `cpu` or `gpu`; None if JAX has none."""
    try:
        return jax.devices(name)[0]
    except RuntimeError:
        return None


def selu_op_by_op(values: Array) -> Array:
    """SELU as in `tasks.benchmarks.selu`; called outside of jit, every operation is dispatched separately."""
    return selu.SCALE * (jnp.maximum(values, 0) + selu.ALPHA * jnp.expm1(jnp.minimum(values, 0)))


def selu_by_exp(values: Array) -> Array:
    """SELU with `exp(x) - 1` instead of `expm1(x)`, which is cheaper in XLA but loses precision left of 0.

    The absolute error stays within 2.5e-7. The relative error grows as x approaches 0: below about 6e-8, half of
    float32's spacing at 1, the answer is 0.
    """
    return selu.SCALE * jnp.where(values > 0, values, selu.ALPHA * (jnp.exp(values) - 1))


def selu_loop(values: Array, steps: int) -> Array:
    """Applies SELU `steps` times."""
    return jax.lax.fori_loop(0, steps, lambda _, carried: selu_op_by_op(carried), values)


def parts(settings: RowSettings, device: jax.Device) -> Mapping[str, Callable[[], Found]]:
    """Returns the measurements on a device, by name.

    Args:
        settings: what to measure, and how thoroughly.
        device: the device to measure.
    """
    name = "cpu" if device.platform == "cpu" else "gpu"
    values = jax.device_put(selu.inputs(settings.size, settings.seed), device)
    one = values[:1]

    def timed(
        function: Callable[[Array], Array], *, spread: bool = True, in_place: bool = False
    ) -> tuple[Timing, Timing]:
        applications = settings.applications if spread else None
        whole = measure(chain(function, values, in_place=in_place), settings.effort, applications=applications)
        return whole, measure(chain(function, one, in_place=in_place), settings.effort)

    def selu_row(row: str, function: Callable[[Array], Array], *, steps: int = 1, in_place: bool = False) -> Found:
        whole, dispatch = timed(function, spread=steps == 1, in_place=in_place)
        made = rows.make(
            row,
            whole,
            framework="jax",
            device=name,
            size=settings.size,
            work=steps,
            # A loop on one element has the same number of steps, so its time is not that of a call alone.
            dispatch=dispatch if steps == 1 else None,
            moved=selu.bytes_moved(settings.size, steps),
            flops=selu.flops(settings.size, steps),
        )
        return rows.of_selu(made, settings)

    def dispatch_row() -> Found:
        timing = measure(_repeat(jax.jit(lambda values: values + 1), one), settings.effort)
        return Found(rows=[rows.make("dispatch", timing, framework="jax", device=name, size=1)])

    def native_row(row: str, *, in_place: bool = False) -> Found:
        fault = native_selu.missing()
        if name != "cpu":
            fault = "the C++ operation is only for the CPU"
        if fault:
            return Found(notes=[f"{row} of jax on {name}: {fault}"])

        def apply(values: Array) -> Array:
            return native_selu.selu(values, in_place)

        return selu_row(row, compile_form(apply, in_place=in_place), in_place=in_place)

    def in_place_row(row: str, function: Callable[[Array], Array]) -> Found:
        return selu_row(row, compile_form(function, in_place=True), in_place=True)

    def loop(values: Array) -> Array:
        return selu_loop(values, settings.loop_steps)

    return {
        "dispatch": dispatch_row,
        "selu_eager": lambda: selu_row("selu_eager", selu_op_by_op),
        "selu_builtin": lambda: selu_row("selu_builtin", jax.nn.selu),
        "selu_jit": lambda: selu_row("selu_jit", jax.jit(selu_op_by_op)),
        "selu_jit_in_place": lambda: in_place_row("selu_jit_in_place", selu_op_by_op),
        "selu_exp": lambda: selu_row("selu_exp", jax.jit(selu_by_exp)),
        "selu_exp_in_place": lambda: in_place_row("selu_exp_in_place", selu_by_exp),
        "selu_native": lambda: native_row("selu_native"),
        "selu_native_in_place": lambda: native_row("selu_native_in_place", in_place=True),
        "selu_loop": lambda: selu_row("selu_loop", jax.jit(loop), steps=settings.loop_steps),
        # Last, since all threads have started by then.
        "peaks": lambda: _peaks(settings, device, name, values),
    }


def _peaks(settings: RowSettings, device: jax.Device, name: str, values: Array) -> Found:
    sizes = settings.peaks[name]
    source = jax.device_put(np.arange(sizes.copy_size, dtype=np.float32), device) if sizes.copy_size else values
    copy = measure(_copies(source), settings.effort)
    side = sizes.matmul_size
    left = jax.device_put(np.random.default_rng(1).standard_normal((side, side), dtype=np.float32), device)
    product = measure(_repeat(jax.jit(lambda left: jnp.matmul(left, left, precision="highest")), left), settings.effort)
    peak = Peak(
        framework="jax",
        device=name,
        gbytes_per_second=2 * source.nbytes / copy.best_seconds / 1e9,
        gflops=2 * side**3 / product.best_seconds / 1e9,
    )
    threads = {"jax": machine.xla_threads()} if name == "cpu" else {}
    return Found(peaks=[peak], threads=threads)


def _copies(source: Array) -> Block:
    """Returns a block that copies into the same, donated memory: new memory would cost more than the copy."""
    copy = jax.jit(lambda source, target: jnp.array(source, copy=True), donate_argnums=1, keep_unused=True)
    carried = [jnp.array(source, copy=True)]

    def block(calls: int) -> None:
        target = carried.pop()
        for _ in range(calls):
            target = copy(source, target)
        carried.append(jax.block_until_ready(target))

    return block


def compile_form(function: Callable[[Array], Array], *, in_place: bool) -> Callable[[Array], Array]:
    """Compiles a function; in place, its values are donated."""
    return jax.jit(function, donate_argnums=0 if in_place else ())


def chain(function: Callable[[Array], Array], start: Array, *, in_place: bool = False) -> Block:
    """Returns a block that applies a function to its own answer and waits once; in place, it begins with a copy."""

    def block(calls: int) -> None:
        values = jnp.array(start, copy=True) if in_place else start
        for _ in range(calls):
            values = function(values)
        jax.block_until_ready(values)

    return block


def _repeat(function: Callable[[Array], Array], argument: Array) -> Block:
    """Returns a block that calls a function with the same argument, and waits for the last answer."""

    def block(calls: int) -> None:
        answer = argument
        for _ in range(calls):
            answer = function(argument)
        jax.block_until_ready(answer)

    return block
