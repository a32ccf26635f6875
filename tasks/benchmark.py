"""`//tasks:benchmark`: compares devices and frameworks, and times the project's own hot paths.

See `docs/tasks/benchmark.md` for what is measured and how, and `configs/benchmark.py` for its configs.
"""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import jax
from absl import flags

from humain import errors, host
from tasks.benchmarks import chunk_forms, clustering_forms, comparison, hot_paths, jax_rows, machine, report, rows
from tasks.benchmarks.rows import Found, PeakSizes, RowSettings
from tasks.benchmarks.timing import Effort
from tasks.harness import entry, results
from tasks.harness.context import TaskContext

_NAME = "benchmark"
_FRAMEWORKS = ("jax", "torch")
_DEVICES = ("cpu", "gpu")
_LEAST_REPEATS = 30
"""The smallest value of --repeats; a config may have fewer, down to what a confidence interval needs."""

_NO_GPU = "build with --config=cuda on a machine with an NVIDIA GPU, or pass --device=cpu"


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags that only this task has."""
    flags.DEFINE_enum(
        "framework", "all", [*_FRAMEWORKS, "all"], "Frameworks to measure: jax, torch or all.", flag_values=values
    )
    flags.DEFINE_integer(
        "size", None, "Elements that SELU is applied to; by default the config's.", lower_bound=1, flag_values=values
    )
    flags.DEFINE_integer(
        "repeats",
        None,
        f"Repeats that a median is taken over, at least {_LEAST_REPEATS}; by default the config's.",
        lower_bound=_LEAST_REPEATS,
        flag_values=values,
    )
    flags.DEFINE_string(
        "compare", None, "results.json of an older run: prints ratios, fails on slower hot paths.", flag_values=values
    )
    flags.DEFINE_float(
        "compare_factor",
        1.5,
        "With --compare: a hot path that takes more than so many times as long is a failure.",
        lower_bound=0.0,
        flag_values=values,
    )


def check(task: TaskContext) -> None:
    """Checks the flags and the config before anything is measured, and confines the run to its cores."""
    if task.flags.compare is not None:
        comparison.read(task.resolve(task.flags.compare))
    _settings(task)
    _sizes(task)
    if task.config.threads < 0:
        raise errors.UserError(f"threads must be at least 0 (0 takes all cores), not {task.config.threads}")
    if task.flags.framework == "torch" and not _has_torch():
        raise errors.UserError("PyTorch is not installed; install torch, or pass --framework=jax")
    machine.use_cores(task.config.threads)
    if not _places(task):
        raise errors.UserError(f"there is no GPU that {' or '.join(_frameworks(task))} can use; {_NO_GPU}")


def run(task: TaskContext) -> Mapping[str, Any]:
    """Measures part after part, and saves each, so that an interrupted run can continue."""
    described = _describe(task)
    begun = task.stage("machine", lambda: described)
    if begun != described:
        raise errors.UserError(
            f"this run was begun on {begun}, and this machine is {described}; --clear it, or continue on the former"
        )
    notes = []
    if task.flags.framework == "all" and not _has_torch():
        notes.append("PyTorch is not installed: only JAX was measured")
    places = _places(task)
    for device in _wanted(task.flags.device, _DEVICES):
        for framework in _frameworks(task):
            if (framework, device) not in places:
                notes.append(f"{framework} has no {device} here: not measured")
    found = []
    for framework, device in places:
        for part, measure in _parts(task, framework, device).items():
            name = f"{framework}_{device}_{part}"
            print(f"{_NAME}: {framework} {device} {part}", flush=True)
            found.append(task.stage(name, measure))
    everything: dict[str, Any] = {
        part: [entry for one in found for entry in one[part]] for part in ("rows", "peaks", "ratios", "notes")
    }
    threads = {name: count for one in found for name, count in one["threads"].items()}
    cores = begun["cores"]
    notes += [
        f"{name} computes with {count} threads instead of {cores}: figures on the CPU are not comparable"
        for name, count in threads.items()
        if count not in (None, cores)
    ]
    outcome = {
        "rows": rows.with_shares(everything["rows"], everything["peaks"]),
        "peaks": everything["peaks"],
        "ratios": everything["ratios"],
        "notes": notes + everything["notes"],
        "threads": {"wanted": cores, **threads},
        "machine": begun["devices"],
    }
    report.write(task.workdir, outcome)
    return outcome


def show(record: Mapping[str, Any]) -> None:
    """Prints the results as tables."""
    found = record["results"]
    for table in (report.rows_table(found), report.peaks_table(found), report.ratios_table(found)):
        if table.rows:
            print(f"{table.to_text()}\n")
    if record["config"]["show_targets"]:
        print(f"{report.targets_table(found).to_text()}\n")
    for line in report.conditions(found):
        print(line)


def answer(task: TaskContext) -> None:
    """Prints this run beside the one that --compare names, and fails if a hot path got slower."""
    if task.flags.compare is None:
        return
    old, new = comparison.read(task.resolve(task.flags.compare)), results.read(task.workdir)
    assert new is not None
    lines = comparison.compare(old, new, hot_paths=hot_paths.HOT_PATHS)
    versions = ", ".join(
        f"{name} {old.get('versions', {}).get(name)} and {new['versions'].get(name)}" for name in ("jaxlib", "torch")
    )
    print(f"\nold and new: {versions}\n{comparison.to_table(lines).to_text()}", flush=True)
    comparison.judge(lines, task.flags.compare_factor)


def _settings(task: TaskContext) -> RowSettings:
    config = task.config
    try:
        return RowSettings(
            size=task.flags.size or config.selu.size,
            applications=config.selu.applications,
            loop_steps=config.selu.loop_steps,
            peaks={device: PeakSizes(**sizes) for device, sizes in config.peaks.to_dict().items()},
            seed=task.seed,
            effort=Effort(
                repeats=task.flags.repeats or config.repeats,
                min_seconds=config.min_repeat_seconds,
                max_seconds=config.max_row_seconds,
                pulse=task.interruption.check,
            ),
        )
    except ValueError as error:
        raise errors.UserError(str(error)) from error


def _sizes(task: TaskContext) -> hot_paths.HotPathSizes:
    try:
        return hot_paths.HotPathSizes(
            updates=chunk_forms.ChunkSizes(**task.config.updates.to_dict()),
            points=clustering_forms.ClusteringSizes(**task.config.kmeans.to_dict(), seed=task.seed),
        )
    except ValueError as error:
        raise errors.UserError(str(error)) from error


def _wanted(value: str, all_values: Sequence[str]) -> tuple[str, ...]:
    return tuple(all_values) if value == "all" else (value,)


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def _frameworks(task: TaskContext) -> tuple[str, ...]:
    wanted = _wanted(task.flags.framework, _FRAMEWORKS)
    return tuple(framework for framework in wanted if framework != "torch" or _has_torch())


def _find_device(framework: str, device: str) -> Any:
    """Returns a framework's own device object, or None."""
    if framework == "jax":
        return jax_rows.find_device(device)
    from tasks.benchmarks import torch_rows

    return torch_rows.find_device(device)


def _places(task: TaskContext) -> list[tuple[str, str]]:
    """Returns the frameworks and devices to measure, JAX first: PyTorch computes nothing before JAX is done."""
    return [
        (framework, device)
        for framework in _frameworks(task)
        for device in _wanted(task.flags.device, _DEVICES)
        if device == "cpu" or _find_device(framework, device) is not None
    ]


def _describe(task: TaskContext) -> dict[str, Any]:
    """Describes the machine: the cores used by this run, and the names of its devices."""
    names = {}
    for framework, device in _places(task):
        if device == "cpu":
            names["cpu"] = machine.processor()
        elif framework == "jax":
            names["gpu"] = _find_device(framework, device).device_kind
        else:
            from tasks.benchmarks import torch_rows

            names["gpu"] = torch_rows.gpu_name()
    return {"cores": host.num_cores(), "devices": names}


def _parts(task: TaskContext, framework: str, device: str) -> Mapping[str, Callable[[], Found]]:
    settings = _settings(task)
    place = _find_device(framework, device)
    if framework == "torch":
        from tasks.benchmarks import torch_rows

        threads = host.num_cores()
        return torch_rows.parts(settings, place, threads=threads, compiled=task.config.torch_compile)
    assert isinstance(place, jax.Device)
    return {
        **jax_rows.parts(settings, place),
        **hot_paths.parts(_sizes(task), settings.effort, place),
    }


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the task and ends the process; the command line is that of the process by default."""
    task = entry.Task(
        name=_NAME,
        run=run,
        show=show,
        define_flags=define_flags,
        question_flags=("compare", "compare_factor"),
        own_devices=("all", *_DEVICES),
        check=check,
        answer=answer,
        description="Compares devices and frameworks: SELU, dispatch, and the project's own hot paths.",
    )
    entry.main(task, arguments)


if __name__ == "__main__":
    main()
