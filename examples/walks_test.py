"""The program on its own walks and on a file."""

import pathlib

import pytest

from examples import walks


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_its_own_walks(capsys):
    walks.main([])
    printed = capsys.readouterr().out
    assert printed.startswith("from 2 to 17\n├─ 5  (sub-goal of layer 1")
    assert "NOT REACHED" not in printed
    assert printed.endswith("first step: 3\n")
    assert pathlib.Path("artifacts/examples/walks.humain").exists()


def test_walks_of_a_file(folder, capsys):
    # Round a ring of five, always on: from 1 the way to 3 leads by 2.
    lines = [",".join(str((start + step) % 5) for step in range(4 + start)) for start in range(5)]
    (folder / "mine.csv").write_text("\n".join(lines) + "\n")
    walks.main(["mine.csv", "1", "3"])
    printed = capsys.readouterr().out
    assert printed.startswith("from 1 to 3\n")
    assert "2  (step" in printed
    assert printed.endswith("first step: 2\n")


@pytest.mark.parametrize("arguments", [["mine.csv"], ["mine.csv", "1"], ["mine.csv", "1", "3", "4"]])
def test_other_arguments_are_answered_in_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        walks.main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err == "usage: walks [FILE START GOAL]\n"
