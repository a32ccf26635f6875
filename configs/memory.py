"""Configs of `//tasks:memory`, the effect of each part of the memory.

    bazel run //tasks:memory
        Every experiment over ten seeds, over two minutes on two cores. With the part on 0.997 to 1.000 of the
        optimum (largest spread over seeds 0.005), with it off 0.12 to 0.60. Recall is as good as the nearest pattern,
        and a learned density as good as exact counts.
    bazel run //tasks:memory -- --config=configs/memory.py:smoke --workdir=artifacts/memory_smoke
        Takes seconds: tests that it runs; its figures mean little.

`docs/tasks/memory.md` says what each experiment is, and has the results.
"""

from typing import Any

from ml_collections import ConfigDict

_VARIANTS = ("default", "smoke")


def get_config(variant: str = "default") -> ConfigDict:
    """Returns the config of a variant.

    Args:
        variant: `default` or `smoke`.

    Raises:
        ValueError: if there is no such variant.
    """
    if variant == "default":
        return _default()
    if variant == "smoke":
        return _smoke()
    raise ValueError(f"there is no variant {variant!r} of this config; there are {', '.join(_VARIANTS)}")


def _default() -> ConfigDict:
    experiments = {
        "order": _order(),
        "long_order": _long_order(),
        "aliased": _aliased(),
        "grid": _grid(),
        "loops": _loops(),
        "crossroads": _crossroads(),
        "recall": _recall(),
        "windows": _windows(),
    }
    return ConfigDict({"experiments": tuple(experiments), "num_seeds": 10, **experiments})


def _smoke() -> ConfigDict:
    config = _default()
    config.num_seeds = 1
    config.order.update({"num_walks": 50, "num_updates": 5, "num_episodes": 4})
    config.long_order.update(
        {"num_walks": 20, "trained_length": 16, "tested_length": 32, "num_updates": 5, "num_episodes": 2}
    )
    config.grid.update({"size": 4, "num_walks": 10, "num_updates": 5, "num_episodes": 4})
    config.aliased.update({"num_forks": 2, "budget": _budget(50, 8, 5, 64, 10), "context_lengths": (1,)})
    config.loops.update({"num_places": 3, "budget": _budget(50, 12, 5, 64, 18), "context_lengths": (1,)})
    config.crossroads.update({"num_ways": 300, "density_steps": 20, "strides": (4,), "num_updates": 5, "num_pairs": 16})
    config.recall.update({"num_bits": 40, "loads": (0.1, 0.3), "longer_loads": (1.0,), "num_sweeps": 3})
    config.windows.update({"num_walks": 50, "num_updates": 5, "batch_size": 64})
    return config


def _order() -> dict[str, Any]:
    """The gate that opens if B was visited after A."""
    return {
        "num_walks": 2000,
        # States in the longest way, and in the context.
        "walk_length": 8,
        "num_updates": 400,
        "batch_size": 64,
        "num_episodes": 50,
        "max_steps": 8,
        # The longest period of the sinusoids.
        "longest_period": 100.0,
    }


def _long_order() -> dict[str, Any]:
    """The same, tested on longer ways than those in training."""
    return {
        "num_walks": 1000,
        "trained_length": 32,
        "tested_length": 256,
        # States that attention sees, including the present one.
        "window": 32,
        "longest_period": 30.0,
        "num_updates": 300,
        "batch_size": 64,
        "num_episodes": 20,
        "max_steps": 8,
    }


def _grid() -> dict[str, Any]:
    """From cell to cell, for pairs that were never seen."""
    return {
        "size": 12,
        "num_walks": 100,
        # Wavelengths per coordinate.
        "num_scales": 2,
        "num_updates": 600,
        "batch_size": 64,
        "num_episodes": 200,
    }


def _aliased() -> dict[str, Any]:
    """The maze of rooms that look the same."""
    return {
        "num_forks": 5,
        "num_looks": 2,
        "tagging": _tagging(),
        # Visit counts that the layer distinguishes.
        "num_visits": 6,
        "budget": _budget(3000, 16, 150, 4096, 40),
        # Context lengths of the layers without tags; the best of these layers counts.
        "context_lengths": (1, 2, 3, 4, 5, 6),
    }


def _loops() -> dict[str, Any]:
    """The doors on a ring that open after some rounds."""
    return {
        "num_places": 12,
        "tagging": _tagging(),
        "num_visits": 4,
        "budget": _budget(6000, 64, 300, 4096, 144),
        "context_lengths": (1, 2, 3, 4, 5),
    }


def _recall() -> dict[str, Any]:
    """The recall of random patterns from noisy cues."""
    return {
        "num_bits": 200,
        # As shares of a pattern's bits.
        "flipped": 0.1,
        "tolerated": 0.05,
        # Patterns stored, as multiples of the number of bits.
        "loads": (0.03, 0.06, 0.09, 0.12, 0.138, 0.15, 0.18, 0.21, 0.25, 0.3),
        # Only for the hippocampus.
        "longer_loads": (0.5, 1.0, 1.5),
        "num_sweeps": 8,
        # How many nearest neighbours are asked.
        "neighbors": (1, 3),
        "recall": {"num_recalled": 1, "sharpness": 1.0},
    }


def _windows() -> dict[str, Any]:
    """The windows that show the way to doors passed later."""
    return {
        "num_goals": 3,
        "hall_length": 2,
        "recall": {"num_recalled": 1, "sharpness": 4.0},
        "num_walks": 1000,
        "num_updates": 100,
        "batch_size": 2048,
    }


def _tagging() -> dict[str, Any]:
    """States farther apart than the threshold are distinguished; `capacity` of them are remembered."""
    return {"capacity": 16, "threshold": 0.5, "eviction": "last_met"}


def _budget(num_walks: int, num_steps: int, num_updates: int, batch_size: int, max_steps: int) -> dict[str, int]:
    """The walks and their length, the updates and their batch size, and the step limit of a test."""
    return {
        "num_walks": num_walks,
        "num_steps": num_steps,
        "num_updates": num_updates,
        "batch_size": batch_size,
        "max_steps": max_steps,
    }


def _crossroads() -> dict[str, Any]:
    """The doors between rooms as pivots."""
    return {
        # Cells along a room's side.
        "smallest": 4,
        "largest": 6,
        "num_ways": 5000,
        # A state counts as found if it is a pivot on at least this share of the paths that pass it.
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
    }
