"""Tests of the command line."""

import pathlib

import pytest
from absl import flags as absl_flags

from humain import errors
from tasks.harness import flags

_FILE = '''
import ml_collections


def get_config(variant="default"):
    """Gives the config."""
    return ml_collections.ConfigDict(
        {"num_steps": 4 if variant == "smoke" else 400, "rate": 0.1, "big": False, "name": "a", "sizes": (1, 2)}
    )
'''


@pytest.fixture(autouse=True)
def workspace(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A workspace with one config, and a user who stands in a directory of it."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "configs" / "toy.py").write_text(_FILE)
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path / "here"))
    return tmp_path


def _define_flags(values: absl_flags.FlagValues) -> None:
    absl_flags.DEFINE_string("graph", None, "An edge list.", flag_values=values)


def _parse(*words: str) -> flags.Arguments:
    return flags.parse(words, task="toy", description="A toy.", define_flags=_define_flags)


def test_without_flags_there_are_defaults(workspace: pathlib.Path) -> None:
    arguments = _parse()
    assert arguments.config.num_steps == 400
    assert (arguments.seed, arguments.clear, arguments.help) == (0, False, None)
    assert arguments.workdir == workspace / "artifacts" / "toy"
    assert arguments.own_flags == ("graph",)
    assert (arguments.device, arguments.matmul_precision) == ("auto", "highest")
    assert arguments.flags.graph is None


@pytest.mark.parametrize(
    ("words", "expected"), [((), None), (("--compilation_cache=c",), "here/c"), (("--compilation_cache=",), None)]
)
def test_compiled_programs_are_kept_where_the_user_says(
    workspace: pathlib.Path, words: tuple[str, ...], expected: str | None
) -> None:
    assert _parse(*words).compilation_cache == (None if expected is None else workspace / expected)


@pytest.mark.parametrize(
    "words",
    [
        ("--config=configs/toy.py:smoke", "--config.rate=0.5"),
        ("--config.rate=0.5", "--config=:smoke"),
        ("--config", "smoke", "--config.rate", "0.5"),
        ("-config=smoke", "-config.rate=0.5"),
    ],
)
def test_a_variant_and_an_override_in_any_order(words: tuple[str, ...]) -> None:
    config = _parse(*words, "--seed=7", "--graph=g.csv").config
    assert (config.num_steps, config.rate) == (4, 0.5)


def test_an_override_alone_is_one_of_the_default_config() -> None:
    config = _parse("--config.num_steps=8", "--config.big", "--config.name=b", "--config.sizes=(3, 4)").config
    assert (config.num_steps, config.big, config.name, config.sizes) == (8, True, "b", (3, 4))
    assert _parse("--noconfig.big").config.big is False


def test_a_task_may_have_devices_of_its_own() -> None:
    def parse(*words: str) -> flags.Arguments:
        return flags.parse(words, task="toy", devices=("cpu", "all"))

    assert parse().device == "cpu"
    assert parse("--device=all").device == "all"
    with pytest.raises(errors.UsageError, match="one of <cpu|all>"):
        parse("--device=gpu")


def test_own_flags_and_shared_ones_are_parsed(workspace: pathlib.Path) -> None:
    arguments = _parse("--seed=7", "--graph", "g.csv", "--workdir=../out", "--clear")
    assert (arguments.seed, arguments.flags.graph, arguments.clear) == (7, "g.csv", True)
    assert arguments.workdir == workspace / "out"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--sed=1",), "Unknown command line flag 'sed'. Did you mean: seed ?"),
        (("--seed=x",), "flag --seed=x: invalid literal for int"),
        (("--seed=-1",), "flag --seed=-1: -1 is not an integer in the range"),
        ((f"--seed={2**32}",), "is not an integer in the range [0, 4294967295]"),
        (("--device=tpu",), "flag --device=tpu: value should be one of <auto|cpu|gpu>"),
        (("--matmul_precision=low",), "value should be one of <highest|high|default>"),
        (("--config.num_steps=abc",), "flag --config.num_steps=abc: invalid literal for int"),
        (("--config.rate=fast",), "flag --config.rate=fast: could not convert"),
        (("--config.num_step=3",), "--config.num_step: the config has no such key; did you mean num_steps?"),
        (("--config=",), "--config needs a file"),
        (("--config",), "--config needs a file"),
        (("--config=nope.py",), "there is no file nope.py"),
        (("train",), "unexpected argument 'train'; flags are written --name=value"),
        (("--", "train"), "unexpected argument 'train'"),
        (("--workdir=x.runfiles/y",), "which a build may throw away; pass --workdir"),
    ],
)
def test_wrong_usage_is_explained_in_one_line(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(errors.UsageError) as caught:
        _parse(*words)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_help_explains_every_flag_whatever_else_is_wrong() -> None:
    text = _parse("--help", "--config=nope.py", "--sed").help
    assert text is not None
    assert text.startswith("A toy.\n\nusage: bazel run //tasks:toy -- [flags]\n")
    for name in (
        "--config=FILE[:VARIANT]",
        "--config.KEY=VALUE",
        "--workdir",
        "--clear",
        "--compilation_cache=STRING",
        "--device=ENUM",
        "--matmul_precision",
        "--seed",
        "--graph",
        "--help",
    ):
        assert f"  {name}" in text
    assert _parse("-h").help == text


def test_help_parts_flag_and_text_and_gives_the_defaults() -> None:
    text = _parse("--help").help
    assert text is not None
    lines = {line.split()[0]: line for line in text.splitlines() if line.startswith("  --")}
    assert lines["--matmul_precision=ENUM"].startswith("  --matmul_precision=ENUM  <highest|high|default>: ")
    assert lines["--device=ENUM"].endswith(" (default: auto)")
    assert lines["--seed=INT"] == "  --seed=INT               Seed of all randomness. (default: 0)"
    assert lines["--graph=STRING"] == "  --graph=STRING           An edge list."
    assert "default:" not in lines["--clear"]
