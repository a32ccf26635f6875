"""Runs pytest the way Bazel's test protocol asks: report, filter, sharding, and no silent empty run."""

from __future__ import annotations

import os
import pathlib
import sys

import pytest


class _Shard:
    """Keeps this shard's part of the tests, and remembers how many there were before filters and shards."""

    def __init__(self) -> None:
        self.num_collected = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Takes every n-th test, in the order of collection."""
        self.num_collected = len(items)
        num_shards = int(os.environ.get("TEST_TOTAL_SHARDS", "1"))
        if num_shards > 1:
            items[:] = items[int(os.environ["TEST_SHARD_INDEX"]) :: num_shards]


def options() -> list[str]:
    """pytest's options for what the test protocol asks through the environment."""
    chosen = ["--import-mode=importlib", "--strict-markers", "-ra", "--rootdir=.", "-p", "no:cacheprovider"]
    if report := os.environ.get("XML_OUTPUT_FILE"):
        chosen.append(f"--junitxml={report}")
    if folder := os.environ.get("TEST_TMPDIR"):
        chosen.append(f"--basetemp={os.path.join(folder, 'pytest')}")
    if os.environ.get("TESTBRIDGE_TEST_RUNNER_FAIL_FAST") == "1":
        chosen.append("-x")
    if expression := os.environ.get("TESTBRIDGE_TEST_ONLY"):  # --test_filter
        chosen += ["-k", expression]
    return chosen


def main(arguments: list[str]) -> int:
    """Runs the test modules in `arguments`; returns pytest's exit status."""
    if shard_status := os.environ.get("TEST_SHARD_STATUS_FILE"):  # Tells Bazel that this runner supports sharding.
        pathlib.Path(shard_status).touch()
    if folder := os.environ.get("TEST_TMPDIR"):  # A writable home for libraries that keep caches there.
        os.environ.setdefault("HOME", folder)
    shard = _Shard()
    status = pytest.main(options() + arguments, plugins=[shard])
    if status == pytest.ExitCode.NO_TESTS_COLLECTED and shard.num_collected:
        print("the filter or the shard leaves no test of this target")
        return 0
    return int(status)  # A target without any test fails, with NO_TESTS_COLLECTED, 5.


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
