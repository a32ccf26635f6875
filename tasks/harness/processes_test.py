"""Tests of runs in several processes: they are started here, on loopback, and some are killed or interrupted.

Two processes end where one does: the loss of the toy's regression falls below 1e-3, and the parameters are equal to
1e-5, for gradients are added up in another order.
"""

import contextlib
import json
import pathlib
import re
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import pytest

from humain import errors
from humain.training import metrics
from humain.training.processes import Processes
from tasks.harness import flags, processes, toy_process

_CONFIG = '''
import ml_collections


def get_config():
    """Gives the config; every chunk is saved."""
    return ml_collections.ConfigDict(
        {
            "mesh": {"data": 0},
            "num_steps": 120,
            "chunk_steps": 10,
            "learning_rate": 0.05,
            "batch_size": 32,
            "checkpoint_seconds": 0.0,
        }
    )
'''
_SECONDS = 300
"""For any process to end, on a machine however busy."""
_LOST = (
    "toy: another process was lost, and its output may say why; ",
    "toy: this process or another one was lost, and the output of each may say why; ",
)
"""What the last line says where a computation failed, and where JAX's client called abort(), whichever was first."""
_GOES_ON = "and the same command goes on from there, on any number of devices and processes"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A workspace with the toy's config."""
    root = tmp_path_factory.mktemp("workspace")
    (root / "configs").mkdir()
    (root / "configs" / "toy.py").write_text(_CONFIG)
    return root


def _start(
    workspace: pathlib.Path, words: Sequence[str], *, before: str = "", num_devices: int = 1
) -> subprocess.Popen[str]:
    """Starts the toy in a process of its own, after running the statements `before` there."""
    flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={num_devices}"}
    return toy_process.start(workspace, words, before=before, environment=flags)


def _run(workspace: pathlib.Path, words: Sequence[str], **settings: Any) -> str:
    """Runs the toy alone to its end, and gives what it printed on stderr."""
    process = _start(workspace, words, **settings)
    _, error = process.communicate(timeout=_SECONDS)
    assert process.returncode == 0, error
    return error


def _run_pair(
    workspace: pathlib.Path, words: Sequence[str], *, before: Sequence[str] = ("", "")
) -> list[tuple[int, str, str]]:
    """Runs the toy in two processes, and gives exit code, stdout and stderr of each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    pair = [
        _start(
            workspace,
            [*words, f"--coordinator={coordinator}", "--num_processes=2", f"--process_id={number}"],
            before=statements,
        )
        for number, statements in enumerate(before)
    ]
    try:
        outputs = [process.communicate(timeout=_SECONDS) for process in pair]
    finally:
        for process in pair:
            process.kill()
    return [(process.returncode, *output) for process, output in zip(pair, outputs, strict=True)]


def _after_chunk(name: str, step: int, number: signal.Signals) -> str:
    """Statements by which a process sends itself a signal when a learner's metrics up to a step have been read."""
    return f"""
from humain.training import loop
read = loop._Loop._read
def read_and_act(self, unread):
    read(self, unread)
    if unread is not None and (self._name, unread[0]) == ({name!r}, {step}):
        os.kill(os.getpid(), {int(number)})
loop._Loop._read = read_and_act
"""


def _record(workdir: pathlib.Path) -> dict[str, Any]:
    return json.loads((workdir / "results.json").read_text())


def _assert_same_outcome(found: pathlib.Path, expected: pathlib.Path) -> None:
    """Compares what does not depend on interruptions, times and devices."""
    one, other = _record(found)["results"], _record(expected)["results"]
    assert one.keys() == other.keys() == {"first", "second"}
    for name in one:
        for part in ("weights", "bias"):
            np.testing.assert_allclose(one[name][part], other[name][part], rtol=0, atol=1e-5)
    lines, others = (metrics.read_metrics(workdir / "metrics.jsonl") for workdir in (found, expected))
    assert [(line["name"], line["step"]) for line in lines] == [(line["name"], line["step"]) for line in others]
    np.testing.assert_allclose([line["loss"] for line in lines], [line["loss"] for line in others], atol=1e-5)


def _saved(workdir: pathlib.Path, name: str) -> list[int]:
    return sorted(int(path.name) for path in (workdir / "checkpoints" / name).iterdir() if path.name.isdigit())


def _assert_lost(error: str, saved: str) -> None:
    """Checks that the last line is one of those by which a process tells that another is lost."""
    assert error.splitlines()[-1] in [f"{lost}{saved}, {_GOES_ON}" for lost in _LOST], error


@pytest.fixture(scope="module")
def alone(workspace: pathlib.Path) -> pathlib.Path:
    """The work directory of a run in one process on one device, which nothing disturbed."""
    workdir = workspace / "alone"
    _run(workspace, [f"--workdir={workdir}"])
    # (3, -2) and 1 are the optimum; 0 is where they began.
    np.testing.assert_allclose(_record(workdir)["results"]["first"]["weights"], [3, -2], atol=0.05)
    return workdir


def test_a_signal_to_one_process_stops_both_and_both_go_on(
    workspace: pathlib.Path, tmp_path: pathlib.Path, alone: pathlib.Path
) -> None:
    words = [f"--workdir={tmp_path / 'w'}"]
    (code, _, error), (other_code, _, other_error) = _run_pair(
        workspace, words, before=["", _after_chunk("first", 30, signal.SIGTERM)]
    )
    assert (code, other_code) == (143, 143), error + other_error
    last_line = "toy: interrupted; all is saved, the same command goes on from there\n"
    assert error.endswith(last_line)
    assert other_error.endswith(last_line)
    # The first process had no signal, and saved where the second one's stopped both.
    assert "interrupted: saving" not in error
    assert _saved(tmp_path / "w", "first")[-1] < 120

    (code, output, error), (other_code, other_output, other_error) = _run_pair(workspace, words)
    assert (code, other_code) == (0, 0), error + other_error
    assert "(resumed)" in error
    assert f"toy: done, results are in {tmp_path / 'w'}\n" in output
    # One of them speaks for both; the other passes on but what the computation itself prints.
    assert "toy:" not in other_output
    assert "first:" not in other_error
    _assert_same_outcome(tmp_path / "w", alone)

    # A finished run has nothing left to do, in however many processes.
    before = (tmp_path / "w" / "results.json").read_bytes()
    (code, output, error), (other_code, _, other_error) = _run_pair(workspace, words)
    assert (code, other_code) == (0, 0), error + other_error
    assert "toy: finished already" in output
    assert (tmp_path / "w" / "results.json").read_bytes() == before


def test_a_lost_process_ends_the_other_and_the_run_goes_on_anywhere(
    workspace: pathlib.Path, tmp_path: pathlib.Path, alone: pathlib.Path
) -> None:
    words = [f"--workdir={tmp_path / 'w'}"]
    (code, _, error), (lost_code, _, _) = _run_pair(
        workspace, words, before=["", _after_chunk("first", 30, signal.SIGKILL)]
    )
    assert (code, lost_code) == (1, -signal.SIGKILL), error
    _assert_lost(error, f"step {_saved(tmp_path / 'w', 'first')[-1]} of first is saved")

    # Where the process is lost that the others meet at, it is no different.
    (lost_code, _, _), (code, _, error) = _run_pair(
        workspace, words, before=[_after_chunk("first", 60, signal.SIGKILL), ""]
    )
    assert (lost_code, code) == (-signal.SIGKILL, 1), error
    last = _saved(tmp_path / "w", "first")[-1]
    _assert_lost(error, f"step {last} of first is saved")

    error = _run(workspace, [*words, "--config.mesh.data=4"], num_devices=4)
    assert f"first: step {last} of 120 (resumed)" in error
    assert _record(tmp_path / "w")["config"]["mesh"] == {"data": 4}
    _assert_same_outcome(tmp_path / "w", alone)


def test_a_process_lost_while_devices_start_is_not_blamed_on_devices(
    workspace: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    dies = """
from tasks.harness import devices
devices.start = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""
    (lost_code, _, _), (code, _, error) = _run_pair(workspace, [f"--workdir={tmp_path / 'w'}"], before=[dies, ""])
    assert (lost_code, code) == (-signal.SIGKILL, 1), error
    _assert_lost(error, "nothing was saved yet")


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        (
            "UNAVAILABLE: reset by peer; remote target coordination_service",
            f"\nUNAVAILABLE: reset by peer; remote target coordination_service\n{_LOST[0]}nothing was saved yet, "
            f"{_GOES_ON}\n",
        ),
        ("no such device", "toy: JAX can't start its devices: no such device; or pass --device=cpu\n"),
        # Who calls abort() can't be told.
        ("", f"\n{_LOST[1]}nothing was saved yet, {_GOES_ON}\n"),
    ],
)
def test_an_error_of_devices_is_told_by_its_cause(
    workspace: pathlib.Path, tmp_path: pathlib.Path, text: str, ends: str
) -> None:
    fails = f"""
import jax
def fail():
    if not {text!r}:
        os.abort()
    raise RuntimeError({text!r})
jax.default_backend = fail
"""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        group = [f"--coordinator=127.0.0.1:{free.getsockname()[1]}", "--num_processes=2", f"--workdir={tmp_path / 'w'}"]
    pair = [
        _start(workspace, [*group, f"--process_id={number}"], before=statements)
        for number, statements in enumerate(["", fails])
    ]
    try:
        _, error = pair[1].communicate(timeout=_SECONDS)
    finally:
        for process in pair:
            process.kill()
            process.communicate()
    assert pair[1].returncode == 1
    assert f"\n{error}".endswith(ends)


def test_ctrl_c_ends_a_process_that_waits_for_others(workspace: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = free.getsockname()
    coordinator = f"127.0.0.1:{address[1]}"
    process = _start(
        workspace,
        [f"--coordinator={coordinator}", "--num_processes=3", "--process_id=0", f"--workdir={tmp_path / 'w'}"],
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == f"toy: waiting for 2 other processes at {coordinator}\n"
        # It waits in C++ when its own service listens.
        while True:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(address):
                break
            time.sleep(0.1)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGINT
    assert not error


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "10.0.0.1"])
def test_a_port_that_is_taken_is_refused(host: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax.distributed, "initialize", lambda *_, **__: pytest.fail("the port was not looked at"))
    family = socket.AF_INET6 if host == "[::1]" else socket.AF_INET
    with socket.socket(family) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("::1" if host == "[::1]" else "127.0.0.1", 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
        taken.listen()
        coordinator = f"{host}:{taken.getsockname()[1]}"
        message = f"--coordinator={coordinator} can't be listened on (Address already in use); is another port free?"
        group = processes.Group(coordinator, Processes(0, 2))
        with (
            pytest.raises(errors.UserError, match=re.escape(message)),
            processes.joined(group, task="toy", workdir=tmp_path),
        ):
            pass


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            RuntimeError("Gloo AllReduce failed:\n  Connection closed by peer"),
            "Gloo AllReduce failed: Connection closed",
        ),
        (ValueError("UNKNOWN: NCCL operation failed"), "UNKNOWN: NCCL operation failed"),
        (RuntimeError("UNAVAILABLE: /tensorflow.CoordinationService/GetKeyValue"), "UNAVAILABLE: /tensorflow.Coord"),
        (RuntimeError("the coordination service said so"), "the coordination service said so"),
        (
            _caused(errors.UserError("JAX can't start its devices"), RuntimeError("UNAVAILABLE: coordination_service")),
            "UNAVAILABLE: coordination_service",
        ),
        (RuntimeError("gloo" + 1000 * "."), "gloo" + 196 * "."),
        (RuntimeError("RESOURCE_EXHAUSTED: out of memory"), None),
        (errors.UserError("/home/nccl/data.csv can't be read"), None),
        (_caused(errors.UserError("nccl.csv can't be read"), FileNotFoundError(2, "No such file", "nccl.csv")), None),
        (_caused(errors.UserError("a bad gloo"), ValueError("a bad gloo")), None),
        (FileNotFoundError(2, "No such file", "gloo/data.csv"), None),
    ],
)
def test_only_errors_of_computations_tell_of_lost_processes(error: Exception, told: str | None) -> None:
    found = processes.unreachable(error)
    if told is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith(told)
        assert len(found) <= 200
        assert "\n" not in found


def test_processes_of_different_runs_do_not_train_together(workspace: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        group = [f"--coordinator=127.0.0.1:{free.getsockname()[1]}", "--num_processes=2", f"--workdir={tmp_path / 'w'}"]
    pair = [_start(workspace, [*group, f"--process_id={number}", f"--seed={number}"]) for number in range(2)]
    last_lines = [process.communicate(timeout=_SECONDS)[1].splitlines()[-1] for process in pair]
    assert [process.returncode for process in pair] == [1, 1]
    # Whichever process is the first to leave is lost to the other, which may be quicker to say so.
    different = "toy: the 2 processes have different configs, seeds, flags or inputs; start all of them with the same"
    assert any(line.startswith(different) for line in last_lines)
    assert all(line.startswith((different, *_LOST)) for line in last_lines)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--coordinator=h:1"],
            "--coordinator, --num_processes and --process_id go together; --num_processes is missing",
        ),
        (["--process_id=0", "--num_processes=2"], "go together; --coordinator is missing"),
        (["--coordinator=h", "--num_processes=2", "--process_id=0"], "--coordinator=h: expected HOST:PORT, such as"),
        (
            ["--coordinator=h:0", "--num_processes=2", "--process_id=0"],
            "--coordinator=h:0: expected HOST:PORT, such as",
        ),
        (["--coordinator=h:1", "--num_processes=2", "--process_id=2"], "--process_id=2: 2 processes have ids 0 to 1"),
        (["--coordinator=h:1", "--num_processes=0", "--process_id=0"], "num_processes"),
        (["--coordinator=h:1", "--num_processes=two", "--process_id=0"], "num_processes"),
    ],
)
def test_flags_that_make_no_sense_are_refused(
    workspace: pathlib.Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(workspace))
    with pytest.raises(errors.UsageError) as refused:
        flags.parse(words, task="toy")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_task_that_does_not_train_has_one_process(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "toy.py").write_text(_CONFIG.replace('"mesh": {"data": 0},', ""))
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(tmp_path))
    with pytest.raises(errors.UsageError, match="does not train, so it needs only one process; leave out"):
        flags.parse(["--coordinator=h:1", "--num_processes=2", "--process_id=0"], task="toy")
