"""A ledger keeps what was written, whatever happens to the process that wrote."""

import dataclasses
import json
import os

import pytest

from humain import errors
from humain.language.writers.ledger import Ledger


@dataclasses.dataclass
class _Writer:
    """Writes nothing; a ledger only asks who it is."""

    model: str = "m"

    @property
    def name(self):
        return f"fake:{self.model}"

    @property
    def settings(self):
        return {"writer": self.name, "temperature": None}

    def write(self, goal):
        raise AssertionError(goal)


@pytest.fixture(name="path")
def _path(tmp_path):
    return tmp_path / "new" / "ledger.jsonl"


def _fill(path, **texts):
    with Ledger.opened(path) as ledger:
        for goal, text in texts.items():
            ledger.add(_Writer(), goal, text)


def _found(path, *goals, writer=None):
    with Ledger.opened(path) as ledger:
        return [ledger.find(writer or _Writer(), goal) for goal in goals]


def test_what_is_added_is_found_now_and_later(path):
    with Ledger.opened(path) as ledger:
        assert ledger.find(_Writer(), "radar") is None
        ledger.add(_Writer(), "radar", "Mine.\nSmelt “it”.\u2028")
        assert ledger.find(_Writer(), "radar") == "Mine.\nSmelt “it”.\u2028"
    assert _found(path, "radar", "gear") == ["Mine.\nSmelt “it”.\u2028", None]


def test_another_writer_s_texts_are_its_own(path):
    _fill(path, radar="Mine.")
    assert _found(path, "radar", writer=_Writer("other")) == [None]


def test_a_line_says_what_it_is(path):
    _fill(path, radar="Mine.", gear="Press.")
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert {name: first[name] for name in ("writer", "goal", "text")} == {
        "writer": "fake:m",
        "goal": "radar",
        "text": "Mine.",
    }
    assert second["goal"] == "gear"
    assert first["key"] != second["key"] and len(first["key"]) == 64


def test_a_line_is_on_the_disk_before_the_next_text(path, monkeypatch):
    synced = []
    with Ledger.opened(path) as ledger:
        monkeypatch.setattr("os.fsync", lambda descriptor: synced.append(path.read_text()))
        ledger.add(_Writer(), "radar", "Mine.")
    assert synced == [path.read_text()] and synced[0].endswith('"text": "Mine."}\n')


@pytest.mark.parametrize("num_bytes", [1, 2, 10, 60, 100])
def test_a_torn_last_line_is_taken_off_and_the_rest_goes_on(path, num_bytes):
    _fill(path, radar="Mine.")
    whole = path.read_bytes()
    _fill(path, gear="Préss.")
    torn = path.read_bytes()[: len(whole) + num_bytes]
    path.write_bytes(torn)
    assert _found(path, "radar", "gear") == ["Mine.", None]
    assert path.read_bytes() == whole
    _fill(path, gear="Press.")
    assert _found(path, "radar", "gear") == ["Mine.", "Press."]


def test_a_last_line_that_lacks_its_end_alone_is_kept(path):
    _fill(path, radar="Mine.", gear="Press.")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert _found(path, "radar", "gear") == ["Mine.", "Press."]
    assert path.read_bytes() == whole


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"key": 1, "text": "Mine."}', '{"key": "k", "text": null}', ""])
def test_damage_elsewhere_is_named_and_nothing_is_lost(path, line):
    _fill(path, radar="Mine.")
    damaged = path.read_text() + line + "\n" + path.read_text()
    path.write_text(damaged)
    with pytest.raises(errors.UserError, match=f"^{path}, line 2, is damaged; repair or delete that line"):
        _found(path, "radar")
    assert path.read_text() == damaged


def test_one_run_at_a_time(path):
    with (
        Ledger.opened(path),
        pytest.raises(errors.UserError, match=f"^{path} is in use by another run; wait for its end"),
        Ledger.opened(path),
    ):
        raise AssertionError("opened twice")
    assert _found(path, "radar") == [None]


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with (
        pytest.raises(errors.UserError, match=r"can't be written \(Is a directory\); name another"),
        Ledger.opened(tmp_path),
    ):
        raise AssertionError("opened a directory")


def test_a_full_disk_is_named_and_the_torn_line_is_mended(path, monkeypatch):
    _fill(path, radar="Mine.")
    write = os.write

    def full(descriptor, content):
        if len(content) < 20:
            raise OSError(28, "No space left on device")
        return write(descriptor, content[:20])

    with Ledger.opened(path) as ledger:
        monkeypatch.setattr("os.write", full)
        with pytest.raises(errors.UserError, match=r"can't be written \(No space left on device\); make room, and run"):
            ledger.add(_Writer(), "gear", "Press.")
        assert ledger.find(_Writer(), "gear") is None
        monkeypatch.undo()
    assert _found(path, "radar", "gear") == ["Mine.", None]
