"""Tests of results.json."""

import json
import pathlib
import platform
from typing import Any

import jax
import pytest

from humain import errors
from tasks.harness import results


def _write(workdir: pathlib.Path, found: Any) -> dict[str, Any]:
    return results.write(
        workdir, task="toy", config={"b": 1, "a": (2,)}, seed=3, wall_seconds=1.23456, steps=40, results=found
    )


def test_a_record_has_exactly_the_promised_fields(tmp_path: pathlib.Path) -> None:
    _write(tmp_path, {"ratio": 1.0, "bad": float("nan")})
    record = json.loads((tmp_path / "results.json").read_text())
    assert set(record) == {
        "task",
        "config",
        "seed",
        "versions",
        "device",
        "matmul_precision",
        "wall_seconds",
        "steps",
        "results",
    }
    assert record["config"] == {"a": [2], "b": 1}
    assert (record["task"], record["seed"], record["steps"], record["wall_seconds"]) == ("toy", 3, 40, 1.235)
    assert record["results"] == {"ratio": 1.0, "bad": None}
    assert record["versions"]["python"] == platform.python_version()
    assert record["versions"]["jax"] == jax.__version__
    assert {"jaxlib", "flax"} & record["versions"].keys() >= {"jaxlib"}
    assert isinstance(record["device"], str)
    assert record["matmul_precision"] == "default"
    assert results.read(tmp_path) == record


def test_equal_results_are_equal_files(tmp_path: pathlib.Path) -> None:
    _write(tmp_path / "1", {"a": 1, "b": 2})
    _write(tmp_path / "2", {"b": 2, "a": 1})
    assert (tmp_path / "1" / "results.json").read_bytes() == (tmp_path / "2" / "results.json").read_bytes()


def test_secrets_are_not_written(tmp_path: pathlib.Path) -> None:
    with pytest.raises(errors.UserError, match="results.json.results.password looks like a secret"):
        _write(tmp_path, {"password": "x"})
    assert results.read(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", "[1]"])
def test_a_broken_record_is_none(tmp_path: pathlib.Path, content: str) -> None:
    (tmp_path / "results.json").write_text(content)
    assert results.read(tmp_path) is None
