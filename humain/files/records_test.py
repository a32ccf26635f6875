"""Tests of JSON records."""

import dataclasses
import json
import os
import pathlib
import re
from typing import Any

import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from humain.files import records


@dataclasses.dataclass(frozen=True)
class _Point:
    x: int
    y: tuple[float, ...]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        ("text", "text"),
        (float("nan"), None),
        (float("-inf"), None),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([1.0, np.nan]), [1.0, None]),
        (jnp.array([1.5, 2.0], jnp.bfloat16), [1.5, 2.0]),
        (jnp.zeros((0, 3)), []),
        ({True: "b", "c": (1, 2)}, {"True": "b", "c": [1, 2]}),
        ({np.int32(3): {"x": {2, 1}}}, {"3": {"x": [1, 2]}}),
        (_Point(1, (2.0,)), {"x": 1, "y": [2.0]}),
        (pathlib.Path("a") / "b", "a/b"),
        (ml_collections.ConfigDict({"a": {"b": (1, 2)}}), {"a": {"b": [1, 2]}}),
        (ml_collections.FrozenConfigDict({"a": {"b": [1, 2]}}), {"a": {"b": [1, 2]}}),
    ],
)
def test_values_become_plain_json(value: Any, expected: Any) -> None:
    found = records.to_json(value)
    assert found == expected
    # 1 == True == 1.0 in Python, but not in JSON.
    assert json.dumps(found) == json.dumps(expected)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "a object has no JSON form"),
        ({(1, 2): 3}, r"a tuple can't be a JSON key: \(1, 2\); use a string"),
        (b"bytes", "a bytes has no JSON form"),
        (1j, "a complex has no JSON form"),
        (np.array([object()]), "a ndarray has no JSON form"),
    ],
)
def test_what_has_no_json_form_is_refused(value: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        records.to_json(value)


def test_a_line_keeps_the_order_of_keys_and_a_record_sorts_them() -> None:
    assert records.dump_line({"b": 1, "a": float("inf")}) == '{"b": 1, "a": null}'
    assert records.dump_sorted({"b": 1, "a": "ü"}) == '{\n  "a": "ü",\n  "b": 1\n}\n'


def test_a_written_record_is_read_back(tmp_path: pathlib.Path) -> None:
    records.write_json(tmp_path / "new" / "r.json", {"x": [1, 2.5, None]})
    assert records.read_json(tmp_path / "new" / "r.json") == {"x": [1, 2.5, None]}
    assert os.listdir(tmp_path / "new") == ["r.json"]


def test_a_failed_write_leaves_the_old_file(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.json"
    records.write_json(path, 1)

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        records.write_json(path, 2)
    assert records.read_json(path) == 1


def test_a_broken_file_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "r.json").write_text("{")
    with pytest.raises(ValueError, match=re.escape(str(tmp_path / "r.json")) + " is not valid JSON"):
        records.read_json(tmp_path / "r.json")


class _Told:
    """No mapping, but it says what it would be as one."""

    def to_dict(self) -> dict[str, Any]:
        return {"a": (1, float("nan"))}


def test_what_says_its_own_dictionary_is_one() -> None:
    assert records.to_json(_Told()) == {"a": [1, None]}


def test_text_stays_readable_and_folders_are_made(tmp_path: pathlib.Path) -> None:
    assert records.dump_line("ü") == '"ü"'
    path = tmp_path / "two" / "levels" / "r.json"
    records.write_json(path, "ü")
    assert path.read_bytes() == '"ü"\n'.encode()
    records.write_text(path, "a\nb")
    assert path.read_bytes() == b"a\nb"
