"""A pytest plugin that gives JAX four devices: name it in the `plugins` of a test that needs several."""

import jax
import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Splits the CPU into four virtual devices, before anything is computed."""
    del config
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_num_cpu_devices", 4)
