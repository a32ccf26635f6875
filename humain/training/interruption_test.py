"""Tests of interruption; what ends a process is tested in a process of its own."""

import itertools
import os
import pathlib
import select
import signal
import subprocess
import sys
import time
import types

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
        with pytest.raises(interruption.Interrupted) as caught:
            asked.check()
    assert (caught.value.signal_number, caught.value.exit_code) == (number, code)
    assert capfd.readouterr().err == "interrupted: saving ... (a second signal exits at once)\n"


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


def test_two_signals_close_together_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, looks = [0.0], itertools.count()
    last_look = [0]
    said: list[str] = []
    left: list[int] = []

    def monotonic() -> float:
        last_look[0] = next(looks)
        return clock[0]

    monkeypatch.setattr(interruption, "time", types.SimpleNamespace(monotonic=monotonic))
    monkeypatch.setattr(interruption, "_say", said.append)
    monkeypatch.setattr(interruption.Interruption, "_leave", lambda self, number, line: left.append(number))
    with interruption.Interruption(grace_seconds=60) as asked:

        def send(number: int) -> None:
            """Sends a signal and waits until the watcher is through with it."""
            os.kill(os.getpid(), number)
            _wait(lambda: not select.select([asked._read_end], [], [], 0)[0])
            before = last_look[0]
            _wait(lambda: last_look[0] >= before + 2)

        send(signal.SIGINT)
        clock[0] = 0.9
        send(signal.SIGINT)  # as from a shell and from `timeout`: the same request
        assert left == []
        clock[0] = 1.1
        send(signal.SIGINT)
        assert left == [signal.SIGINT]
    assert said == ["interrupted: saving ... (a second signal exits at once)"]


# Ends up in one long C call that lets go of the interpreter lock, as the compiler does: Python has no chance to run a
# signal handler in it.
_PROGRAM = """
import hashlib, os, pathlib, signal, sys, time
from humain.training import interruption
interruption._REPEAT_SECONDS = 0.0
grace, mode = float(sys.argv[2]), sys.argv[3]
note = lambda: pathlib.Path(sys.argv[1]).write_text("called")
with interruption.Interruption(grace_seconds=grace, before_forced_exit=note) as asked:
    if mode == "hold":
        with asked.hold():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5 * grace)
            print("saved", flush=True)
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)
"""


def _start(tmp_path: pathlib.Path, grace: float, mode: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(tmp_path / "note"), str(grace), mode],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )


def _ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def test_a_main_thread_that_does_not_come_is_left_behind(tmp_path: pathlib.Path) -> None:
    process = _start(tmp_path, 0.5, "busy")
    _ready(process)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 143
    assert (tmp_path / "note").read_text() == "called"
    assert "exiting with what was saved" in stderr


def test_a_second_signal_leaves_at_once(tmp_path: pathlib.Path) -> None:
    process = _start(tmp_path, 3600, "busy")
    _ready(process)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert process.stderr.readline() == "interrupted: saving ... (a second signal exits at once)\n"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted again" in stderr


def test_a_save_is_not_cut_short(tmp_path: pathlib.Path) -> None:
    process = _start(tmp_path, 0.2, "hold")
    stdout, _ = process.communicate(timeout=60)
    assert stdout.startswith("saved\n")
    assert process.returncode == 143


def test_the_defaults() -> None:
    assert interruption.Interruption.__init__.__kwdefaults__ == {
        "grace_seconds": 4.0,
        "before_forced_exit": None,
        "processes": None,
    }
    # A second request counts as one of its own a second after the first.
    assert interruption._REPEAT_SECONDS == 1


def test_any_positive_grace_time_will_do() -> None:
    interruption.Interruption(grace_seconds=0.01)
    with pytest.raises(ValueError, match="grace_seconds is -0.5"):
        interruption.Interruption(grace_seconds=-0.5)


def test_holds_add_up_and_end() -> None:
    asked = interruption.Interruption()
    with asked.hold():
        with asked.hold():
            assert asked._holds == 2
        assert asked._holds == 1
    assert asked._holds == 0


def test_the_first_signal_is_the_one_that_counts() -> None:
    asked = interruption.Interruption()
    asked._handle(signal.SIGTERM, None)
    asked._handle(signal.SIGINT, None)
    assert asked.requested == signal.SIGTERM
