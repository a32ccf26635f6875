"""Every goal is written once, in whatever order threads come to it, and nothing that was written is lost."""

import dataclasses
import threading
import time

import pytest

from humain import errors
from humain.language.writers.ledger import Ledger
from humain.language.writers.writing import write_all

_GOALS = ("a", "b", "a", "c", "b", "a")


@dataclasses.dataclass
class _Writer:
    """Writes the goal in capitals, and notes what it was asked for; goals in `fails` are an error."""

    fails: tuple[str, ...] = ()
    asked: list[str] = dataclasses.field(default_factory=list)
    name: str = "fake:capitals"

    @property
    def settings(self):
        return {"writer": self.name}

    def write(self, goal):
        self.asked.append(goal)
        if goal in self.fails:
            raise errors.UserError(f"no text for {goal}")
        return goal.upper()


@pytest.fixture(name="ledger")
def _ledger(tmp_path):
    with Ledger.opened(tmp_path / "ledger.jsonl") as ledger:
        yield ledger


@pytest.mark.parametrize("num_threads", [1, 3])
def test_each_goal_is_written_once_and_told(ledger, num_threads):
    writer = _Writer()
    told: list[int] = []
    assert write_all(writer, _GOALS, ledger, num_threads=num_threads, report=told.append) == list("ABACBA")
    assert sorted(writer.asked) == ["a", "b", "c"]
    # a stands for three goals, b for two, c for one.
    assert sorted(after - before for before, after in zip(told, told[1:], strict=False)) == [1, 2, 3]
    assert told[0] == 0 and told[-1] == 6


@pytest.mark.parametrize("num_threads", [1, 3])
@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_blank_text_is_refused_and_not_kept(ledger, num_threads, blank):
    class Dumb(_Writer):
        def write(self, goal):
            return blank if goal == "b" else super().write(goal)

    with pytest.raises(errors.UserError, match="^fake:capitals wrote nothing for the goal 'b'; reword it"):
        write_all(Dumb(), _GOALS, ledger, num_threads=num_threads)
    assert ledger.find(_Writer(), "b") is None
    # One that was kept is asked for again.
    ledger.add(_Writer(), "b", blank)
    assert write_all(_Writer(), _GOALS, ledger, num_threads=num_threads) == list("ABACBA")


@pytest.mark.parametrize("num_threads", [1, 3])
def test_what_is_there_is_not_asked_for(ledger, num_threads):
    write_all(_Writer(), ["a", "c"], ledger)
    writer = _Writer()
    told: list[int] = []
    assert write_all(writer, _GOALS, ledger, num_threads=num_threads, report=told.append) == list("ABACBA")
    assert writer.asked == ["b"]
    assert told == [4, 6]


def test_in_one_thread_goals_come_in_order(ledger):
    writer = _Writer()
    told: list[int] = []
    write_all(writer, _GOALS, ledger, report=told.append)
    assert writer.asked == ["a", "b", "c"]
    assert told == [0, 3, 5, 6]


@pytest.mark.parametrize("num_threads", [1, 3])
def test_after_an_error_the_rest_is_asked_for(ledger, num_threads):
    with pytest.raises(errors.UserError, match="no text for b"):
        write_all(_Writer(fails=("b",)), _GOALS, ledger, num_threads=num_threads)
    writer = _Writer()
    kept = {goal for goal in "abc" if ledger.find(writer, goal) is not None}
    assert write_all(writer, _GOALS, ledger, num_threads=num_threads) == list("ABACBA")
    assert set(writer.asked) == set("abc") - kept


def test_what_others_are_writing_when_one_fails_is_kept_and_nothing_is_begun(ledger):
    failed, both = threading.Event(), threading.Barrier(2)

    class Slow(_Writer):
        def write(self, goal):
            if goal in "ab":
                both.wait(10)
            if goal == "a":
                failed.set()
                raise errors.UserError("no text for a")
            if goal == "b":
                failed.wait(10)
            time.sleep(0.02)  # the error arrives long before all the others are through
            return super().write(goal)

    writer = Slow()
    goals = ["a", "b", *map(str, range(50))]
    with pytest.raises(errors.UserError, match="no text for a"):
        write_all(writer, goals, ledger, num_threads=2)
    assert ledger.find(writer, "b") == "B"
    kept = [goal for goal in goals if ledger.find(writer, goal) is not None]
    assert sorted(kept) == sorted(writer.asked)
    assert "49" not in kept


@pytest.mark.parametrize("num_threads", [1, 3])
def test_whoever_is_told_may_end_it(ledger, num_threads):
    class Stop(BaseException):
        pass

    def stop(num_done):
        if num_done >= 3:
            raise Stop

    writer = _Writer()
    with pytest.raises(Stop):
        write_all(writer, _GOALS, ledger, num_threads=num_threads, report=stop)
    assert all(ledger.find(writer, goal) == goal.upper() for goal in writer.asked)


def test_no_goals_need_no_text(ledger):
    assert write_all(_Writer(), [], ledger) == []
    assert write_all(_Writer(), [], ledger, num_threads=2) == []


def test_some_thread_must_write(ledger):
    with pytest.raises(ValueError, match="num_threads is 0; it must be at least 1"):
        write_all(_Writer(), _GOALS, ledger, num_threads=0)


def test_one_text_is_written_at_a_time_by_default():
    assert dict(write_all.__kwdefaults__ or {})["num_threads"] == 1
