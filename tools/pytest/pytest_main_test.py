"""The test protocol of Bazel, as `pytest_test` keeps it: each promise shown on a run of its own."""

import os
import pathlib
import subprocess
import sys

import pytest

_MAIN = pathlib.Path("tools/pytest/pytest_main.py").absolute()
_THREE = "def test_a():\n    pass\n\n\ndef test_b():\n    pass\n\n\ndef test_c():\n    pass\n"


@pytest.fixture(name="run")
def _run(tmp_path):
    """Runs the main module on the text of a test file, in the environment that the test protocol sets."""

    def run(text, *arguments, **env):
        (tmp_path / "some_test.py").write_text(text)
        (tmp_path / "some_plugin.py").write_text("def pytest_report_header():\n    return 'the plugin is here'\n")
        protocol = ("TEST_", "TESTBRIDGE_", "XML_OUTPUT_FILE")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(protocol)}
        path = os.pathsep.join([*(entry for entry in sys.path if entry), str(tmp_path)])
        return subprocess.run(
            [sys.executable, str(_MAIN), *arguments, "some_test.py"],
            cwd=tmp_path,
            env={**inherited, "PYTHONPATH": path, **env},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_passing(run):
    assert run(_THREE).returncode == 0


def test_failing(run):
    assert run("def test_a():\n    assert False\n").returncode == 1


def test_a_module_that_cannot_be_imported_fails(run):
    assert run("import no_such_module\n").returncode == 2


def test_a_target_without_tests_fails(run):
    assert run('"""Nothing."""\n').returncode == 5


def test_an_unknown_marker_fails(run):
    assert run("import pytest\n\n\n@pytest.mark.slwo\ndef test_a():\n    pass\n").returncode != 0


def test_the_report_is_written(run, tmp_path):
    report = tmp_path / "test.xml"
    run(_THREE, XML_OUTPUT_FILE=str(report))
    assert 'tests="3"' in report.read_text()


def test_the_filter_is_an_expression(run):
    done = run(_THREE, TESTBRIDGE_TEST_ONLY="test_a or test_c")
    assert done.returncode == 0 and "2 passed, 1 deselected" in done.stdout


def test_a_filter_that_leaves_nothing_says_so(run):
    done = run(_THREE, TESTBRIDGE_TEST_ONLY="test_z")
    assert done.returncode == 0 and "the filter or the shard leaves no test" in done.stdout


def test_shards_split_the_tests(run, tmp_path):
    counts = []
    for index in range(4):
        status = tmp_path / f"shard{index}"
        done = run(
            _THREE,
            TEST_TOTAL_SHARDS="4",
            TEST_SHARD_INDEX=str(index),
            TEST_SHARD_STATUS_FILE=str(status),
        )
        assert done.returncode == 0 and status.exists()
        counts.append("1 passed" in done.stdout)
    assert counts == [True, True, True, False]


def test_fail_fast_stops_at_the_first_failure(run):
    done = run("def test_a():\n    assert False\n\n\ndef test_b():\n    pass\n", TESTBRIDGE_TEST_RUNNER_FAIL_FAST="1")
    assert "1 failed" in done.stdout and "passed" not in done.stdout


def test_plugins_are_loaded_by_name(run):
    assert "the plugin is here" in run(_THREE, "-p", "some_plugin").stdout


def test_jax_is_told_to_stay_on_the_cpu_unless_it_is_built_for_cuda():
    built_for = pathlib.Path("tools/accelerator/selected.txt").read_text().strip()
    assert os.environ.get("JAX_PLATFORMS") == {"cpu": "cpu", "cuda": None}[built_for]
