"""tools/gpu_check on machines with and without a GPU, Bazel and packages; stand-ins for the tasks write results."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from tools import gpu_table

_TASK = """
import json, pathlib, sys
name = {name!r}
words = dict(word.split("=", 1) for word in sys.argv[1:])
workdir = pathlib.Path(words["--workdir"])
workdir.mkdir(parents=True)
print("words", sorted(words), flush=True)
{before}
record = {{"task": name, "device": words["--device"] + " device", "matmul_precision": "highest", "wall_seconds": 1.25,
           "versions": {{"python": "3.11.9", "jax": "1.2.3"}}, "results": {results!r}}}
(workdir / "results.json").write_text(json.dumps(record))
"""
_RESULTS = {
    "benchmark": {
        "rows": [{"name": "selu", "framework": "jax", "device": "gpu", "size": 1000, "median_seconds": 0.00123456}]
    },
    "simple": {"sets": {"skip": {"think": {"optimal": 0.5}}, "table": {"think": {"optimal": 1.0}}}},
    "rl_cart_pole": {"sets": {"curriculum": [{"mean": 400.0}, {"mean": 500.0}]}},
}
_BAZELW = """#!/bin/sh
echo "bazelw $*" >> calls
case $1 in
  build) {build} ;;
  run) shift; case $1 in --config=*) shift ;; esac; task=${{1#//tasks:}}; shift 2; exec {python} -m tasks.$task "$@" ;;
esac
"""


class Machine:
    """A workspace with the script and stand-ins for tasks, Bazel and packages."""

    def __init__(self, root: pathlib.Path) -> None:
        self.root = root / "workspace"
        self.packages = root / "packages"
        (self.root / "tools").mkdir(parents=True)
        (self.root / "tasks").mkdir()
        self.packages.mkdir()
        for name in ("gpu_check", "gpu_table.py"):
            shutil.copy(pathlib.Path("tools", name), self.root / "tools")
        for name in _RESULTS:
            self.set_task(name)

    def set_task(self, name: str, before: str = "") -> None:
        """Makes a task, which does `before` before it writes its results."""
        text = _TASK.format(name=name, before=before, results=_RESULTS[name])
        (self.root / "tasks" / f"{name}.py").write_text(text)

    def install(self, *names: str) -> None:
        """Makes packages importable."""
        for name in names:
            (self.packages / name.replace(".", "/")).mkdir(parents=True, exist_ok=True)

    def set_bazel(self, build: str = "exit 0") -> None:
        """Makes a Bazel that runs the tasks."""
        bazelw = self.root / "tools" / "bazelw"
        bazelw.write_text(_BAZELW.format(build=build, python=sys.executable))
        bazelw.chmod(0o755)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs the script."""
        return subprocess.run(
            [str(self.root / "tools" / "gpu_check"), f"--output={self.root}/out", *arguments],
            cwd=self.root,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(self.packages), "BAZEL": "no-such-bazel", **environment},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(name="machine")
def _machine(tmp_path):
    """A machine with all packages."""
    machine = Machine(tmp_path)
    machine.install(*gpu_table._PACKAGES)
    return machine


def test_all_tasks_run_and_make_a_table(machine):
    done = machine.run("--device=cpu", "--config=:smoke", HUMAIN_PYTHON=sys.executable)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "cpu device; jax 1.2.3, python 3.11.9; matrix products in precision",
        "`highest`.",
        "",
        "| task | device | seconds | result |",
        "|---|---|---|---|",
        "| `benchmark` | cpu device | 1.2 | 1 rows, below |",
        "| `simple` | cpu device | 1.2 | skip: 50.0% optimal; table: 100.0% optimal |",
        "| `rl_cart_pole` | cpu device | 1.2 | curriculum: mean return 450.0 |",
        "",
        "| benchmark | framework | device | size | median us |",
        "|---|---|---|---|---|",
        "| selu | jax | gpu | 1000 | 1,234.6 |",
    ]
    assert (machine.root / "out" / "table.md").read_text() == done.stdout
    assert "words ['--config', '--device', '--workdir']" in (machine.root / "out" / "simple.log").read_text()


def test_what_fails_or_takes_too_long_is_said_and_the_others_go_on(machine):
    machine.set_task("benchmark", before="sys.exit('no such thing')")
    machine.set_task("simple", before="sys.exit(124)")  # what `timeout` gives
    done = machine.run("--device=cpu", HUMAIN_PYTHON=sys.executable)
    assert done.returncode == 1
    assert "gpu_check: benchmark: exit code 1: no such thing" in done.stderr
    assert "| `benchmark` | | | failed with exit code 1 |" in done.stdout
    assert "| `simple` | | | stopped: time limit exceeded |" in done.stdout
    assert "| `rl_cart_pole` | cpu device | 1.2 | curriculum: mean return 450.0 |" in done.stdout


def test_the_times_add_up_to_less_than_eight_minutes(machine):
    machine.install("jax_cuda13_plugin")
    done = machine.run("--dry-run", HUMAIN_PYTHON=sys.executable)
    limits = [int(line.split()[1]) for line in done.stdout.splitlines()]
    # Each at most its share of what the ones before have left: 440 / 3, 440 / 2 and 440 where these take no time.
    assert [limit in range(expected - 8, expected + 1) for limit, expected in zip(limits, [146, 220, 440], strict=True)]
    assert max(limits) + 3 * 10 < 480  # and ten more seconds each, to be killed
    assert not (machine.root / "out").exists()


@pytest.mark.skipif(any(map(os.path.exists, ("/dev/nvidiactl", "/dev/dxg"))), reason="there is a GPU")
def test_without_a_gpu_one_line_says_so(machine):
    done = machine.run(HUMAIN_PYTHON=sys.executable)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("gpu_check: no GPU here: ") and done.stderr.count("\n") == 1


def test_what_a_python_lacks_is_said(machine):
    shutil.rmtree(machine.packages / "orbax")
    shutil.rmtree(machine.packages / "flax")
    python = str(shutil.which("python3"))
    done = machine.run("--device=cpu", HUMAIN_PYTHON=python)
    assert done.returncode == 1
    lacks, remedy = done.stderr.splitlines()
    assert lacks.startswith(f"gpu_check: {python} lacks ") and "flax" in lacks and "orbax.checkpoint" in lacks
    assert "install requirements_cuda_lock.txt" in remedy
    assert "all: it does not start" in machine.run("--device=cpu", HUMAIN_PYTHON="/bin/false").stderr


def test_on_a_gpu_a_python_needs_cuda_s_wheels(machine):
    done = machine.run("--dry-run", HUMAIN_PYTHON=sys.executable)
    assert done.returncode == 1
    assert done.stderr.startswith(f"gpu_check: {sys.executable} lacks jax_cuda13_plugin or jax_cuda12_plugin\n")
    assert machine.run("--dry-run", "--device=cpu", HUMAIN_PYTHON=sys.executable).returncode == 0
    machine.install("jax_cuda12_plugin")
    assert machine.run("--dry-run", HUMAIN_PYTHON=sys.executable).returncode == 0


def test_bazel_is_taken_where_it_is(machine):
    machine.set_bazel()
    done = machine.run("--device=cpu", "--config=:smoke", "--tasks=simple rl_cart_pole", BAZEL="sh")
    assert done.returncode == 0, done.stderr
    assert "| `simple` | cpu device |" in done.stdout
    out = machine.root / "out"
    assert (machine.root / "calls").read_text().splitlines() == [
        "bazelw build //tasks:simple //tasks:rl_cart_pole",
        *(
            f"bazelw run //tasks:{name} -- --device=cpu --config=:smoke --workdir={out}/{name}"
            for name in ("simple", "rl_cart_pole")
        ),
    ]
    dry = machine.run("--dry-run", "--tasks=simple", f"--output={out}2", BAZEL="sh").stdout
    assert " tools/bazelw run --config=cuda //tasks:simple -- --device=gpu --workdir=" in dry


def test_where_bazel_can_not_build_a_python_is_taken(machine):
    machine.set_bazel("exit 1")
    (machine.root / ".venv" / "bin").mkdir(parents=True)
    (machine.root / ".venv" / "bin" / "python").symlink_to(sys.executable)
    done = machine.run("--device=cpu", "--tasks=simple", BAZEL="sh")
    assert "Bazel could not build them in that time: taking a Python of this machine" in done.stderr
    assert done.returncode == 0, done.stderr
    assert "| `simple` | cpu device |" in done.stdout


def test_a_build_that_does_not_heed_the_end_of_its_time_is_killed(machine):
    # A `timeout` that shows its words and runs the rest.
    shims = machine.root / "shims"
    shims.mkdir()
    (shims / "timeout").write_text('#!/bin/sh\necho "timeout $1 $2" >> calls\nshift 2\nexec "$@"\n')
    (shims / "timeout").chmod(0o755)
    machine.set_bazel()
    done = machine.run("--device=cpu", "--tasks=simple", BAZEL="sh", PATH=f"{shims}:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    calls = (machine.root / "calls").read_text().splitlines()
    assert calls[:2] == ["timeout --kill-after=10 150", "bazelw build //tasks:simple"]


def test_results_of_an_earlier_check_are_not_taken_for_new_ones(machine):
    (machine.root / "out" / "simple").mkdir(parents=True)
    done = machine.run("--device=cpu", HUMAIN_PYTHON=sys.executable)
    assert done.returncode == 1
    assert f"{machine.root}/out/simple is of an earlier check: remove {machine.root}/out" in done.stderr


def test_help_is_the_top_of_the_script(machine):
    done = machine.run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Runs the benchmark, the graph planner and the cart pole")
    assert "--dry-run" in done.stdout and "set -u" not in done.stdout
    assert not (machine.root / "out").exists()


def test_an_unknown_argument_is_refused(machine):
    done = machine.run("--devices=gpu")
    assert (done.returncode, done.stdout) == (2, "")
    assert "unknown argument '--devices=gpu'" in done.stderr


def test_the_driver_is_in_the_table(tmp_path):
    (tmp_path / "simple").mkdir()
    record = {
        "device": "H100 x 1",
        "matmul_precision": "highest",
        "wall_seconds": 2.0,
        "versions": {"jax": "1"},
        "results": {},
    }
    (tmp_path / "simple" / "results.json").write_text(json.dumps(record))
    first, *_ = gpu_table.lines(tmp_path, "580.1", {"simple": 0})
    assert first == "H100 x 1, driver 580.1; jax 1; matrix products in precision"
