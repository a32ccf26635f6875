"""What goes wrong in a fetch ahead is one line among Bazel's, and nothing fails for it."""

import pytest

from tools import prefetch

_WORKSPACE = "pypi_hub(name = 'pypi', locks = {'//:requirements_lock.txt': 'cpu'}, merged = {})\n"


@pytest.fixture(name="root")
def _root(tmp_path, monkeypatch):
    """A repository with a task that imports nothing."""
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "simple.py").write_text("import os\n")
    (tmp_path / "WORKSPACE.bazel").write_text(_WORKSPACE)
    (tmp_path / "requirements_lock.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prefetch.prefetch, "stop_tidily", lambda: None)
    monkeypatch.setattr(prefetch.prefetch, "environment", lambda _: {})
    return tmp_path


def test_nothing_is_said_where_there_is_nothing_to_fetch(root, capfd):
    assert prefetch.run(["tasks.simple"]) == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("tasks/simple.py", "def broken(:\n", "SyntaxError: invalid syntax"),
        ("tasks/simple.py", b"\xff", "UnicodeDecodeError: "),
        ("WORKSPACE.bazel", "", "ValueError: WORKSPACE.bazel makes no hub"),
        ("WORKSPACE.bazel", "pypi_hub(name = 'pypi')\n", "KeyError: 'locks'"),
    ],
    ids=["syntax", "no-text", "no-hub", "no-locks"],
)
def test_a_mistake_is_one_line(root, capfd, file, text, says):
    (root / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    assert prefetch.run(["tasks.simple"]) == 0
    said = capfd.readouterr().err
    assert said.startswith("bazelw: no Python packages are fetched ahead: ") and said.count("\n") == 1
    assert says in said


def test_a_debugger_is_fetched_ahead_for_all_targets_and_for_no_task(root, monkeypatch):
    (root / "tasks" / "simple.py").write_text("import absl\nimport debugpy\n")
    names = ("absl-py", "debugpy")
    (root / "requirements_lock.txt").write_text("".join(f"{name}==1 \\\n    --hash=sha256:00\n" for name in names))
    fetched = []
    monkeypatch.setattr(prefetch.prefetch, "fill_cache", lambda wanted, *_, **__: fetched.append(sorted(wanted)))
    assert [prefetch.run(modules) for modules in (["tasks.simple"], [])] == [0, 0]
    assert fetched == [["absl_py"], ["absl_py", "debugpy"]]


def test_a_cache_that_cannot_be_made_is_one_line(root, monkeypatch, capfd):
    (root / "requirements_lock.txt").write_text("a==1 \\\n    --hash=sha256:00\n")
    monkeypatch.setenv("BAZEL_WHEEL_CACHE", str(root / "WORKSPACE.bazel" / "cache"))
    assert prefetch.run([]) == 0
    assert "NotADirectoryError" in capfd.readouterr().err


def test_a_stop_is_a_shell_s(monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(prefetch, "main", stop)
    assert prefetch.run([]) == 130
