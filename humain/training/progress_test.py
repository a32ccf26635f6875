"""Tests of progress."""

import io

import pytest

from humain.training import progress


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_are_rare_and_tell_the_time_left() -> None:
    now = 0.0
    stream = io.StringIO()
    lines = progress.LineProgress(stream, seconds=10, clock=lambda: now)
    lines.start("skip", 100, 400)
    for step in range(110, 401, 10):  # 10 steps a second: the lines come at 10 s, 20 s and the end
        now += 1.0
        lines.update(step, {"loss": 0.123456})
    lines.close()
    assert stream.getvalue().splitlines() == [
        "skip: step 100 of 400 (resumed)",
        "skip: step 200 of 400, 10 steps/s, 20 s left, loss 0.1235",
        "skip: step 300 of 400, 10 steps/s, 10 s left, loss 0.1235",
        "skip: step 400 of 400, loss 0.1235",
    ]


def test_a_terminal_gets_a_bar() -> None:
    stream = _Terminal()
    bar = progress.make_progress(stream)
    assert isinstance(bar, progress.BarProgress)
    bar.start("skip", 0, 4)
    bar.update(2, {"loss": 0.5})
    bar.note("compiled")
    bar.update(4, {"loss": 0.25})
    bar.close()
    last = stream.getvalue().rstrip().split("\r")[-1]
    assert "skip: 100%" in last
    assert "4/4" in last
    assert "loss 0.25" in last
    assert "compiled\n" in stream.getvalue()
    # What is printed next begins on a line of its own.
    assert stream.getvalue().endswith("\n")


@pytest.mark.parametrize("make", [lambda: progress.LineProgress(io.StringIO()), progress.NoProgress])
def test_progress_can_be_closed_twice(make) -> None:
    silent: progress.Progress = make()
    silent.start("x", 0, 1)
    silent.note("y")
    silent.update(1, {})
    silent.close()
    silent.close()


def test_anything_else_gets_lines() -> None:
    assert isinstance(progress.make_progress(io.StringIO()), progress.LineProgress)


def test_a_line_comes_every_ten_seconds() -> None:
    now = 0.0
    stream = io.StringIO()
    lines = progress.LineProgress(stream, clock=lambda: now)
    lines.start("skip", 0, 100)
    for now in (9.0, 10.0, 19.0, 20.0):
        lines.update(int(now), {})
    assert stream.getvalue().splitlines() == [
        "skip: step 0 of 100",
        "skip: step 10 of 100, 1 steps/s, 90 s left",
        "skip: step 20 of 100, 1 steps/s, 80 s left",
    ]


def test_without_time_or_steps_there_is_no_rate() -> None:
    stream = io.StringIO()
    lines = progress.LineProgress(stream, seconds=0.0, clock=lambda: 5.0)
    lines.start("skip", 1, 3)
    lines.update(1, {})
    lines.update(3, {})
    assert stream.getvalue().splitlines() == [
        "skip: step 1 of 3 (resumed)",
        "skip: step 1 of 3",
        "skip: step 3 of 3",
    ]


def test_a_bar_that_was_never_started_takes_everything() -> None:
    bar = progress.BarProgress(io.StringIO())
    bar.update(3, {})
    bar.close()


def test_a_bar_goes_on_where_it_was(capsys) -> None:
    bar = progress.BarProgress(_Terminal())
    bar.start("skip", 30, 40)
    assert bar._bar is not None
    assert (bar._bar.n, bar._bar.total) == (30, 40)
    bar.update(35, {})
    bar.update(37, {})
    assert bar._bar.n == 37
    bar.start("next", 0, 2)
    assert (bar._bar.n, bar._bar.total) == (0, 2)
    bar.close()
