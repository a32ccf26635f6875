"""A pytest plugin that makes JAX strict: name it in a test's `plugins`.

Arrays of different rank do not broadcast silently, a random key is used once, and warnings are errors.

Tests share what they compile where `SHARED_PROGRAMS` is there and may be written, which a Bazel sandbox allows with
--sandbox_writable_path alone. A program is found by all that decides it and checked against its sum, so a test sees the
same programs with it and without.
"""

import contextlib
import os
import pathlib
from collections.abc import Iterator

import jax
import pytest

from humain.training import compilation_cache

SHARED_PROGRAMS = pathlib.Path("/var/tmp/humain-test-programs")
"""A fixed place, so that it is no part of what a test's result is cached under."""

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
    if os.access(SHARED_PROGRAMS, os.W_OK):
        shared = contextlib.ExitStack()
        shared.enter_context(compilation_cache.used(SHARED_PROGRAMS, "tests"))
        config.add_cleanup(shared.close)


@pytest.fixture(scope="module")
def kept_programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps what a module's tests compile for the next of them, where it is not shared among all tests already.

    For tests that run the same task again and again: each run traces its programs anew.
    """
    if jax.config.values["jax_compilation_cache_dir"]:
        yield
        return
    with compilation_cache.used(tmp_path_factory.mktemp("programs"), "tests"):
        yield
