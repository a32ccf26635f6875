"""run_manual.sh in a copy of the workspace, with a stand-in for tools/bazelw that tells what it was called with."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from tools.lint import sources
from tools.without_bazel import needs

_BAZELW = '#!/bin/sh\nprintf "bazelw in %s:" "$(pwd)"\nprintf " [%s]" "$@"\nexit 7\n'
_PYTHON = (
    '#!/bin/sh\ncase "$*" in *cuda.is_available*) exit {} ;; esac\n'
    'printf "python in %s:" "$(pwd)"\nprintf " [%s]" "$@"\nexit 5\n'
)


@pytest.fixture(name="workspace")
def _workspace(tmp_path):
    """A workspace in a folder with a space in its name."""
    root, real = tmp_path / "work space", sources.workspace()
    (root / "tools").mkdir(parents=True)
    shutil.copy("run_manual.sh", root)
    (root / "tasks").mkdir()
    for path in (real / "tasks").glob("*.py"):
        (root / "tasks" / path.name).touch()
    build = (real / "tasks" / "BUILD.bazel").read_text()
    if '    name = "benchmark",' not in build:
        build += '\npy_binary(\n    name = "benchmark",\n)\n'
    (root / "tasks" / "BUILD.bazel").write_text(build)
    (root / "tasks" / "benchmark.py").touch()
    (root / "tools" / "bazelw").write_text(_BAZELW)
    (root / "tools" / "bazelw").chmod(0o755)
    return root


def _run(workspace, *arguments, cwd=None, **environment):
    return subprocess.run(
        [str(workspace / "run_manual.sh"), *arguments],
        cwd=cwd or workspace,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def _called(done):
    """The words that bazelw was called with."""
    assert done.returncode == 7, done.stderr
    assert done.stderr == ""
    return re.findall(r"\[([^]]*)\]", done.stdout)


@pytest.mark.parametrize(
    ("configuration", "task", "expected"),
    [
        ("jax-cpu", "tasks/simple.py", ["run", "//tasks:simple", "--"]),
        ("jax-gpu", "tasks/rl_cart_pole.py", ["run", "--config=cuda", "//tasks:rl_cart_pole", "--", "--device=gpu"]),
        ("torch-cpu", "tasks/lm_data_prepare.py", ["run", "//tasks:lm_data_prepare", "--"]),
        ("torch-cpu", "tasks/benchmark.py", ["run", "//tasks:benchmark", "--", "--framework=torch", "--device=cpu"]),
        ("jax-cpu", "tasks/benchmark.py", ["run", "//tasks:benchmark", "--", "--framework=jax", "--device=cpu"]),
        (
            "jax-gpu",
            "tasks/benchmark.py",
            ["run", "--config=cuda", "//tasks:benchmark", "--", "--device=gpu", "--framework=jax"],
        ),
    ],
)
def test_a_configuration_is_a_target_with_flags(workspace, configuration, task, expected):
    assert _called(_run(workspace, configuration, task)) == expected
    flags = ["--config=:smoke", "--workdir=a b", "*", ""]
    assert _called(_run(workspace, configuration, task, *flags)) == [*expected, *flags]


@pytest.mark.parametrize(
    "path",
    ["tasks/simple.py", "./tasks/simple.py", "tasks\\simple.py", ".\\tasks\\simple.py", "tasks/../tasks/simple.py"],
)
def test_a_path_may_be_written_in_any_way(workspace, path):
    assert _called(_run(workspace, "jax-cpu", path))[1] == "//tasks:simple"


def test_a_path_is_relative_to_the_user_or_the_workspace_or_absolute(workspace, tmp_path):
    assert _called(_run(workspace, "jax-cpu", "simple.py", cwd=workspace / "tasks"))[1] == "//tasks:simple"
    assert _called(_run(workspace, "jax-cpu", "..\\tasks\\simple.py", cwd=workspace / "tools"))[1] == "//tasks:simple"
    assert _called(_run(workspace, "jax-cpu", "tasks/simple.py", cwd=tmp_path))[1] == "//tasks:simple"
    assert (
        _called(_run(workspace, "jax-cpu", str(workspace / "tasks" / "simple.py"), cwd=tmp_path))[1] == "//tasks:simple"
    )


def test_a_path_with_a_drive_is_asked_of_the_windows_shell(workspace, tmp_path):
    program = tmp_path / "bin" / "cygpath"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\n[ "$*" = "-u C:/work/tasks/simple.py" ] && echo "{workspace}/tasks/simple.py"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    assert _called(_run(workspace, "jax-cpu", "C:\\work\\tasks\\simple.py", PATH=path))[1] == "//tasks:simple"
    assert _run(workspace, "jax-cpu", "C:\\work\\tasks\\other.py", PATH=path).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no configuration"),
        (["jax"], "there is no configuration 'jax'"),
        (["tasks/simple.py", "jax-cpu"], "there is no configuration 'tasks/simple.py'"),
        (["jax-cpu"], "no task; there are: tasks/"),
        (["jax-cpu", "tasks/simpel.py"], "tasks/simpel.py is not a task; there are: tasks/"),
        (["jax-cpu", "tasks/simple_test.py"], "tasks/simple_test.py is not a task; there are: tasks/"),
        (["jax-cpu", "tasks"], "tasks is not a task; there are: tasks/"),
        (["jax-cpu", "run_manual.sh"], "run_manual.sh is not a task; there are: tasks/"),
        (["torch-cpu", "tasks/simple.py"], "//tasks:simple does not use PyTorch: take jax-cpu"),
        (
            ["torch-gpu", "tasks/lm_data_prepare.py"],
            "computes nothing with PyTorch on a GPU: take jax-gpu, or torch-cpu",
        ),
    ],
)
def test_a_wrong_call_is_explained(workspace, arguments, message):
    done = _run(workspace, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    explanation, usage = done.stderr.splitlines()
    assert explanation.startswith("run_manual.sh: ") and message in explanation
    assert (
        usage == "run_manual.sh: usage: ./run_manual.sh {jax-cpu|jax-gpu|torch-cpu|torch-gpu} {path/to/task.py} [flags]"
    )


def test_the_tasks_are_listed_by_their_files(workspace):
    listed = _run(workspace, "jax-cpu", "x.py").stderr.splitlines()[0].split("there are: ")[1].split()
    assert "tasks/simple.py" in listed and "tasks/lm_guide_train.py" in listed
    assert all((workspace / path).is_file() for path in listed)
    assert not any("_lib" in path or "_test" in path for path in listed)


def test_help_is_the_text_at_the_top(workspace):
    done = _run(workspace, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Runs a task from its file: ./run_manual.sh {jax-cpu|jax-gpu|torch-cpu|torch-gpu} ")
    assert "HUMAIN_DEBUG_PORT" in done.stdout and "set -u" not in done.stdout


def test_a_debugger_is_built_in_where_one_is_to_be_waited_for(workspace):
    assert _called(_run(workspace, "jax-gpu", "tasks/simple.py", HUMAIN_DEBUG_PORT="5678")) == [
        *["run", "--config=debug", "--config=cuda", "//tasks:simple", "--", "--device=gpu"]
    ]


def test_torch_on_a_gpu_takes_a_python_that_has_it(workspace, tmp_path):
    python = tmp_path / "python3"
    python.write_text(_PYTHON.format(0))
    python.chmod(0o755)
    done = _run(workspace, "torch-gpu", "tasks/benchmark.py", "--seed=1", cwd=tmp_path, HUMAIN_PYTHON=str(python))
    assert done.returncode == 5
    assert done.stdout == f"python in {workspace}: [-m] [tasks.benchmark] [--framework=torch] [--device=gpu] [--seed=1]"
    python.write_text(_PYTHON.format(1))
    done = _run(workspace, "torch-gpu", "tasks/benchmark.py", HUMAIN_PYTHON=str(python))
    assert (done.returncode, done.stdout) == (1, "")
    assert "the lock's torch is the CPU build" in done.stderr and done.stderr.count("\n") == 1


def test_the_tasks_with_torch_are_those_that_import_it():
    root = sources.workspace()
    script = pathlib.Path("run_manual.sh").read_text()
    listed = {name for names in re.findall(r'^TORCH\w*="(.*)"$', script, re.MULTILINE) for name in names.split()}
    programs = re.findall(r'py_binary\(\n    name = "(\w+)"', (root / "tasks" / "BUILD.bazel").read_text())
    assert len(programs) > 5
    importing = {name for name in programs if "torch" in needs.outside_modules(root, [f"tasks.{name}"])}
    assert importing <= listed <= importing | {"benchmark"}
