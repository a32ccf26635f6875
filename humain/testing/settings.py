"""A pytest plugin that makes JAX strict: name it in a test's `plugins`.

Arrays of different rank do not broadcast silently, a random key is used once, and warnings are errors.
"""

import os

import jax
import pytest

pytest.register_assert_rewrite(
    "humain.testing.abstraction_conformance",
    "humain.testing.kernel_conformance",
    "humain.testing.memory_conformance",
)


def pytest_configure(config: pytest.Config) -> None:
    """Sets JAX and pytest up, before any test module is imported."""
    jax.config.update("jax_numpy_rank_promotion", "raise")
    jax.config.update("jax_debug_key_reuse", True)
    # Outside of Bazel too, a test leaves the user's cache alone, and takes nothing from it.
    os.environ.setdefault("HUMAIN_COMPILATION_CACHE", "")
    config.addinivalue_line("filterwarnings", "error")
