"""Where the time of SELU goes on the CPU: compares times, page faults and errors of several forms that take turns.

    bazel run //tasks/benchmarks:selu_forms
    bazel run //tasks/benchmarks:selu_forms -- --torch --num_devices=2

In every round each form is applied to its own answer, `--calls` times, beginning with the same values; so all of them
see the same noise, and ratios within rounds are steadier than times. Processor time and page faults are those of the
whole process. `add_one` has almost no arithmetic, so it shows the cost of memory.
"""

import dataclasses
import resource
import time
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from humain import host
from humain.native import selu as native_selu
from humain.types import Array
from humain.viewing.tables import ReportTable
from tasks.benchmarks import jax_rows, selu
from tasks.benchmarks.timing import MIN_REPEATS, Block, Interval, median_interval, ratio_interval

_REFERENCE = "builtin"


@dataclasses.dataclass(frozen=True)
class SeluForm:
    """A way to compute SELU.

    Attributes:
        block: applies the form to its own answer a number of times, and waits.
        apply: applies it once, to measure its errors; None if it is not SELU.
    """

    block: Block
    apply: Callable[[np.ndarray], np.ndarray] | None


@dataclasses.dataclass(frozen=True)
class SeluLine:
    """The measurements of a form, per application.

    Attributes:
        name: the form's name.
        seconds: the elapsed time.
        speed: the time of `jax.nn.selu` over that of the form, in the same round.
        user_seconds: the processor time in user mode.
        system_seconds: the processor time in kernel mode.
        page_faults: the pages of memory that the system had to provide.
        absolute_error: the largest absolute error, compared with double precision; None if the form is not SELU.
        relative_error: the largest relative error, likewise.
    """

    name: str
    seconds: Interval
    speed: Interval
    user_seconds: float
    system_seconds: float
    page_faults: float
    absolute_error: float | None
    relative_error: float | None


def forms(values: np.ndarray, *, num_devices: int = 1, torch: bool = False) -> Mapping[str, SeluForm]:
    """Returns the forms to compare, by name; with the C++ operation if it is built.

    Args:
        values: `[N]` float32, the initial values.
        num_devices: JAX's devices on the CPU; with more than one, there are forms that are sharded over them.
        torch: whether `torch.compile` is one of them.
    """
    start = jax.device_put(values, jax.devices("cpu")[0])
    named: dict[str, Callable[[Array], Array]] = {
        "add_one": lambda values: values + 1,
        # Wrapped in a new function: `jax.nn.selu` is jitted already, and would not reuse its argument's memory.
        _REFERENCE: lambda values: jax.nn.selu(values),
        "exp": jax_rows.selu_by_exp,
    }
    made = {}
    for name, function in named.items():
        made[name] = _form(function, start)
        made[f"{name}_in_place"] = _form(function, start, in_place=True)
    if not native_selu.missing():
        made["native"] = _form(lambda values: native_selu.selu(values), start)
        made["native_in_place"] = _form(lambda values: native_selu.selu(values, True), start, in_place=True)
    if num_devices > 1:
        mesh = jax.sharding.Mesh(np.array(jax.devices("cpu")[:num_devices]), ("part",))
        spread = jax.device_put(values, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("part")))
        made[f"{_REFERENCE}_{num_devices}_devices"] = _form(named[_REFERENCE], spread)
        made[f"exp_{num_devices}_devices"] = _form(named["exp"], spread)
    if torch:
        try:
            made["torch_compile"] = _torch_form(values)
        except Exception as error:  # torch's compiler may raise any exception.
            print(f"selu_forms: no torch_compile form: {type(error).__name__}: {str(error).strip().splitlines()[0]}")
    # A form that is not SELU has no errors.
    return {
        name: dataclasses.replace(form, apply=None) if name.startswith("add_one") else form
        for name, form in made.items()
    }


def measure(forms: Mapping[str, SeluForm], *, rounds: int, calls: int) -> list[SeluLine]:
    """Measures the forms, which take turns.

    Args:
        forms: the forms, from `forms`.
        rounds: the number of rounds that medians are over, at least `MIN_REPEATS`.
        calls: the number of applications in each turn.
    """
    for form in forms.values():
        form.block(2)
    samples: dict[str, list[np.ndarray]] = {name: [] for name in forms}
    for _ in range(rounds):
        for name, form in forms.items():
            before = _used()
            form.block(calls)
            samples[name].append((_used() - before) / calls)
    reference = [float(sample[0]) for sample in samples[_REFERENCE]]
    lines = []
    for name, form in forms.items():
        seconds = [float(sample[0]) for sample in samples[name]]
        _, user, system, faults = np.median(samples[name], axis=0)
        absolute, relative = (None, None) if form.apply is None else _errors(form.apply)
        lines.append(
            SeluLine(
                name=name,
                seconds=median_interval(seconds),
                speed=ratio_interval(reference, seconds),
                user_seconds=float(user),
                system_seconds=float(system),
                page_faults=float(faults),
                absolute_error=absolute,
                relative_error=relative,
            )
        )
    return lines


def to_table(lines: Sequence[SeluLine]) -> ReportTable:
    """Returns the lines as a table, with times in microseconds."""
    formats = {
        **dict.fromkeys(("us", "95 % low", "95 % high", "user us", "system us", "page faults"), ",.0f"),
        **dict.fromkeys(("x faster", "x low", "x high"), ".2f"),
        **dict.fromkeys(("absolute error", "relative error"), ".1e"),
    }
    return ReportTable(
        columns=(
            *("form", "us", "95 % low", "95 % high", "x faster", "x low", "x high"),
            *("user us", "system us", "page faults", "absolute error", "relative error"),
        ),
        rows=[
            (
                line.name,
                *(1e6 * value for value in dataclasses.astuple(line.seconds)),
                *dataclasses.astuple(line.speed),
                1e6 * line.user_seconds,
                1e6 * line.system_seconds,
                line.page_faults,
                line.absolute_error,
                line.relative_error,
            )
            for line in lines
        ],
        formats=formats,
    )


def _form(function: Callable[[Array], Array], start: Array, *, in_place: bool = False) -> SeluForm:
    compiled = jax_rows.compile_form(function, in_place=in_place)
    return SeluForm(
        block=jax_rows.chain(compiled, start, in_place=in_place),
        apply=lambda values: np.asarray(jax.jit(function)(jnp.asarray(values))),
    )


def _torch_form(values: np.ndarray) -> SeluForm:
    import torch

    from tasks.benchmarks import torch_rows

    torch.set_num_threads(host.num_cores())
    compiled = torch.compile(torch_rows.selu_op_by_op, dynamic=False)
    start = torch.from_numpy(values)

    def block(calls: int) -> None:
        with torch.inference_mode():
            carried = start
            for _ in range(calls):
                carried = compiled(carried)

    block(1)
    return SeluForm(block=block, apply=lambda values: torch_rows.selu_op_by_op(torch.from_numpy(values)).numpy())


def _errors(apply: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    """Returns the largest absolute and relative error, where SELU is curved and near 0, without subnormal numbers."""
    values = np.concatenate([np.linspace(-20, 3, 1_000_003), -np.logspace(-36, 0, 100_001)]).astype(np.float32)
    exact = selu.reference(values.astype(np.float64))
    errors = np.abs(apply(values) - exact)
    nonzero = exact != 0
    return float(errors.max()), float((errors[nonzero] / np.abs(exact[nonzero])).max())


def _used() -> np.ndarray:
    """Returns the elapsed, user and system seconds, and the page faults of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return np.array([time.perf_counter(), usage.ru_utime, usage.ru_stime, usage.ru_minflt])


def main(arguments: Sequence[str]) -> None:
    """Measures and prints."""
    if len(arguments) > 1:
        raise app.UsageError(f"this program takes only flags; got the argument {arguments[1]!r}")
    values = flags.FLAGS
    if values.num_devices > 1:
        jax.config.update("jax_num_cpu_devices", values.num_devices)
    if fault := native_selu.missing():
        print(f"selu_forms: no native form: {fault}")
    compared = forms(selu.inputs(values.size, 0), num_devices=values.num_devices, torch=values.torch)
    print(to_table(measure(compared, rounds=values.rounds, calls=values.calls)).to_text())


if __name__ == "__main__":
    flags.DEFINE_integer("size", 1_000_000, "Elements that SELU is applied to.", lower_bound=1)
    flags.DEFINE_integer("rounds", 30, "Rounds that medians are taken over.", lower_bound=MIN_REPEATS)
    flags.DEFINE_integer("calls", 60, "Applications in each turn.", lower_bound=1)
    flags.DEFINE_integer("num_devices", 1, "Devices that JAX makes of the CPU; it adds forms.", lower_bound=1)
    flags.DEFINE_bool("torch", False, "Whether torch.compile takes part.")
    app.run(main)
