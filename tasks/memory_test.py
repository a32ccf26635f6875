"""Whole runs of the memory's experiments: what they leave, what is refused, and what is not run again."""

import json
import pathlib

import pytest

from tasks import memory


def _main(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        memory.main(["--config=configs/memory.py:smoke", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_run_leaves_results_and_report_and_goes_on(tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]):
    workdir = tmp_path / "w"
    assert _main(f"--workdir={workdir}") == 0
    record = json.loads((workdir / "results.json").read_text())
    numbers = record["results"]["crossroads"]
    for name in ("entropy", "neural_entropy"):
        assert 0 <= numbers[name]["precision"] <= 1
        assert 0 <= numbers[name]["recall"] <= 1
    assert set(numbers["on"]) == set(numbers["off"]) == {"mean", "sd", "seeds"}
    assert "crossroads" in capfd.readouterr().out
    assert "<img" in (workdir / "report.html").read_text()
    # Interrupted after the experiment: it is not run again, and the figures, seconds among them, are the same.
    (workdir / "results.json").unlink()
    assert _main(f"--workdir={workdir}") == 0
    assert json.loads((workdir / "results.json").read_text())["results"] == record["results"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--config.experiments=('crossroad',)", "experiment 'crossroad' is not one of "),
        ("--config.experiments=()", "experiments is empty"),
        ("--config.experiments=('crossroads','crossroads')", "have one of them twice"),
        ("--config.num_seeds=0", "num_seeds must be at least 1, not 0"),
        ("--config.crossroads.num_way=3", "num_way"),
    ],
)
def test_what_there_is_not_is_refused(tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str], word, message):
    assert _main(f"--workdir={tmp_path / 'w'}", word) in (1, 2)
    assert message in capfd.readouterr().err
