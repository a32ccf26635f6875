"""Tests of config files."""

import ntpath
import os
import pathlib

import ml_collections
import pytest

from humain import errors
from tasks.harness import config

_FILE = '''
import ml_collections


def get_config(variant="default"):
    """Gives the config."""
    if variant not in ("default", "smoke"):
        raise ValueError(f"no variant {variant!r}; expected default or smoke")
    steps = 4 if variant == "smoke" else 400
    return ml_collections.ConfigDict({"num_steps": steps, "model": {"size": 8, "rate": 0.1}})
'''


@pytest.fixture(autouse=True)
def workspace(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A workspace with one config, and a user who stands elsewhere."""
    (tmp_path / "root" / "configs").mkdir(parents=True)
    (tmp_path / "root" / "configs" / "toy.py").write_text(_FILE)
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(tmp_path / "root"))
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path / "here"))
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("configs/toy.py:smoke", ("configs/toy.py", "smoke")),
        ("configs/toy.py", ("configs/toy.py", None)),
        ("toy.py", ("toy.py", None)),
        (":smoke", ("configs/default.py", "smoke")),
        ("smoke", ("configs/default.py", "smoke")),
        ("configs/toy", ("configs/toy", None)),
    ],
)
def test_a_spec_is_a_file_a_variant_or_both(spec: str, expected: tuple[str, str | None]) -> None:
    assert config.split_spec(spec, "configs/default.py") == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (r"C:\configs\toy.py:smoke", (r"C:\configs\toy.py", "smoke")),
        (r"C:\configs\toy.py", (r"C:\configs\toy.py", None)),
        (":smoke", ("configs/default.py", "smoke")),
    ],
)
def test_a_drive_is_part_of_the_file(
    monkeypatch: pytest.MonkeyPatch, spec: str, expected: tuple[str, str | None]
) -> None:
    monkeypatch.setattr(os.path, "splitdrive", ntpath.splitdrive)
    assert config.split_spec(spec, "configs/default.py") == expected


@pytest.mark.parametrize(("spec", "steps"), [("configs/toy.py", 400), ("configs/toy.py:smoke", 4), (":smoke", 4)])
def test_a_config_is_found_in_the_workspace(spec: str, steps: int) -> None:
    assert config.load(spec, "configs/toy.py").num_steps == steps


def test_loading_leaves_nothing_beside_the_file(workspace: pathlib.Path) -> None:
    config.load("configs/toy.py", "configs/toy.py")
    assert [path.name for path in (workspace / "root" / "configs").iterdir()] == ["toy.py"]


def test_a_config_can_not_grow() -> None:
    loaded = config.load("smoke", "configs/toy.py")
    with pytest.raises(AttributeError):
        loaded.model.sise = 3


@pytest.mark.parametrize(
    ("spec", "content", "message"),
    [
        (
            "missing.py",
            None,
            r"there is no file missing.py in .*here or .*root; the task's own is --config=configs/toy",
        ),
        ("configs/toy.py:smok", None, r"doesn't give variant 'smok': no variant 'smok'; expected default or smoke"),
        ("bad.py", "def get_config(:", r"bad.py can't be loaded: "),
        ("bad.py", "import no_such_module", r"bad.py can't be loaded: No module named 'no_such_module'"),
        ("bad.py", "x = 1 / 0", r"bad.py can't be loaded: division by zero"),
        ("bad.py", "x = 1", r"bad.py has no function get_config"),
        ("bad.py", "def get_config(): return {}", r"gave {}; expected a ConfigDict"),
        ("bad.py:smoke", "def get_config(): return {}", r"doesn't give variant 'smoke': get_config\(\) takes 0"),
    ],
)
def test_a_bad_config_is_explained_in_one_line(
    workspace: pathlib.Path, spec: str, content: str | None, message: str
) -> None:
    if content is not None:
        (workspace / "here" / "bad.py").write_text(content)
    with pytest.raises(errors.UsageError, match=message) as caught:
        config.load(spec, "configs/toy.py")
    assert str(caught.value).startswith(f"--config={spec}: ")
    assert "\n" not in str(caught.value)


def test_flat_keys_name_groups_and_values() -> None:
    loaded = ml_collections.ConfigDict({"b": 1, "a": {"c": {"d": 2}}})
    assert sorted(config.flat_keys(loaded)) == ["a", "a.c", "a.c.d", "b"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--config.num_step=3", "--config.num_step: the config has no such key; did you mean num_steps?"),
        ("--config.size=3", "--config.size: the config has no such key; did you mean model.size?"),
        ("-config.zzz", "--config.zzz: the config has no such key; keys: model, model.rate, model.size, num_steps"),
    ],
)
def test_an_unknown_key_is_named_with_those_near_it(argument: str, message: str) -> None:
    loaded = config.load("smoke", "configs/toy.py")
    with pytest.raises(errors.UsageError) as caught:
        config.check_overrides(["--seed=1", argument], loaded)
    assert str(caught.value) == message
    config.check_overrides(["--config.model.size=3", "--config.num_steps", "5", "--noconfig.model"], loaded)
