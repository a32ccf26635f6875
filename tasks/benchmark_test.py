"""The benchmark from its command line: rows, notes, comparisons and what is refused."""

import json
import pathlib
from collections.abc import Callable

import pytest

from tasks import benchmark as task
from tasks.benchmarks import hot_paths, jax_rows
from tasks.benchmarks.rows import RowSettings
from tasks.harness.context import TaskContext

_RUN = ("--config=configs/benchmark.py:smoke", "--framework=jax", "--device=cpu", "--size=50", "--config.repeats=6")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The work directory of a run of JAX on the CPU."""
    workdir = tmp_path_factory.mktemp("benchmark") / "run"
    assert _main(workdir, *_RUN) == 0
    return workdir


def _main(workdir: pathlib.Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        task.main([f"--workdir={workdir}", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def _record(workdir: pathlib.Path) -> dict:
    return json.loads((workdir / "results.json").read_text())


def test_results_have_a_row_for_everything(finished: pathlib.Path):
    results = _record(finished)["results"]
    names = [row["name"] for row in results["rows"]]
    forms = ("jit", "exp", "native")
    selus = ["selu_eager", "selu_builtin", "selu_loop"]
    selus += [f"selu_{form}{place}" for form in forms for place in ("", "_in_place")]
    assert set(names) == {"dispatch", *selus, *hot_paths.HOT_PATHS}
    assert len(set(names)) == len(names)
    for row in results["rows"]:
        assert row["repeats"] == 6
        assert row["share_of_peak"] is None or row["name"] in selus
        if row["name"] in selus:
            assert row["size"] == 50
            assert row["share_of_peak"] > 0
    assert [ratio["kernel"] for ratio in results["ratios"]] == ["table", "linear", "transformer"]
    assert set(results["threads"]) == {"wanted", "jax"}
    assert (finished / "report.html").exists()


def test_a_finished_run_is_compared_with_itself(finished: pathlib.Path, capfd: pytest.CaptureFixture[str]):
    assert _main(finished, *_RUN, f"--compare={finished / 'results.json'}") == 0
    printed = capfd.readouterr().out
    assert "finished already" in printed
    table = printed.split("old and new: ")[1]
    (line,) = [line for line in table.splitlines() if line.startswith("react_256 ")]
    assert line.split()[-3:] == ["1.00", "no", "yes"]


def test_a_slower_hot_path_ends_in_failure(
    finished: pathlib.Path, tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
):
    old = _record(finished)
    for row in old["results"]["rows"]:
        if row["name"] == "think":
            for key in ("median_seconds", "low", "high"):
                row[key] /= 2
    (tmp_path / "old.json").write_text(json.dumps(old))
    assert _main(finished, *_RUN, f"--compare={tmp_path / 'old.json'}") == 1
    printed = capfd.readouterr()
    assert printed.err.startswith("benchmark: slower than the old run by more than 1.5 x: think on cpu (2.00 x)")
    assert len(printed.err.splitlines()) == 1
    # The table comes before the verdict.
    assert "react_256" in printed.out.split("old and new: ")[1]
    assert _main(finished, *_RUN, f"--compare={tmp_path / 'old.json'}", "--compare_factor=2.1") == 0


def test_an_older_run_that_is_none_is_refused_before_anything_is_measured(
    tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
):
    assert _main(tmp_path / "run", *_RUN, f"--compare={tmp_path / 'absent.json'}") == 1
    assert not (tmp_path / "run" / "stages").exists()
    printed = capfd.readouterr().err
    assert "can't be read (No such file or directory)" in printed
    assert len(printed.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--device=gpu",), 1, "there is no GPU that jax can use; build with --config=cuda"),
        (("--config.threads=-1",), 1, "threads must be at least 0 (0 takes all cores), not -1"),
        (("--config.threads=1000000",), 1, "threads is 1000000, but there are"),
        (("--config.selu.loop_steps=0",), 1, "loop_steps must be at least 1, not 0"),
        (("--config.updates.batch_size=0",), 1, "batch_size must be at least 1, not 0"),
        (("--config.kmeans.num_clusters=300",), 1, "num_clusters must be at most num_points, 200, not 300"),
        (("--config.repeats=5",), 1, "repeats must be at least 6 for an interval of 95 %, not 5"),
        (("--repeats=29",), 2, "29"),
        (("--framework=tensorflow",), 2, "framework"),
    ],
)
def test_what_can_not_be_is_refused(
    tmp_path: pathlib.Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    message: str,
):
    find_device = jax_rows.find_device
    monkeypatch.setattr(jax_rows, "find_device", lambda name: None if name == "gpu" else find_device(name))
    assert _main(tmp_path / "run", *_RUN, *arguments) == code
    printed = capfd.readouterr().err
    assert message in printed
    assert len(printed.splitlines()) == 1


def test_the_seed_is_that_of_what_is_measured(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
    seeds = []

    def jax_parts(settings: RowSettings, device: object) -> dict:
        seeds.append(settings.seed)
        return {}

    def own_parts(sizes: hot_paths.HotPathSizes, effort: object, device: object) -> dict:
        seeds.append(sizes.points.seed)
        return {}

    monkeypatch.setattr(jax_rows, "parts", jax_parts)
    monkeypatch.setattr(hot_paths, "parts", own_parts)
    assert _main(tmp_path / "run", *_RUN, "--seed=7") == 0
    assert seeds == [7, 7]


def test_a_missing_framework_is_said(
    tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(task.importlib.util, "find_spec", lambda name: None)
    assert _main(tmp_path / "run", *_RUN, "--framework=torch") == 1
    assert "PyTorch is not installed; install torch, or pass --framework=jax" in capfd.readouterr().err


def test_an_interrupted_run_goes_on(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
    measured = []
    stage = TaskContext.stage

    def counted(self: TaskContext, name: str, function: Callable[[], object]) -> object:
        def measure() -> object:
            measured.append(name)
            if name == "jax_cpu_selu_eager" and measured.count(name) == 1:
                raise RuntimeError("the power fails")
            return function()

        return stage(self, name, measure)

    monkeypatch.setattr(TaskContext, "stage", counted)
    keep = ("machine", "peaks", "dispatch", "selu_eager")
    parts = task._parts
    monkeypatch.setattr(
        task, "_parts", lambda *values: {name: part for name, part in parts(*values).items() if name in keep}
    )
    assert _main(tmp_path / "run", *_RUN) == 1
    assert _main(tmp_path / "run", *_RUN) == 0
    assert measured == ["machine", "jax_cpu_dispatch", "jax_cpu_selu_eager", "jax_cpu_selu_eager", "jax_cpu_peaks"]
    assert [row["name"] for row in _record(tmp_path / "run")["results"]["rows"]] == ["dispatch", "selu_eager"]
