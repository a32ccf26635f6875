"""Prints the table of tools/gpu_check, from the results of its runs: gpu_table.py DIR DRIVER TASK=EXIT_CODE...

With --lacks=cpu or --lacks=gpu alone it prints what this Python lacks to run the tasks there. It needs only Python
itself.
"""

from __future__ import annotations

import importlib.util
import json
import pathlib
import sys
from collections.abc import Iterable, Mapping
from typing import Any

# What `tasks.simple` and `tasks.rl_cart_pole` import; the benchmark has torch too, where it is there.
_PACKAGES = (
    *("absl", "flax", "gymnasium", "jax", "jaxlib", "matplotlib", "minari", "ml_collections", "networkx", "numpy"),
    *("optax", "orbax.checkpoint", "scipy", "tensorboardX", "tqdm"),
)
# One of them suffices, as in tasks/harness/devices.py.
_CUDA_PLUGINS = ("jax_cuda13_plugin", "jax_cuda12_plugin")
_TIMED_OUT = (124, 137)


def lacks(device: str) -> list[str]:
    """Returns the packages that this Python lacks to run the tasks on the device `cpu` or `gpu`."""
    missing = [] if sys.version_info >= (3, 11) else ["Python 3.11"]
    missing += [name for name in _PACKAGES if not _is_here(name)]
    if device == "gpu" and not any(map(_is_here, _CUDA_PLUGINS)):
        missing.append(" or ".join(_CUDA_PLUGINS))
    return missing


def _is_here(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the package around it
        return False


def outcome(task: str, results: Mapping[str, Any]) -> str:
    """Returns a task's result in a few words."""
    if task == "simple":
        return "; ".join(
            f"{name}: {found['think']['optimal']:.1%} optimal" for name, found in results.get("sets", {}).items()
        )
    if task == "rl_cart_pole":
        return "; ".join(
            f"{name}: mean return {sum(seed['mean'] for seed in seeds) / len(seeds):.1f}"
            for name, seeds in results.get("sets", {}).items()
        )
    return f"{len(results.get('rows', []))} rows, below"


def lines(folder: pathlib.Path, driver: str, codes: Mapping[str, int]) -> Iterable[str]:
    """The lines of the table, in Markdown.

    Args:
        folder: the work directory of each task is in it, under its name.
        driver: the version of the GPU's driver, or nothing.
        codes: the exit code of each task.
    """
    records = {}
    for task in codes:
        path = folder / task / "results.json"
        if path.exists():
            records[task] = json.loads(path.read_text(encoding="utf-8"))
    for record in list(records.values())[:1]:
        versions = ", ".join(f"{name} {version}" for name, version in sorted(record["versions"].items()))
        yield f"{record['device']}{f', driver {driver}' if driver else ''}; {versions}; matrix products in precision"
        yield f"`{record['matmul_precision']}`."
        yield ""
    yield "| task | device | seconds | result |"
    yield "|---|---|---|---|"
    for task, code in codes.items():
        record = records.get(task)
        if code in _TIMED_OUT:
            yield f"| `{task}` | | | stopped: time limit exceeded |"
        elif code != 0 or record is None:
            yield f"| `{task}` | | | failed with exit code {code} |"
        else:
            found = outcome(task, record["results"])
            yield f"| `{task}` | {record['device']} | {record['wall_seconds']:.1f} | {found} |"
    rows = records.get("benchmark", {}).get("results", {}).get("rows", [])
    if rows:
        yield ""
        yield "| benchmark | framework | device | size | median us |"
        yield "|---|---|---|---|---|"
    for row in rows:
        median = f"{1e6 * row['median_seconds']:,.1f}"
        yield f"| {row['name']} | {row['framework']} | {row['device']} | {row['size']} | {median} |"


def main(arguments: list[str]) -> None:
    """Prints the table; exits with 1 if a task left no results."""
    if arguments in (["--lacks=cpu"], ["--lacks=gpu"]):
        print(", ".join(lacks(arguments[0].removeprefix("--lacks="))))
        return
    folder, driver, *pairs = arguments
    codes = {task: int(code) for task, code in (pair.split("=") for pair in pairs)}
    for line in lines(pathlib.Path(folder), driver, codes):
        print(line)
    if not all((pathlib.Path(folder) / task / "results.json").exists() for task in codes):
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
