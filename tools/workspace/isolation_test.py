"""Nothing that is installed on the machine can be imported, nor a file that no target names, and there is no network.

This test depends on numpy and pytest alone, so these and what they require are all that may be found.
"""

import importlib.util
import os
import pathlib
import site
import socket
import subprocess
import sys

import numpy
import pytest

# On developers' machines, beside the interpreter, in a user's folder, or among this repository's own wheels.
_FOREIGN = ["IPython", "jax", "pip", "setuptools", "torch", "uv", "yaml", "tools.lock", "tools.workspace.modes_test"]
_CHILD = f"""
import sys, importlib.util as u
def found(name):
    try:
        return u.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
print(*[name for name in {_FOREIGN!r} if found(name)])
"""


def _is_found(name):
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # of a package above it
        return False


def test_the_interpreter_is_the_toolchain_s():
    assert sys.version_info[:2] == (3, 11)
    assert not site.ENABLE_USER_SITE
    repository = pathlib.Path(sys.prefix).resolve()  # .../external/python_3_11, or bzlmod's name for it
    assert repository.parent.name == "external" and "python_3_11" in repository.name
    assert not pathlib.Path(sys.prefix, "lib", "python3.11", "site-packages", "pip").exists()


def test_every_entry_of_the_import_path_is_an_input():
    runfiles = os.environ["TEST_SRCDIR"]
    stdlib = os.path.dirname(os.__file__)
    for entry in sys.path:
        assert entry.startswith((runfiles, stdlib)) or entry.endswith("python311.zip"), entry
    assert numpy.__file__.startswith(runfiles)


@pytest.mark.parametrize("name", _FOREIGN)
def test_what_is_not_a_dependency_is_not_found(name):
    assert not _is_found(name)


@pytest.mark.parametrize("env", [dict(os.environ), {}], ids=["inherited", "empty"])
def test_a_child_finds_no_more(env):
    done = subprocess.run([sys.executable, "-c", _CHILD], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def test_there_is_no_network_but_the_sandbox_s_own_loopback():
    assert [name for _, name in socket.if_nameindex()] == ["lo"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside, pytest.raises(OSError, match="unreachable"):
        outside.connect(("192.0.2.1", 9))  # kept for documentation: no packet is sent, a route is all that it needs


def test_a_server_outside_cannot_be_reached():
    """Bazel's own server listens on the machine's loopback while this runs, at an address that it writes down."""
    port_file = pathlib.Path(sys.prefix).resolve().parents[1] / "server" / "command_port"
    if not port_file.exists():
        pytest.skip("no Bazel server on this machine: the test runs on another one")
    host, _, port = port_file.read_text().strip().rpartition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def test_a_program_started_by_hand_ignores_the_user_s_import_path(tmp_path):
    """As with `bazel run`, which hands the whole environment of the user on."""
    (tmp_path / "smuggled.py").write_text("")
    done = subprocess.run(
        [os.path.abspath("tools/workspace/greet"), "smuggled"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "hello; smuggled: not found\n"), done.stderr
