"""The command line shared by all tasks."""

import dataclasses
import pathlib
import re
from collections.abc import Callable, Sequence

import ml_collections
from absl import flags
from ml_collections import config_flags

from humain import errors
from humain.training import compilation_cache
from tasks.harness import config as config_lib
from tasks.harness import devices as devices_lib
from tasks.harness import paths, processes

_CONFIG = re.compile(r"^--?config(?:=(?P<value>.*))?$", re.DOTALL)
_SHARED = ("clear", "compilation_cache", "device", "help", "matmul_precision", "seed", "workdir", *processes.FLAGS)


@dataclasses.dataclass(frozen=True)
class Arguments:
    """A parsed command line.

    Attributes:
        config: the config with overrides applied.
        seed: the seed of all randomness.
        workdir: the absolute path of the work directory.
        device: the device to compute on, one of the choices passed to `parse`.
        matmul_precision: one of `devices.PRECISIONS`.
        compilation_cache: the absolute path of the folder for compiled programs; None for no cache.
        clear: whether to delete the work directory instead of running.
        help: the help text if it was requested, else None.
        flags: all flags, including the task's own.
        own_flags: the names of the task's own flags.
        group: the processes of the run; None for only this process.
    """

    config: ml_collections.ConfigDict
    seed: int
    workdir: pathlib.Path
    device: str
    matmul_precision: str
    compilation_cache: pathlib.Path | None
    clear: bool
    help: str | None
    flags: flags.FlagValues
    own_flags: tuple[str, ...]
    group: processes.Group | None = None


def parse(
    arguments: Sequence[str],
    *,
    task: str,
    description: str = "",
    define_flags: Callable[[flags.FlagValues], None] | None = None,
    family: str = "",
    devices: Sequence[str] = devices_lib.CHOICES,
) -> Arguments:
    """Parses a command line.

    Args:
        arguments: the arguments after the program's name.
        task: the task's name, from which its default config and work directory are derived.
        description: first part of the help text.
        define_flags: defines the task's own flags, with `flag_values=` the argument it is given.
        family: the name of the family's default work directory, in which the task has its folder.
        devices: the choices of `--device`, the default first.

    Returns:
        The parsed command line.

    Raises:
        UsageError: if anything is wrong with it, in one line.
    """
    default_config = f"configs/{task}.py"
    values = flags.FlagValues()
    flags.DEFINE_string(
        "workdir", None, f"Where results go; default: artifacts/{family or task} in the workspace.", flag_values=values
    )
    flags.DEFINE_bool("clear", False, "Delete this task's work directory, say so, and exit.", flag_values=values)
    flags.DEFINE_integer("seed", 0, "Seed of all randomness.", lower_bound=0, upper_bound=2**32 - 1, flag_values=values)
    flags.DEFINE_enum("device", devices[0], devices, f"Device to compute on: {', '.join(devices)}.", flag_values=values)
    flags.DEFINE_enum(
        "matmul_precision",
        devices_lib.PRECISIONS[0],
        devices_lib.PRECISIONS,
        "Precision of JAX's matrix products: highest, high, default; on a CPU all are float32.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "compilation_cache",
        compilation_cache.default(),
        "Folder in which compiled programs are kept for the next run; empty for none.",
        flag_values=values,
    )
    flags.DEFINE_bool("help", False, "Show this text and exit.", short_name="h", flag_values=values)
    processes.define_flags(values)
    if define_flags is not None:
        define_flags(values)
    own_flags = tuple(sorted(set(values) - {*_SHARED, "h"}))

    spec, rest = _take_config(list(arguments))
    if any(word in ("--help", "-help", "-h") for word in rest):
        # Help is shown even if other flags are wrong.
        return Arguments(
            config=ml_collections.ConfigDict(),
            seed=0,
            workdir=pathlib.Path(),
            device=devices[0],
            matmul_precision=devices_lib.PRECISIONS[0],
            compilation_cache=None,
            clear=False,
            help=_help(task, description, values),
            flags=values,
            own_flags=own_flags,
        )
    config = config_lib.load(spec if spec is not None else default_config, default_config)
    config_lib.check_overrides(rest, config)
    try:
        config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=rest)
        extra = values([task, *rest])[1:]
    except (flags.Error, TypeError, ValueError) as error:
        raise errors.UsageError(" ".join(str(error).split())) from error
    if extra:
        raise errors.UsageError(f"unexpected argument {extra[0]!r}; flags are written --name=value (see --help)")
    shared = paths.workspace_root() / "artifacts" / (family or task)
    workdir = paths.resolve(values.workdir) if values.workdir else shared
    if family:
        workdir = workdir / task
    if paths.in_runfiles(workdir):
        raise errors.UsageError(f"the work directory would be {workdir}, which a build may throw away; pass --workdir")
    return Arguments(
        config=values.config,
        seed=values.seed,
        workdir=workdir,
        device=values.device,
        matmul_precision=values.matmul_precision,
        compilation_cache=paths.resolve(values.compilation_cache) if values.compilation_cache else None,
        clear=values.clear,
        help=None,
        flags=values,
        own_flags=own_flags,
        group=processes.read(values, values.config),
    )


def _take_config(arguments: list[str]) -> tuple[str | None, list[str]]:
    """Removes `--config=SPEC` or `--config SPEC` from a command line, but not its overrides. The last one counts."""
    spec: str | None = None
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
            break
        match = _CONFIG.match(word)
        if match is None:
            rest.append(word)
            continue
        value = match["value"] if match["value"] is not None else next(words, "")
        if not value:
            raise errors.UsageError("--config needs a file, such as --config=configs/NAME.py:smoke")
        spec = value
    return spec, rest


def _help(task: str, description: str, values: flags.FlagValues) -> str:
    lines = [description.strip(), ""] if description.strip() else []
    lines += [
        f"usage: bazel run //tasks:{task} -- [flags]",
        "",
        f"  --config=FILE[:VARIANT]  Config file, looked for here, then in the workspace; default: configs/{task}.py.",
        "                           Only :VARIANT, or VARIANT, means that variant of the default file.",
        "  --config.KEY=VALUE       Override one value of the config; works without --config too.",
    ]
    for name in sorted(set(values) - {"h"}):
        flag = values[name]
        # absl calls an enum's type "string enum"; the choices are in its help.
        head = f"  --{name}" if flag.boolean else f"  --{name}={str(flag.flag_type()).split()[-1].upper()}"
        # By identity, since 0 == False, and a default of 0 is to be shown.
        default = "" if flag.value is None or flag.value is False else f" (default: {flag.value})"
        lines.append(f"{head:<26} {flag.help}{default}")
    return "\n".join(lines)
