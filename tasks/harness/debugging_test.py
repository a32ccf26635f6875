"""A debugger attaches to a task that waits for it, and each configuration of .vscode/launch.json does what it says.

The editor's part is that of `debug_client`; the adapter and the debugger are debugpy's own.
"""

import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from humain import errors
from tasks.harness import debug_client, debugging, toy_task, workdir

_NAMES = ["jax-cpu", "jax-cpu clear", "jax-gpu", "torch-cpu", "torch-gpu"]
_BAZEL_NAMES = [f"{name} (Bazel)" for name in _NAMES if name != "torch-gpu"]
_CONFIG = '''
import ml_collections


def get_config():
    """Gives the config."""
    return ml_collections.ConfigDict({"num_steps": 1})
'''


def _read(name: str) -> Any:
    return json.loads(pathlib.Path(".vscode", name).read_text())


def _configurations() -> dict[str, dict[str, Any]]:
    return {configuration["name"]: configuration for configuration in _read("launch.json")["configurations"]}


def _line(path: pathlib.Path, text: str) -> int:
    """The number of the one line that begins with this."""
    (number,) = (
        number for number, line in enumerate(path.read_text().splitlines(), 1) if line.strip().startswith(text)
    )
    return number


def _environment(workspace: pathlib.Path, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "BUILD_WORKSPACE_DIRECTORY": str(workspace),
        "BUILD_WORKING_DIRECTORY": str(workspace),
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path if path),
        **more,
    }


@pytest.fixture(name="workspace")
def _workspace(tmp_path: pathlib.Path) -> pathlib.Path:
    """A workspace with the toy's config."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "toy.py").write_text(_CONFIG)
    return tmp_path


@pytest.fixture(name="port")
def _port() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def _start(workspace: pathlib.Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tasks.harness.toy_task", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(workspace, **environment),
    )


def test_a_task_waits_and_stops_at_a_breakpoint(workspace: pathlib.Path, port: str) -> None:
    process = _start(workspace, "--clear", f"--workdir={workspace / 'w'}", HUMAIN_DEBUG_PORT=port)
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == f"toy: waiting for a debugger on port {port}\n"
        client = debug_client.connect(int(port))
        path = pathlib.Path(workdir.__file__).absolute()
        configuration = _configurations()["jax-cpu clear (Bazel)"]
        stopped = client.start("attach", configuration, (path, _line(path, "return _clear(")))
        assert stopped["reason"] == "breakpoint"
        assert client.local_variables(stopped["threadId"])["task"] == "'toy'"
        client.ask("continue", {"threadId": stopped["threadId"]})
        client.event("terminated")
        client.ask("disconnect", {})  # the adapter, which has the program's output too, goes
        output, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, error) == (0, "")
    assert output == f"nothing to clear: {workspace / 'w'} does not exist\n"


@contextlib.contextmanager
def _adapter(workspace: pathlib.Path) -> Iterator[debug_client.DebugClient]:
    """debugpy's adapter, as the editor starts it for a launch."""
    process = subprocess.Popen(
        [sys.executable, "-m", "debugpy.adapter"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=_environment(workspace),
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        client = debug_client.DebugClient(process.stdout, process.stdin)  # type: ignore[arg-type]
        yield client
        with contextlib.suppress(EOFError, RuntimeError):
            client.ask("disconnect", {"terminateDebuggee": True})
    finally:
        process.kill()
        process.communicate()


def _launch(name: str, workspace: pathlib.Path) -> dict[str, Any]:
    """A launch configuration as the editor passes it on, with the toy as the open file."""
    text = json.dumps(_configurations()[name])
    text = text.replace("${fileBasenameNoExtension}", "harness.toy_task").replace("${workspaceFolder}", os.getcwd())
    assert "${" not in text
    configuration = json.loads(text)
    # Here is no terminal to show it in, and the interpreter is the one that a user has picked.
    configuration |= {"console": "internalConsole", "python": sys.executable}
    configuration["args"] = [*configuration["args"], f"--workdir={workspace / 'w'}"]
    return configuration


@pytest.mark.parametrize("name", ["jax-cpu", "jax-cpu clear", "torch-cpu"])
def test_a_configuration_starts_the_open_task_and_stops_at_a_breakpoint(name: str, workspace: pathlib.Path) -> None:
    place = (toy_task, "task.checkpoint_seconds = ")
    if name == "jax-cpu clear":
        place = (workdir, "return _clear(")
    module, text = place
    path = pathlib.Path(module.__file__ or "").absolute()
    with _adapter(workspace) as client:
        stopped = client.start("launch", _launch(name, workspace), (path, _line(path, text)))
        assert stopped["reason"] == "breakpoint"
        assert "toy" in client.local_variables(stopped["threadId"])["task"]


def test_the_gpu_is_asked_for(workspace: pathlib.Path) -> None:
    # Hidden, so that it is missed on a machine with one too; CUDA's own libraries may log of that before.
    process = _start(workspace, *_launch("jax-gpu", workspace)["args"], CUDA_VISIBLE_DEVICES="")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert error.splitlines()[-1].startswith("toy: --device=gpu: ")
    assert _configurations()["torch-gpu"]["args"] == _configurations()["jax-gpu"]["args"]


def test_the_configurations_have_the_names_that_are_documented() -> None:
    configurations = _configurations()
    assert list(configurations) == [*_NAMES, *_BAZEL_NAMES]
    assert all(configurations[name]["type"] == "debugpy" for name in configurations)
    page = pathlib.Path("docs", "running.md").read_text()
    assert all(f"`{name}`" in page for name in _NAMES)


@pytest.mark.parametrize("name", _BAZEL_NAMES)
def test_what_bazel_builds_is_started_by_a_task_that_waits_on_the_port(name: str, port: str) -> None:
    configuration = _configurations()[name]
    (task,) = (task for task in _read("tasks.json")["tasks"] if task["label"] == configuration["preLaunchTask"])
    assert task["command"] == "${workspaceFolder}/run_manual.sh"
    kind, *flags = name.removesuffix(" (Bazel)").split()
    assert task["args"] == [kind, "${file}", *(f"--{flag}" for flag in flags)]
    assert task["options"]["env"] == {debugging.PORT_VARIABLE: str(configuration["connect"]["port"])}
    ends = task["problemMatcher"]["background"]["endsPattern"]
    # The line of the test above, and what says that there will be none.
    for line in ("toy: waiting for a debugger on port 5678", "ERROR: no such target", "run_manual.sh: no task"):
        assert re.search(ends, line)
    assert not re.search(ends, "INFO: Build completed successfully, 12 total actions")


def test_other_tasks_of_the_editor_call_what_is_there() -> None:
    commands = {task["label"]: [task["command"], *task["args"]] for task in _read("tasks.json")["tasks"]}
    assert commands["build"] == ["${workspaceFolder}/tools/bazelw", "build", "//tasks:${fileBasenameNoExtension}"]
    assert commands["test"] == ["${workspaceFolder}/tools/bazelw", "test", "//..."]
    assert set(commands) == {"build", "test", *_BAZEL_NAMES}


def test_without_a_port_nothing_is_waited_for(capfd: pytest.CaptureFixture[str]) -> None:
    debugging.wait("toy", {})
    debugging.wait("toy", {"HUMAIN_DEBUG_PORT": ""})
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("port", ["x", "0", "65536", "-1"])
def test_what_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(errors.UserError, match=f"HUMAIN_DEBUG_PORT={port} is not a port; give a number"):
        debugging.wait("toy", {"HUMAIN_DEBUG_PORT": port})


def test_without_debugpy_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "debugpy", None)
    with pytest.raises(errors.UserError, match="there is no debugpy; build with --config=debug"):
        debugging.wait("toy", {"HUMAIN_DEBUG_PORT": "5678"})


def test_a_port_that_is_taken_is_refused(workspace: pathlib.Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        process = _start(workspace, "--clear", f"--workdir={workspace / 'w'}", HUMAIN_DEBUG_PORT=port)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"toy: no debugger can attach on port {port} (" in error and "set another HUMAIN_DEBUG_PORT" in error
