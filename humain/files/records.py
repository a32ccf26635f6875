"""JSON records: conversion of array and config values, and files that are either complete or absent."""

import dataclasses
import json
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

Json: TypeAlias = "None | bool | int | float | str | list[Json] | dict[str, Json]"


def to_json(value: Any) -> Json:
    """Converts a value to plain JSON types.

    Mappings (ConfigDict too), sequences, dataclasses, NumPy and JAX arrays of any rank, and paths are supported. NaN
    and infinities have no JSON form and become None.

    Args:
        value: what to convert.

    Returns:
        The same content, made of None, bool, int, float, str, list and dict.

    Raises:
        TypeError: for a value without an obvious JSON form, or a mapping key that is not a string, a number or a bool.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping) or hasattr(value, "to_dict"):
        items = value.items() if isinstance(value, Mapping) else value.to_dict().items()
        return {_json_key(key): to_json(item) for key, item in items}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return [to_json(item) for item in sorted(value)]
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        if array.dtype.kind in "biufSU" or array.dtype.name.startswith(("bfloat16", "float8")):
            return to_json(array.astype(float).tolist() if array.dtype.kind not in "biSU" else array.tolist())
    raise TypeError(f"a {type(value).__name__} has no JSON form: {value!r}; convert it first")


def _json_key(key: Any) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, (bool, int, float, np.integer)):
        return str(key)
    raise TypeError(f"a {type(key).__name__} can't be a JSON key: {key!r}; use a string")


def dump_line(value: Any) -> str:
    """Returns `value` as JSON on one line, without the newline, keys in the order they were given."""
    return json.dumps(to_json(value), allow_nan=False, ensure_ascii=False)


def dump_sorted(value: Any) -> str:
    """Returns `value` as indented JSON with sorted keys: equal values give equal text."""
    return json.dumps(to_json(value), allow_nan=False, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def write_text(path: pathlib.Path, text: str) -> None:
    """Replaces the file `path` by `text` in one step: a reader, or a crash, finds the old file or the new one.

    Args:
        path: the file; its directory is created if it does not exist.
        text: the new content, written as UTF-8.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: pathlib.Path, value: Any) -> None:
    """Replaces the file `path` by `value` as sorted, indented JSON, in one step."""
    write_text(path, dump_sorted(value))


def read_json(path: pathlib.Path) -> Json:
    """Reads a JSON file.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if its content is not JSON; the message names the file.
    """
    text = path.read_text(encoding="utf-8")
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON ({error})") from error
