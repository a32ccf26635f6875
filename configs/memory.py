"""Configs of `//tasks:memory`, what each part of the memory is worth.

    bazel run //tasks:memory
        Every experiment over ten seeds.
    bazel run //tasks:memory -- --config=configs/memory.py:smoke --workdir=artifacts/memory_smoke
        Seconds: does it run at all; its figures are not worth much.

`docs/tasks/memory.md` says what each experiment is, and has the results.
"""

from typing import Any

from ml_collections import ConfigDict

_VARIANTS = ("default", "smoke")


def get_config(variant: str = "default") -> ConfigDict:
    """The config of a variant.

    Args:
        variant: `default` or `smoke`.

    Raises:
        ValueError: for any other.
    """
    if variant == "default":
        return ConfigDict({"experiments": ("crossroads",), "num_seeds": 10, "crossroads": _crossroads()})
    if variant == "smoke":
        small = {"num_ways": 300, "density_steps": 20, "strides": (4,), "num_updates": 5, "num_pairs": 16}
        return ConfigDict({"experiments": ("crossroads",), "num_seeds": 1, "crossroads": _crossroads(**small)})
    raise ValueError(f"there is no variant {variant!r} of this config; there are {', '.join(_VARIANTS)}")


def _crossroads(**overrides: Any) -> dict[str, Any]:
    """Doors between rooms as pivots."""
    return {
        # Cells along a room's side.
        "smallest": 4,
        "largest": 6,
        "num_ways": 5000,
        # Of the paths that pass a state, the share on which it must be a pivot to be found.
        "pivot_share": 0.8,
        "num_positions": 2**14,
        "density_steps": 1000,
        "density_batch_size": 512,
        "num_scales": 3,
        "min_separation": 2,
        "hysteresis": 0.2,
        "strides": (2, 4, 8),
        "num_updates": 200,
        "batch_size": 2048,
        "num_pairs": 256,
    } | overrides
