"""Config files: `path.py[:variant]`, loaded as an `ml_collections.ConfigDict` whose keys and types are fixed."""

import difflib
import os
import re
import runpy
from collections.abc import Iterator, Sequence

import ml_collections

from humain import errors
from tasks.harness import paths

_OVERRIDE = re.compile(r"^--?(?:no)?config\.(?P<key>[^=]+)")


def split_spec(spec: str, default_path: str) -> tuple[str, str | None]:
    """Splits the value of `--config`.

    Args:
        spec: `path.py`, `path.py:variant`, or only `:variant` or `variant` of the default file.
        default_path: the task's own config file.

    Returns:
        The file's path, and the variant or None.
    """
    # On Windows, a path may start with a drive and its colon.
    drive, rest = os.path.splitdrive(spec)
    path, _, variant = rest.partition(":")
    path = drive + path
    if path and not path.endswith(".py") and "/" not in path and not variant:
        path, variant = "", path
    return path or default_path, variant or None


def load(spec: str, default_path: str) -> ml_collections.ConfigDict:
    """Loads a config.

    Args:
        spec: see `split_spec`.
        default_path: the task's own config file.

    Returns:
        The return value of the file's `get_config([variant])`, locked: keys can't be added, types can't be changed.

    Raises:
        UsageError: if there is no such file or variant, or `get_config` does not return a ConfigDict.
    """
    name, variant = split_spec(spec, default_path)
    path = paths.find_file(name)
    if path is None:
        places = dict.fromkeys([str(paths.user_directory()), str(paths.workspace_root())])
        hint = "" if name == default_path else f"; the task's own is --config={default_path}"
        raise errors.UsageError(f"--config={spec}: there is no file {name} in {' or '.join(places)}{hint}")
    try:
        get_config = runpy.run_path(str(path)).get("get_config")
    except Exception as error:
        raise errors.UsageError(f"--config={spec}: {path} can't be loaded: {error}") from error
    if get_config is None:
        raise errors.UsageError(f"--config={spec}: {path} has no function get_config(variant)")
    try:
        config = get_config() if variant is None else get_config(variant)
    except (TypeError, ValueError, KeyError) as error:
        text = error.args[0] if error.args else error
        what = f"variant {variant!r}" if variant else "the default variant"
        raise errors.UsageError(f"--config={spec}: {path} doesn't give {what}: {text}") from error
    if not isinstance(config, ml_collections.ConfigDict):
        raise errors.UsageError(f"--config={spec}: get_config of {path} gave {config!r}; expected a ConfigDict")
    return config.lock()


def check_overrides(arguments: Sequence[str], config: ml_collections.ConfigDict) -> None:
    """Checks that every `--config.key` of a command line is a key of the config.

    Raises:
        UsageError: if one is not; the message names it and the most similar keys.
    """
    keys = list(flat_keys(config))
    for argument in arguments:
        match = _OVERRIDE.match(argument)
        if match is None or match["key"] in keys:
            continue
        near = difflib.get_close_matches(match["key"], keys, n=3, cutoff=0.6)
        # The key may be right except for the group that it is in.
        near += [key for key in keys if key.split(".")[-1] == match["key"].split(".")[-1] and key not in near]
        hint = f"did you mean {' or '.join(near)}?" if near else f"keys: {', '.join(keys)}"
        raise errors.UsageError(f"--config.{match['key']}: the config has no such key; {hint}")


def flat_keys(config: ml_collections.ConfigDict, prefix: str = "") -> Iterator[str]:
    """Yields the dotted name of every value, and of every group of values."""
    for key in config:
        yield f"{prefix}{key}"
        if isinstance(config.get_ref(key).get(), ml_collections.ConfigDict):
            yield from flat_keys(config[key], f"{prefix}{key}.")
