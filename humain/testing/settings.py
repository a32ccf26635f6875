"""A pytest plugin that makes JAX strict: name it in a test's `plugins`.

Arrays of different rank do not broadcast silently, a random key is used once, and warnings are errors.

Tests share compiled programs if the folder `SHARED_PROGRAMS` exists and is writable, which in a Bazel sandbox needs
--sandbox_writable_path. A program is found by everything it depends on, and its checksum is verified, so a test runs
the same programs with the folder and without.
"""

import contextlib
import os
import pathlib
from collections.abc import Iterator

import jax
import pytest

from humain.training import compilation_cache

SHARED_PROGRAMS = pathlib.Path("/var/tmp/humain-test-programs")
"""A fixed path, so that it does not become part of the key of a cached test result."""

pytest.register_assert_rewrite(
    "humain.testing.abstraction_conformance",
    "humain.testing.kernel_conformance",
    "humain.testing.memory_conformance",
)


def pytest_configure(config: pytest.Config) -> None:
    """Configures JAX and pytest before any test module is imported."""
    jax.config.update("jax_numpy_rank_promotion", "raise")
    jax.config.update("jax_debug_key_reuse", True)
    # Outside of Bazel too, a test neither reads nor writes the user's cache.
    os.environ.setdefault("HUMAIN_COMPILATION_CACHE", "")
    config.addinivalue_line("filterwarnings", "error")
    if os.access(SHARED_PROGRAMS, os.W_OK):
        shared = contextlib.ExitStack()
        shared.enter_context(compilation_cache.used(SHARED_PROGRAMS, "tests"))
        config.add_cleanup(shared.close)


@pytest.fixture(scope="module")
def kept_programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps compiled programs between the tests of a module, unless all tests share them already.

    Use it for tests that run the same task several times, since each run traces its programs anew.
    """
    if jax.config.values["jax_compilation_cache_dir"]:
        yield
        return
    with compilation_cache.used(tmp_path_factory.mktemp("programs"), "tests"):
        yield
