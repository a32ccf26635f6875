"""Configs of `//tasks:benchmark`, a comparison of devices and frameworks.

    bazel run //tasks:benchmark
        SELU over 1,000,000 floats in JAX and PyTorch, and the project's own hot paths; minutes on two cores.
    bazel run //tasks:benchmark -- --config=configs/benchmark.py:smoke --workdir=artifacts/benchmark_smoke
        Takes seconds: tests that it runs; sizes are small, and torch.compile, which takes many seconds, is left out.

Results depend on the machine; `docs/tasks/benchmark.md` has those of several.
"""

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
    return ConfigDict(
        {
            # Cores to use, and threads of both frameworks; 0 for all cores.
            "threads": 0,
            # Repeats that a median is taken over: at least 6 here, at least 30 with --repeats.
            "repeats": 30,
            # A repeat lasts at least min_repeat_seconds, for the clock's sake; all repeats of a row about
            # max_row_seconds, as far as one call a repeat allows. A note says which rows made fewer calls for it.
            "min_repeat_seconds": 5e-3,
            "max_row_seconds": 120.0,
            "selu": {
                "size": 1_000_000,
                # Spread over the repeats: 30 x 334.
                "applications": 10_000,
                "loop_steps": 1000,
            },
            # What stands for a device's peaks: the rows and columns of the square matrices whose product is taken, and
            # the floats that are copied, 0 for as many as SELU gets. A GPU's caches hold tens of megabytes, and it
            # takes large products to occupy it.
            "peaks": {
                "cpu": {"matmul_size": 1024, "copy_size": 0},
                "gpu": {"matmul_size": 8192, "copy_size": 2**26},
            },
            "torch_compile": True,
            # Whether to compare the results with the targets, which are for these sizes.
            "show_targets": True,
            # Kernels so small that the cost of an update is mostly its dispatch.
            "updates": {
                "batch_size": 4,
                "chunk_steps": 200,
                "num_layers": 1,
                "num_states": 16,
                "num_keys": 16,
                "width": 8,
                "hidden": 16,
                "num_heads": 1,
            },
            "kmeans": {"num_points": 20_000, "num_features": 64, "num_clusters": 64},
        }
    )


def _smoke() -> ConfigDict:
    config = _default()
    config.min_repeat_seconds = 1e-4
    config.max_row_seconds = 1.0
    config.selu.size = 1000
    config.selu.applications = 60
    config.selu.loop_steps = 10
    for sizes in config.peaks.values():
        sizes.matmul_size = 64
        sizes.copy_size = 0
    config.torch_compile = False
    config.show_targets = False
    config.updates.chunk_steps = 5
    config.kmeans.num_points = 200
    config.kmeans.num_features = 4
    config.kmeans.num_clusters = 4
    return config
