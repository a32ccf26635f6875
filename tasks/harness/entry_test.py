"""Tests of whole runs: exit codes, files, and what survives signals and kills.

Runs that are killed are processes of their own. `toy_task` is what they run, here and there with one function made
slow or deadly, so that the signal comes in the middle of just that.
"""

import dataclasses
import json
import os
import pathlib
import signal
from collections.abc import Sequence
from typing import Any

import jax
import pytest
from tensorboardX.proto import event_pb2

from humain import errors
from tasks.harness import devices, entry, toy_process, toy_task

_CONFIG = '''
import ml_collections


def get_config(variant="default"):
    """Gives the config; `often` saves after every chunk."""
    return ml_collections.ConfigDict(
        {
            "num_steps": 120,
            "chunk_steps": 10,
            "learning_rate": 0.05,
            "batch_size": 32,
            "checkpoint_seconds": 0.0 if variant == "often" else 60.0,
        }
    )
'''
_OFTEN = "--config=:often"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A workspace with the toy's config."""
    root = tmp_path_factory.mktemp("workspace")
    (root / "configs").mkdir()
    (root / "configs" / "toy.py").write_text(_CONFIG)
    return root


@pytest.fixture(autouse=True)
def stand_in_the_workspace(workspace: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(workspace))
    monkeypatch.setenv("BUILD_WORKING_DIRECTORY", str(workspace))


def _main(words: Sequence[str], run: entry.Run = toy_task.run) -> int:
    """Runs the toy in this process and returns its exit code."""
    with pytest.raises(SystemExit) as ended:
        entry.main(dataclasses.replace(toy_task.TASK, run=run), words)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def _after_chunk(name: str, step: int, statement: str) -> str:
    """Statements by which a process does something when a learner's metrics up to a step have been read."""
    return f"""
from humain.training import loop
read = loop._Loop._read
def read_and_act(self, unread):
    read(self, unread)
    if unread is not None and (self._name, unread[0]) == ({name!r}, {step}):
        {statement}
loop._Loop._read = read_and_act
"""


def _lines(workdir: pathlib.Path) -> int:
    path = workdir / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _outcome(workdir: pathlib.Path) -> tuple[dict[str, Any], bytes]:
    """What must not depend on interruptions: all results but the time they took, and the metrics."""
    record = json.loads((workdir / "results.json").read_text())
    assert record.pop("wall_seconds") > 0
    return record, (workdir / "metrics.jsonl").read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(workspace: pathlib.Path) -> tuple[dict[str, Any], bytes]:
    """The outcome of a run that nothing disturbed."""
    workdir = workspace / "uninterrupted"
    process = toy_process.start(workspace, [_OFTEN, f"--workdir={workdir}"])
    output = process.communicate(timeout=120)
    assert process.returncode == 0, output
    return _outcome(workdir)


def test_a_run_leaves_what_is_promised(workspace: pathlib.Path, capfd: pytest.CaptureFixture[str]) -> None:
    workdir = workspace / "artifacts" / "toy"
    assert _main([]) == 0
    printed = capfd.readouterr().out
    record = json.loads((workdir / "results.json").read_text())
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
    assert record["config"]["num_steps"] == 120
    assert record["steps"] == 240
    # 12 chunks of each of two learners.
    assert _lines(workdir) == 24
    (events,) = (workdir / "tensorboard" / "second").iterdir()
    assert event_pb2.Event().FromString(events.read_bytes()[12:36]).file_version == "brain.Event:2"
    done, *shown = printed.splitlines()
    assert done == f"toy: done, results are in {workdir}"
    assert shown[0].startswith("first: loss ")

    # The same command again trains nothing, and shows the same.
    before = (workdir / "results.json").read_bytes()
    assert _main([], lambda context: pytest.fail("run again")) == 0
    again = capfd.readouterr().out
    assert again.splitlines()[0] == f"toy: finished already, results are in {workdir} (--clear deletes them)"
    assert again.splitlines()[1:] == shown
    assert (workdir / "results.json").read_bytes() == before

    # Another run in its place is refused; deleting it is not.
    assert _main(["--seed=1"]) == 1
    assert "contains another run: seed is 0 there and 1 here" in capfd.readouterr().err
    assert _main(["--clear", "--seed=1"]) == 0
    assert capfd.readouterr().out.startswith(f"removed {workdir} (")
    assert not workdir.exists()
    assert _main(["--clear"]) == 0
    assert capfd.readouterr().out == f"nothing to clear: {workdir} does not exist\n"


def test_wrong_usage_exits_with_2(capfd: pytest.CaptureFixture[str]) -> None:
    assert _main(["--config.num_stepz=3"]) == 2
    error = capfd.readouterr().err
    assert error.startswith("toy: --config.num_stepz: the config has no such key; did you mean num_steps")
    assert error.count("\n") == 1


def test_help_exits_with_0(capfd: pytest.CaptureFixture[str]) -> None:
    assert _main(["--help"]) == 0
    assert "usage: bazel run //tasks:toy" in capfd.readouterr().out


def test_an_explained_failure_is_one_line(tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]) -> None:
    def run(context: Any) -> Any:
        raise errors.UserError("the graph is empty; give it edges")

    assert _main([f"--workdir={tmp_path / 'w'}"], run) == 1
    assert capfd.readouterr().err == "toy: the graph is empty; give it edges\n"


def test_an_unexpected_failure_has_its_traceback(tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert _main([f"--workdir={tmp_path / 'w'}"], lambda context: {"x": 1 // 0}) == 1
    error = capfd.readouterr().err
    assert error.startswith("Traceback")
    assert error.endswith("ZeroDivisionError: integer division or modulo by zero\n")


def test_the_content_of_an_input_file_is_part_of_the_run(
    tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [f"--data={tmp_path / 'data'}", f"--workdir={tmp_path / 'w'}"]
    assert _main(words, lambda context: {}) == 1
    assert capfd.readouterr().err == f"toy: --data={tmp_path / 'data'} can't be read: No such file or directory\n"
    (tmp_path / "data").write_text("a")
    assert _main(words, lambda context: {}) == 0
    (tmp_path / "data").write_text("b")
    assert _main(words, lambda context: {}) == 1
    assert "contains another run: inputs.data is " in capfd.readouterr().err


def _family(name: str, run: entry.Run, **fields: Any) -> entry.Task:
    """The toy as a task of a family, with a name of its own."""
    return dataclasses.replace(toy_task.TASK, name=name, run=run, show=None, family="toys", **fields)


def _words(root: pathlib.Path, *more: str) -> list[str]:
    return ["--config=configs/toy.py", f"--workdir={root}", *more]


def test_a_family_shares_one_directory(tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]) -> None:
    def make(task: Any) -> dict[str, int]:
        (task.workdir / "made.txt").write_text(f"seed {task.seed}")
        (task.workdir / "report.html").write_text("of the first")
        return {"made": 1}

    def use(task: Any) -> dict[str, str]:
        return {"used": (task.workdir.parent / "first" / "made.txt").read_text()}

    def code(task: entry.Task, *more: str) -> int:
        with pytest.raises(SystemExit) as ended:
            entry.main(task, _words(tmp_path, *more))
        return int(ended.value.code or 0)

    first, second = _family("first", make), _family("second", use, upstream={"first/made.txt": "first"})
    assert code(second) == 1
    assert "run //tasks:first with the same --workdir first" in capfd.readouterr().err
    assert code(first) == 0
    assert (tmp_path / "report.html").read_text() == "of the first"
    assert json.loads((tmp_path / "results.json").read_text())["task"] == "first"
    assert code(second) == 0
    assert json.loads((tmp_path / "results.json").read_text())["results"] == {"used": "seed 0"}
    # What it stands on is part of the run: made anew from another seed, it makes another run.
    assert code(first, "--clear") == 0
    assert code(second) == 1
    assert code(first, "--seed=1") == 0
    capfd.readouterr()
    assert code(second) == 1
    assert "contains another run: inputs.first/made.txt is" in capfd.readouterr().err
    assert code(second, "--clear") == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["first"]


def test_a_secret_in_the_config_is_refused(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "abcdefghij")
    (tmp_path / "c.py").write_text(
        "import ml_collections\ndef get_config(): return ml_collections.ConfigDict({'model': 'x'})\n"
    )
    words = [f"--config={tmp_path / 'c.py'}", f"--workdir={tmp_path / 'w'}"]
    assert _main([*words, "--config.model=abcdefghij"], lambda context: {}) == 1
    error = capfd.readouterr().err
    assert error == "toy: config.model holds the value of the environment variable HF_TOKEN; leave it out\n"
    assert not (tmp_path / "w").exists()


def test_the_device_is_no_part_of_a_run_and_the_precision_is(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [f"--workdir={tmp_path / 'w'}"]
    started: list[Any] = []
    monkeypatch.setattr(devices, "request", started.append)
    monkeypatch.setattr(devices, "start", lambda device, task: started.append((device, task)))

    def run(context: Any) -> dict[str, Any]:
        return {"first": {"loss": 0.0, "precision": jax.config.values["jax_default_matmul_precision"]}}

    assert _main([*words, "--device=cpu"], run) == 0
    record = json.loads((tmp_path / "w" / "results.json").read_text())
    assert record["matmul_precision"] == record["results"]["first"]["precision"] == "highest"
    assert started == ["cpu", ("cpu", "toy")]
    assert _main([*words, "--device=gpu"], lambda context: pytest.fail("run again")) == 0
    assert _main([*words, "--matmul_precision=default"], run) == 1
    assert "flags.matmul_precision is absent there and default here" in capfd.readouterr().err
    # And it is put back.
    assert jax.config.values["jax_default_matmul_precision"] is None


def test_a_gpu_that_is_not_there_exits_with_1(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(devices, "request", lambda device: None)
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    assert _main([f"--workdir={tmp_path / 'w'}", "--device=gpu"], lambda context: pytest.fail("run")) == 1
    error = capfd.readouterr().err
    assert error.startswith("toy: --device=gpu: ") and error.count("\n") == 1
    assert not (tmp_path / "w").exists()


def test_a_task_may_choose_its_devices_itself(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(devices, "start", lambda device, task: pytest.fail("started"))
    task = dataclasses.replace(
        toy_task.TASK, run=lambda context: {"device": context.flags.device}, show=None, own_devices=("cpu", "all")
    )

    def code(device: str) -> int:
        with pytest.raises(SystemExit) as ended:
            entry.main(task, [f"--workdir={tmp_path / 'w'}", f"--device={device}"])
        return int(ended.value.code or 0)

    assert code("all") == 0
    assert json.loads((tmp_path / "w" / "results.json").read_text())["results"] == {"device": "all"}
    # What it measures where is another run.
    assert code("cpu") == 1
    assert "flags.device is all there and cpu here" in capfd.readouterr().err


def test_secrets_of_the_workspace_are_in_the_environment_and_nowhere_else(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "toy.py").write_text(_CONFIG)
    secrets = tmp_path / "secrets.env"
    secrets.write_text("MY_API_KEY=file-abcdefgh\nOTHER=given-too\n")
    secrets.chmod(0o644)
    monkeypatch.setenv("BUILD_WORKSPACE_DIRECTORY", str(tmp_path))
    for name in ("MY_API_KEY", "OTHER"):  # what is set by the file is taken out again after the test
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    words = [f"--workdir={tmp_path / 'w'}"]
    assert _main(words, lambda context: pytest.fail("run")) == 1
    assert capfd.readouterr().err == (
        f"toy: {secrets} is accessible to others than its owner (mode 644); run: chmod 600 {secrets}\n"
    )
    assert _main([*words, "--clear"]) == 0
    secrets.chmod(0o600)
    assert _main(words, lambda context: {"first": {"loss": len(os.environ["MY_API_KEY"])}}) == 0
    written = [path.read_bytes() for path in (tmp_path / "w").rglob("*") if path.is_file()]
    assert written and not any(b"file-abcdefgh" in content for content in written)
    captured = capfd.readouterr()
    assert "file-abcdefgh" not in captured.out + captured.err
    # What a task would write of it is refused, as for any secret of the environment.
    assert _main([f"--workdir={tmp_path / 'v'}"], lambda context: {"key": os.environ["MY_API_KEY"]}) == 1
    assert "holds the value of the environment variable MY_API_KEY; leave it out" in capfd.readouterr().err
    # So it is where its name does not tell: in the results, in a stage, and in the config.
    refused = "holds the value of the environment variable OTHER; leave it out"
    for run in (lambda context: {"key": "given-too!"}, lambda context: {"a": context.stage("a", lambda: "given-too")}):
        assert _main([f"--workdir={tmp_path / 'v'}"], run) == 1
        assert refused in capfd.readouterr().err
    config = _CONFIG.replace('"num_steps": 120', '"num_steps": 120, "note": "given-too"')
    (tmp_path / "configs" / "noted.py").write_text(config)
    words = [f"--workdir={tmp_path / 'u'}", f"--config={tmp_path / 'configs' / 'noted.py'}"]
    assert _main(words, lambda context: pytest.fail("run")) == 1
    assert f"toy: config.note {refused}" in capfd.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_the_same_command_goes_on(
    workspace: pathlib.Path,
    tmp_path: pathlib.Path,
    uninterrupted: tuple[dict[str, Any], bytes],
    number: int,
    code: int,
) -> None:
    words = [_OFTEN, f"--workdir={tmp_path}"]
    process = toy_process.start(
        workspace, words, before=_after_chunk("first", 30, f"os.kill(os.getpid(), {int(number)})")
    )
    _, error = process.communicate(timeout=120)
    assert process.returncode == code
    assert "interrupted: saving ..." in error
    assert error.endswith("toy: interrupted; all is saved, the same command goes on from there\n")
    # Where every chunk is saved, it is read before the next one is begun.
    assert _lines(tmp_path) == 3
    assert not (tmp_path / "results.json").exists()

    process = toy_process.start(workspace, words)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert "(resumed)" in error
    assert _outcome(tmp_path) == uninterrupted


def test_kills_in_the_middle_of_chunks_change_nothing(
    workspace: pathlib.Path, tmp_path: pathlib.Path, uninterrupted: tuple[dict[str, Any], bytes]
) -> None:
    words = [_OFTEN, f"--workdir={tmp_path}"]
    for name, step in (("first", 40), ("second", 30)):
        process = toy_process.start(
            workspace, words, before=_after_chunk(name, step, "os.kill(os.getpid(), signal.SIGKILL)")
        )
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL
        assert not (tmp_path / "results.json").exists()
    first = (tmp_path / "stages" / "first.json").stat().st_mtime_ns
    process = toy_process.start(workspace, words)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert (tmp_path / "stages" / "first.json").stat().st_mtime_ns == first
    assert "second: step " in error
    assert _outcome(tmp_path) == uninterrupted


# The third save dies: before its arrays are written, before its marker, or before it gets its final name.
_DEADLY = {
    "arrays": """
from orbax.checkpoint import v1
save, calls = v1.save, []
def die(*arguments, **keywords):
    calls.append(1)
    save(*arguments, **keywords) if len(calls) < 3 else os.kill(os.getpid(), signal.SIGKILL)
v1.save = die
""",
    "marker": """
from humain.files import records
write, calls = records.write_json, []
def die(path, value):
    calls.extend([1] if path.name == "COMPLETE" else [])
    write(path, value) if len(calls) < 3 else os.kill(os.getpid(), signal.SIGKILL)
records.write_json = die
""",
    "name": """
rename, calls = pathlib.Path.rename, []
def die(path, target):
    calls.append(1)
    return rename(path, target) if len(calls) < 3 else os.kill(os.getpid(), signal.SIGKILL)
pathlib.Path.rename = die
""",
}


@pytest.mark.parametrize("moment", list(_DEADLY))
def test_a_kill_in_the_middle_of_a_save_changes_nothing(
    workspace: pathlib.Path, tmp_path: pathlib.Path, uninterrupted: tuple[dict[str, Any], bytes], moment: str
) -> None:
    words = [_OFTEN, f"--workdir={tmp_path}"]
    process = toy_process.start(workspace, words, before=_DEADLY[moment])
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    names = sorted(path.name for path in (tmp_path / "checkpoints" / "first").iterdir())
    assert names == ["000000000000", "000000000010", "tmp.000000000020"]
    process = toy_process.start(workspace, words)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert "first: step 10 of 120 (resumed)" in error
    assert _outcome(tmp_path) == uninterrupted


# A compilation that takes minutes, in one C call that lets go of the interpreter lock, as XLA does.
_SLOW_COMPILER = """
import hashlib, jax
def compile(lowered):
    print("compiling", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)
jax.stages.Lowered.compile = compile
"""


def test_a_signal_in_the_first_compilation_is_heeded(
    workspace: pathlib.Path, tmp_path: pathlib.Path, uninterrupted: tuple[dict[str, Any], bytes]
) -> None:
    words = [_OFTEN, f"--workdir={tmp_path}"]
    process = toy_process.start(workspace, words, before=_SLOW_COMPILER)
    assert process.stdout is not None
    assert process.stdout.readline() == "compiling\n"
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=60)  # the compilation would go on for many minutes
    assert process.returncode == 143
    # Not by the watcher's last resort: the state is saved.
    assert error.endswith("toy: interrupted; all is saved, the same command goes on from there\n")
    assert [path.name for path in (tmp_path / "checkpoints" / "first").iterdir()] == ["000000000000"]
    process = toy_process.start(workspace, words)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert _outcome(tmp_path) == uninterrupted


def test_a_second_process_is_kept_out(workspace: pathlib.Path, tmp_path: pathlib.Path) -> None:
    words = [_OFTEN, f"--workdir={tmp_path}"]
    wait = "print('training', flush=True), signal.pause()"
    process = toy_process.start(workspace, words, before=_after_chunk("first", 10, wait))
    assert process.stdout is not None
    assert process.stdout.readline() == "training\n"
    second = toy_process.start(workspace, words)
    _, error = second.communicate(timeout=60)
    assert second.returncode == 1
    assert error.splitlines()[-1].startswith(f"toy: {tmp_path} is in use by another process; wait for it")
    process.kill()
    process.communicate(timeout=60)
