"""A pytest plugin that gives JAX four devices: name it in the `plugins` of a test of training on several."""

import jax
import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Makes four virtual devices of the CPU, before anything is computed."""
    del config
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", 4)
