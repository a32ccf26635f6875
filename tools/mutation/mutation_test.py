"""A run over a made-up package: what is killed, what survives, what can't be tested, and how a run goes on."""

import json
import os
import pathlib
import shutil

import pytest

from tools.mutation import mutation
from tools.pytest import pytest_main

_FILES = {
    "pyproject.toml": "",
    "humain/__init__.py": "",
    "humain/sums.py": "def total(a, b):\n    return a + b\n\n\ndef double(a):\n    return 2 * a\n",
    "humain/sums_test.py": "from humain import sums\n\n\ndef test_total():\n    assert sums.total(1, 2) == 3\n",
    "humain/loops.py": "def count(n):\n    while n > 0:\n        n -= 1\n    return n\n",
    "humain/loops_test.py": "from humain import loops\n\n\ndef test_count():\n    assert loops.count(3) == 0\n",
    "humain/broken.py": "def f(a):\n    return a < 1\n",
    "humain/broken_test.py": "from humain import broken\n\n\ndef test_f():\n    assert broken.missing()\n",
    "humain/viewing/plots.py": "SIZE = 3\n",
    # Its test needs a plugin, which the BUILD file names.
    "humain/plugged.py": "def answer():\n    return 6 * 7\n",
    "humain/plugged_test.py": "from humain import plugged as p\n\n\ndef test(known):\n    assert p.answer() == known\n",
    "humain/known.py": "import pytest\n\n\n@pytest.fixture\ndef known():\n    return 42\n",
    "humain/BUILD.bazel": 'pytest_test(name = "t", srcs = ["plugged_test.py"], plugins = ["humain.known"])\n',
}


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "repository"
    for name, text in _FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    # The worker runs in the copy, and imports itself from there.
    here = pathlib.Path(mutation.__file__).parent
    shutil.copytree(here, folder / "tools" / "mutation")
    shutil.copytree(pathlib.Path(pytest_main.__file__).parent, folder / "tools" / "pytest")
    return folder


@pytest.fixture
def run(root, tmp_path, monkeypatch):
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(root))
    monkeypatch.setattr(mutation, "_IMPORTS", ())
    monkeypatch.setattr(mutation, "_CPU_SECONDS", 1.0)

    def run(*arguments):
        output = tmp_path / "found.jsonl"
        assert mutation.main([*arguments, f"--output={output}"]) == 0
        return [json.loads(line) for line in output.read_text().splitlines()]

    return run


def outcomes(records):
    return {(record["before"], record["after"]): record["outcome"] for record in records if "outcome" in record}


def test_what_a_test_notices_is_killed_and_the_rest_survives(root, run, capsys):
    records = run("//humain/sums.py", "--count=100")
    assert outcomes(records) == {
        ("return a + b", "return a - b"): "killed",
        ("return a + b", "return None"): "killed",
        ("return 2 * a", "return 2 / a"): "survived",
        ("return 2 * a", "return None"): "survived",
        ("return 2 * a", "return 3 * a"): "survived",
        ("return 2 * a", "return (1) * a"): "survived",
    }
    killed = next(record for record in records if record.get("outcome") == "killed")
    assert killed["by"] == "humain/sums_test.py::test_total"
    # It was seen to pass without the change, once.
    assert [record for record in records if "passes" in record] == [
        {"test": "humain/sums_test.py::test_total", "passes": True}
    ]
    said = capsys.readouterr().out
    assert "all                    6       2       0        4   33.3%" in said
    assert "humain/sums.py:6: arithmetic\n    - return 2 * a\n    + return 2 / a" in said
    # The user's tree is as it was.
    assert {name: (root / name).read_text() for name in _FILES} == _FILES


def test_a_run_goes_on_and_tries_survivors_again(root, run):
    arguments = ("//humain/sums.py", "--count=100")
    first = run(*arguments)
    assert run(*arguments) == first
    # A new test.
    with (root / "humain/sums_test.py").open("a") as file:
        file.write("\n\ndef test_double():\n    assert sums.double(3) == 6\n")
    assert run(*arguments) == first
    again = run(*arguments, "--again")
    assert again[: len(first)] == first
    assert set(outcomes(again).values()) == {"killed"}


def test_what_never_ends_is_a_timeout(run):
    found = outcomes(run("//humain/loops.py", "--count=100"))
    assert found["n -= 1", "n += 1"] == "timeout"
    assert found["while n > 0:", "while n >= 0:"] == "killed"


def test_a_test_that_fails_anyway_kills_nothing(run, capsys):
    assert set(outcomes(run("//humain/broken.py", "--count=2")).values()) == {"untested"}
    said = capsys.readouterr().out
    assert "2 more have no test that runs here" in said
    assert "humain/broken_test.py::test_f" in said


def test_a_test_has_the_plugins_of_its_target(run):
    assert outcomes(run("//humain/plugged.py", "--count=1")).popitem()[1] == "killed"


_MODULES = [f"humain/{name}.py" for name in ("__init__", "broken", "known", "loops", "plugged", "sums")]


def test_the_choice_is_that_of_the_seed(root):
    paths = mutation.modules(root, ["//humain/..."])
    assert paths == _MODULES

    def keys(seed, count=5):
        return [chosen.key for chosen in mutation.choose(root, paths, count=count, seed=seed)]

    assert keys(0) == keys(0)
    assert keys(0) != keys(1)
    # More of them are the same and more; none comes twice.
    assert keys(0, 8)[:5] == keys(0)
    every = [json.dumps(key) for key in keys(0, 1000)]
    assert len(every) == len(set(every)) > 8


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("//humain/sums.py", ["humain/sums.py"]),
        ("humain/sums.py", ["humain/sums.py"]),
        ("//humain", _MODULES),
    ],
)
def test_what_a_pattern_names(root, pattern, expected):
    assert mutation.modules(root, [pattern]) == expected


@pytest.mark.parametrize("pattern", ["//humain/viewing/...", "//nowhere", "humain/sums_test.py"])
def test_a_pattern_that_names_nothing_is_wrong_usage(root, pattern, monkeypatch, capsys):
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(root))
    assert mutation.main([pattern, f"--output={os.devnull}"]) == 2
    assert f"{pattern} names no module" in capsys.readouterr().err
