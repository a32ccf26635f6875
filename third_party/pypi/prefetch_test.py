"""What is fetched ahead is what the rules would have fetched, and gets into their way nowhere."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

import pytest

from third_party.pypi import install_wheel, prefetch
from third_party.pypi.tiny_wheels import make_wheel, spec

_NAMES = ("alpha", "beta", "gamma")
# Says what it does on its output, for a test to follow.
_FILL = """
import json, sys
from third_party.pypi import prefetch
prefetch.stop_tidily()
wanted = json.loads(sys.argv[1])
sys.exit(0 if prefetch.fill_cache(wanted, lambda line: print(line, flush=True), workers=2) else 3)
"""


@pytest.fixture(name="offered", autouse=True)
def _offered(tmp_path, monkeypatch):
    """The folder whose wheels pip is offered."""
    (tmp_path / "offered").mkdir()
    monkeypatch.setenv("BAZEL_WHEEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "offered"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(entry for entry in [os.getcwd(), *sys.path] if entry))
    return tmp_path / "offered"


@pytest.fixture(name="wanted")
def _wanted(offered):
    """Three repositories whose wheels are offered."""
    text = {"tests/__init__.py": "", "tests/some_test.py": "import os\n"}
    return {
        name: spec(
            make_wheel(offered, name, "1.0", files={f"{name}_more/{path}": body for path, body in text.items()}),
            requirement=f"{name}==1.0",
        )
        for name in _NAMES
    }


def _start(wanted):
    return subprocess.Popen(
        [sys.executable, "-c", _FILL, json.dumps(wanted)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _install(what, repository):
    """Runs the rules' own script, as they do."""
    repository.mkdir()
    script = [sys.executable, "-B", install_wheel.__file__, json.dumps(what)]
    return subprocess.run(script, cwd=repository, capture_output=True, text=True, check=False)


def _contents(folder):
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mode, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_entries_are_those_of_the_rules_byte_for_byte(wanted, tmp_path):
    process = _start(wanted)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    ahead = _contents(tmp_path / "cache")
    (tmp_path / "cache").rename(tmp_path / "ahead")
    for name, what in wanted.items():
        assert _install(what, tmp_path / name).returncode == 0
    assert ahead == _contents(tmp_path / "cache")  # under the same names, and nothing besides
    assert sum(path.endswith("/result.json") for path in ahead) == len(wanted)
    assert any(path.endswith("alpha.cpython-311.pyc") for path in ahead)
    assert not any("/tests/__pycache__/" in path for path in ahead)


def test_it_says_what_it_fetches_and_how_much(wanted):
    said, _ = _start(wanted).communicate()
    first, *lines, last = said.splitlines()
    assert first.startswith("fetching 3 Python packages into ")
    assert sorted(line.split(" ")[-4:] for line in lines) == [[name, "1.0", "(0.0", "MB)"] for name in _NAMES]
    assert last.startswith("3 of 3 Python packages are there (")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            "  Downloading jaxlib-0.10.2-cp311-cp311-manylinux_2_27_x86_64.whl (85.4 MB)\n",
            "fetching jaxlib 0.10.2 (85.4 MB)",
        ),
        ("  Downloading https://x.example/y/a_b-1-py3-none-any.whl (3 kB)\n", "fetching a_b 1 (3 kB)"),
        ("  Using cached a-1.0+cpu-py3-none-any.whl (3 kB)\n", "taking from pip's cache a 1.0+cpu (3 kB)"),
        ("Collecting jaxlib==0.10.2\n", ""),
    ],
)
def test_pip_s_own_lines_give_the_sizes(line, says):
    assert prefetch.announcement(line) == says


@pytest.mark.parametrize("folder", ["plain", "with spaces", "with%20percent"])
def test_the_size_of_a_file_is_stated_however_its_path_is_spelt(tmp_path, folder):
    (tmp_path / folder).mkdir()
    file = tmp_path / folder / "a_b-1.0-py3-none-any.whl"
    file.write_bytes(bytes(250_000))
    for place in (str(file), urllib.parse.quote(str(file))):
        line = f"Processing {place} (from -r requirements.txt (line 1))\n"
        assert prefetch.announcement(line) == f"taking from {os.path.dirname(place)} a_b 1.0 (0.2 MB)"
    file.unlink()
    assert prefetch.announcement(line).endswith(" a_b 1.0 (size not stated)")


def test_what_is_there_is_left_alone(wanted):
    _start(wanted).communicate()
    said, _ = _start(wanted).communicate()
    assert said == ""


def test_a_wheel_that_cannot_be_had_is_left_to_the_rules_which_say_why(wanted, tmp_path):
    wanted["beta"]["wheels"][0]["hashes"] = ["sha256:" + "0" * 64]
    process = _start(wanted)
    said, _ = process.communicate()
    assert process.returncode == 3
    assert said.splitlines()[-1].endswith("; left to Bazel: beta")
    assert len(list((tmp_path / "cache").iterdir())) == 2  # neither a lock nor a part of it
    run = _install(wanted["beta"], tmp_path / "beta")
    assert run.returncode == 1 and run.stderr.startswith("wrong hash: the wheel of beta==1.0")


def test_the_rules_wait_for_what_is_being_fetched(wanted, tmp_path):
    entry = install_wheel.cache_entry(wanted["alpha"])
    entry.parent.mkdir()
    descriptor = install_wheel.lock(entry)
    assert descriptor is not None and install_wheel.lock(entry) is None
    (tmp_path / "repository").mkdir()
    script = [sys.executable, "-B", install_wheel.__file__, json.dumps(wanted["alpha"])]
    with subprocess.Popen(script, cwd=tmp_path / "repository", stdout=subprocess.PIPE, text=True) as waiting:
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(timeout=3)
        assert [path.name for path in entry.parent.iterdir()] == [entry.with_suffix(".lock").name]  # it began nothing
        (entry / "site-packages").mkdir(parents=True)
        (entry / "wheel_record.txt").write_text("")
        (entry / "result.json").write_text('{"deps": ["from the cache"]}')
        install_wheel.unlock(entry, descriptor)
        assert json.loads(waiting.communicate()[0]) == {"deps": ["from the cache"]}
    assert [path.name for path in entry.parent.iterdir()] == [entry.name]


def test_who_waits_too_long_fetches_it_as_well(wanted, tmp_path, monkeypatch, capsys):
    entry = install_wheel.cache_entry(wanted["alpha"])
    entry.parent.mkdir()
    descriptor = install_wheel.lock(entry)
    assert descriptor is not None
    monkeypatch.setattr(install_wheel, "PATIENCE_SECONDS", 0.1)
    (tmp_path / "repository").mkdir()
    monkeypatch.chdir(tmp_path / "repository")
    install_wheel.main(wanted["alpha"])
    assert entry.exists() and json.loads(capsys.readouterr().out) == {"deps": []}
    install_wheel.unlock(entry, descriptor)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_fetch_that_is_stopped_leaves_nothing_that_holds_the_rules_up(wanted, tmp_path, number):
    with _start(wanted) as process:
        assert process.stdout.readline().startswith("fetching 3 ")
        process.send_signal(number)
        process.stdout.read()
    for name, what in wanted.items():
        assert _install(what, tmp_path / name).returncode == 0
        assert (tmp_path / name / "site-packages" / f"{name}.py").exists()
    if number == signal.SIGTERM:  # it tidies up
        until = time.monotonic() + 20
        while list((tmp_path / "cache").glob("new-*")) and time.monotonic() < until:
            time.sleep(0.1)
        assert list((tmp_path / "cache").glob("new-*")) == []


def test_the_locks_of_what_is_not_begun_go_with_the_process(wanted, tmp_path):
    """Also where a pip of its outlives it: here one that waits for a silent index."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        place = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        env = {**os.environ, "PIP_NO_INDEX": "0", "PIP_INDEX_URL": place, "PIP_FIND_LINKS": ""}
        command = [sys.executable, "-c", _FILL, json.dumps(wanted)]
        with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            connection, _ = silent.accept()
            process.kill()
        free = []
        for what in wanted.values():
            if (descriptor := install_wheel.lock(install_wheel.cache_entry(what))) is not None:
                free.append(descriptor)
        assert len(free) >= 1  # two are at work at a time
        connection.close()


@pytest.mark.parametrize("group", [False, True], ids=["kill", "ctrl-c"])
def test_a_fetch_that_is_stopped_stops_its_pip(wanted, tmp_path, group):
    """Before what pip writes into is removed: here one that waits for a silent index, and long."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        place = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        index = {"PIP_NO_INDEX": "0", "PIP_INDEX_URL": place, "PIP_FIND_LINKS": "", "PIP_DEFAULT_TIMEOUT": "600"}
        command = [sys.executable, "-c", _FILL, json.dumps(wanted)]
        with subprocess.Popen(
            command,
            env={**os.environ, **index},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process:
            connection, _ = silent.accept()
            if group:
                os.killpg(process.pid, signal.SIGINT)
            else:
                process.terminate()
            connection.settimeout(20)
            while connection.recv(4096):  # until nobody has its other end
                pass
            process.communicate(timeout=20)  # nor this output
        connection.close()
    assert list((tmp_path / "cache").glob("new-*")) == []


def test_a_pip_that_does_not_heed_is_stopped_by_force(monkeypatch):
    from pip._internal.cli import main as pip

    def deaf(_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(1, b"a line\n")
        time.sleep(600)

    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(prefetch, "_TIDYING_SECONDS", 0.1)
    monkeypatch.setattr(prefetch, "announcement", lambda line: line)
    monkeypatch.setattr(pip, "main", deaf)
    with pytest.raises(KeyboardInterrupt):
        prefetch.forked_pip(stop)(["install"], None)
    with pytest.raises(ChildProcessError):  # none is left to wait for
        os.waitpid(-1, os.WNOHANG)


def test_a_file_system_without_locks_does_without(wanted, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("no locks here")

    monkeypatch.setattr(install_wheel.fcntl, "flock", refuse)
    (tmp_path / "cache").mkdir()
    with install_wheel.waiting_for(tmp_path / "cache" / "entry"):
        pass


def test_the_specs_are_the_hub_s(tmp_path):
    (tmp_path / "WORKSPACE.bazel").write_text(
        "pypi_hub(name = 'pypi', locks = {'//:a.txt': 'cpu', '//:b.txt': 'cuda'}, merged = {'all_x': ['x_*']})\n"
    )
    pin = " \\\n    --hash=sha256:00\n"
    (tmp_path / "a.txt").write_text(f"base==1{pin}jax==1{pin}    # via x-one\n")
    (tmp_path / "b.txt").write_text(f"base==1{pin}    # via x-one\njax==1{pin}x-one==1{pin}    # via jax\n")
    found = prefetch.specs(tmp_path, ["base", "jax"])
    assert list(found) == ["base", "jax__cpu"]
    assert found["base"] == {**spec("00", requirement="base==1")}
    cuda = prefetch.specs(tmp_path, ["jax"], config="cuda")["jax__cuda"]
    assert (cuda["deps"], cuda["members"]) == (["all_x"], {"x_one": "all_x"})
    with pytest.raises(ValueError, match="WORKSPACE.bazel makes no hub"):
        prefetch.hub_arguments("workspace(name = 'x')\n")


def test_it_has_what_the_rules_set(tmp_path, monkeypatch):
    bundled = tmp_path / "ensurepip" / "_bundled" / "pip-1-py3-none-any.whl"
    bundled.parent.mkdir(parents=True)
    bundled.touch()
    monkeypatch.setattr(prefetch.sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.delenv("BAZEL_TORCH_INDEX", raising=False)
    (tmp_path / "requirements.in").write_text("# why\n--extra-index-url https://index.example/cpu\ntorch\n")
    assert prefetch.environment(tmp_path) == {
        "BAZEL_TORCH_INDEX": "https://index.example/cpu",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONPATH": f"{bundled}:{tmp_path}",
    }
    monkeypatch.setenv("BAZEL_TORCH_INDEX", "")
    found = prefetch.environment(tmp_path)
    assert found is not None and "BAZEL_TORCH_INDEX" not in found  # the user's holds


def test_a_pip_that_takes_too_long_is_stopped(monkeypatch):
    from pip._internal.cli import main as pip

    monkeypatch.setattr(pip, "main", lambda _: time.sleep(600))
    with pytest.raises(subprocess.TimeoutExpired):
        prefetch.forked_pip(print)(["install"], 1)
