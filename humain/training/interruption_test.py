"""Tests of interruption; what ends a process is tested in a process of its own."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from humain.training import interruption


def _wait(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "nothing happened in 20 s"
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_asks_to_stop(number: int, code: int, capfd: pytest.CaptureFixture[str]) -> None:
    with interruption.Interruption() as asked:
        assert asked.requested is None
        asked.check()
        os.kill(os.getpid(), number)
        _wait(lambda: asked.requested is not None)
        with pytest.raises(interruption.Interrupted) as caught:
            asked.check()
        time.sleep(0.1)
    assert (caught.value.signal_number, caught.value.exit_code) == (number, code)
    assert capfd.readouterr().err == "interrupted: saving ... (a second signal leaves at once)\n"


def test_a_broad_handler_does_not_swallow_it() -> None:
    assert not issubclass(interruption.Interrupted, Exception)


def test_what_was_there_before_is_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with interruption.Interruption():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
    assert signal.set_wakeup_fd(-1) == -1


def test_a_grace_time_must_be_positive() -> None:
    with pytest.raises(ValueError, match="grace_seconds is 0"):
        interruption.Interruption(grace_seconds=0)


# Reports readiness, then sits in one long C call that lets go of the interpreter lock, as the compiler does: Python has
# no chance to run a signal handler in it.
_PROGRAM = """
import hashlib, pathlib, sys, time
from humain.training import interruption
note = lambda: pathlib.Path(sys.argv[1]).write_text("called")
with interruption.Interruption(grace_seconds=float(sys.argv[2]), before_forced_exit=note) as asked:
    print("ready", flush=True)
    if sys.argv[3] == "hold":
        with asked.hold():
            time.sleep(2.0)
            print("saved", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)
"""


def _start(tmp_path: pathlib.Path, grace: float, mode: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(tmp_path / "note"), str(grace), mode],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_main_thread_that_does_not_come_is_left_behind(tmp_path: pathlib.Path) -> None:
    process = _start(tmp_path, 0.5, "busy")
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 143
    assert (tmp_path / "note").read_text() == "called"
    assert "leaving with what was saved" in stderr


def test_a_second_signal_leaves_at_once_but_a_doubled_one_does_not(tmp_path: pathlib.Path) -> None:
    process = _start(tmp_path, 60, "busy")
    process.send_signal(signal.SIGINT)
    time.sleep(0.1)  # without it the kernel may make one signal of both
    process.send_signal(signal.SIGINT)  # as from a shell and from `timeout`: the same request
    time.sleep(1.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted again" in stderr


def test_a_save_is_not_cut_short(tmp_path: pathlib.Path) -> None:
    process = _start(tmp_path, 0.2, "hold")
    process.send_signal(signal.SIGTERM)
    stdout, _ = process.communicate(timeout=20)
    assert stdout == "saved\n"
    assert process.returncode == 143
