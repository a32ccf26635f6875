"""What becomes of a resolution in a lock, by hand; and pip, offline, takes the build that the lock means."""

import hashlib
import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

from tools.lock import entries

_LINUX = """\
alpha[fast]==1.0 \\
    --hash=sha256:bb \\
    --hash=sha256:cc
    # via
    #   -r requirements.in
    #   beta
beta==2.0+cpu \\
    --hash=sha256:dd
    # via -r requirements.in
loop==3 \\
    --hash=sha256:ee
    # via alpha
"""
_WINDOWS = """\
alpha[fast]==1.0 \\
    --hash=sha256:bb
beta==2.0 \\
    --hash=sha256:ff
colour==4 \\
    --hash=sha256:99
    # via alpha
"""
_MAC = """\
alpha[fast]==1.0 \\
    --hash=sha256:bb
beta==2.0 \\
    --hash=sha256:ff
loop==3 \\
    --hash=sha256:ee
"""
_INDEX = """\
lock-version = "1.0"

[[packages]]
name = "alpha"
version = "1.0"
wheels = [
    { url = "https://index.example/a/alpha-1.0-py3-none-any.whl", hashes = { sha256 = "bb" } },
    { name = "alpha-1.0-cp311-cp311-win_amd64.whl", url = "https://index.example/b", hashes = { sha256 = "aa" } },
]

[[packages]]
name = "beta"
version = "2.0"
wheels = [
    { url = "https://index.example/beta-2.0-cp311-cp311-manylinux_2_28_x86_64.whl", hashes = { sha256 = "01" } },
    { url = "https://index.example/beta-2.0-cp311-cp311-win_amd64.whl", hashes = { sha256 = "03" } },
    { url = "https://index.example/beta-2.0-cp311-cp311-macosx_14_0_arm64.whl", hashes = { sha256 = "02" } },
]
"""
_LOCK = """\
alpha[fast]==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb \\
    --hash=sha256:cc
    # via
    #   -r requirements.in
    #   beta
beta==2.0 \\
    --hash=sha256:dd \\
    --hash=sha256:02 \\
    --hash=sha256:03
    # local build: 2.0+cpu
    # via -r requirements.in
colour==4 ; sys_platform == 'win32' \\
    --hash=sha256:99
    # via alpha
loop==3 ; sys_platform != 'win32' \\
    --hash=sha256:ee
    # via alpha
"""


def _locked():
    pins = entries.parse(_LINUX)
    pins = entries.with_systems(pins, {"darwin": entries.parse(_MAC), "win32": entries.parse(_WINDOWS)})
    return entries.with_index_wheels(pins, entries.wheels(_INDEX))


def test_a_resolution_becomes_a_lock():
    assert entries.render(_locked()) == _LOCK


def test_a_lock_is_read_as_it_is_written():
    assert entries.parse(_LOCK) == _locked()
    assert entries.parse("# a header\n# and more\n" + _LOCK) == _locked()


def test_the_local_build_is_what_is_preferred_next_time():
    preferred = entries.with_local_builds(entries.parse(_LOCK))
    assert (preferred["beta"].version, preferred["beta"].hashes) == ("2.0+cpu", ())
    assert preferred["alpha"] == entries.parse(_LOCK)["alpha"]
    assert entries.local_builds(entries.parse(_LOCK)) == {"beta 2.0+cpu"}
    assert entries.local_builds(entries.parse(_LINUX)) == set()


def test_another_lock_gets_the_same_systems():
    cuda = entries.parse(_LINUX + "gamma==5 \\\n    --hash=sha256:55\n")
    marked = entries.with_systems_of(cuda, entries.parse(_LOCK))
    assert {name: entry.marker for name, entry in marked.items()} == {
        "alpha": "",
        "beta": "",
        "colour": "sys_platform == 'win32'",
        "gamma": "",
        "loop": "sys_platform != 'win32'",
    }
    assert marked["loop"].hashes == ("sha256:ee",)


def test_what_two_systems_need_names_both():
    needs = entries.parse("extra==1 \\\n    --hash=sha256:11\n")
    marked = entries.with_systems({}, {"darwin": needs, "win32": needs})
    assert marked["extra"].marker == "sys_platform == 'darwin' or sys_platform == 'win32'"
    without = entries.with_systems(needs, {"darwin": {}, "win32": {}})
    assert without["extra"].marker == "sys_platform != 'darwin' and sys_platform != 'win32'"


_ASKING = """\
asking==1 \\
    --hash=sha256:11
    # via -r requirements.in
engine==2 \\
    --hash=sha256:22
    # via
    #   asking
    #   world
paint==3 \\
    --hash=sha256:33
    # via world
world[games, physics]==4 \\
    --hash=sha256:44
    # via
    #   -r requirements.in
    #   asking
"""
_APART = """\
asking==1 \\
    --hash=sha256:11
    # via -r requirements.in
engine==2 \\
    --hash=sha256:22
    # via asking
paint==3 \\
    --hash=sha256:33
    # via asking
world[games]==4 \\
    --hash=sha256:44
    # via
    #   -r requirements.in
    #   asking
"""


def test_what_an_extra_brings_is_for_who_asks_for_it():
    def apart(text):
        found = entries.with_extra_apart(entries.parse(text), "world", "physics", "asking", ["engine", "paint"])
        return entries.render(found)

    assert apart(_ASKING) == _APART
    others = _ASKING.replace("    #   asking\n    #   world\n", "    #   asking\n    #   tool\n    #   world\n")
    assert "    # via\n    #   asking\n    #   tool\npaint" in apart(others)
    assert apart(_ASKING.replace("[games, physics]", "[physics]")) == _APART.replace("[games]", "")
    without = _ASKING.replace(", physics]", "]")
    assert apart(without) == without
    assert entries.with_extra_apart({}, "world", "physics", "asking", ["engine"]) == {}


def _make_wheel(folder, version):
    """Writes a wheel of `tiny`; returns its hash."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"tiny-{version}.dist-info"
    wheel = folder / f"tiny-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.mark.parametrize("allows_the_index_s", [False, True])
def test_pip_takes_the_local_build_where_the_lock_leaves_the_index_s_out(tmp_path, allows_the_index_s):
    """With both allowed it takes the other one, whose hash the index states: why entries.py leaves that out."""
    index, links = tmp_path / "index" / "tiny", tmp_path / "links"
    public, local = _make_wheel(index, "1.0"), _make_wheel(links, "1.0+cpu")
    name = "tiny-1.0-py3-none-any.whl"
    (index / "index.html").write_text(f'<!DOCTYPE html><a href="{name}#sha256={public}">{name}</a>')
    lock = tmp_path / "lock.txt"
    hashes = [local, *([public] if allows_the_index_s else [])]
    lock.write_text("tiny==1.0 " + " ".join(f"--hash=sha256:{digest}" for digest in hashes) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", f"--dest={tmp_path / 'got'}", f"-r{lock}"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": (tmp_path / "index").as_uri(),
            "PIP_FIND_LINKS": str(links),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "HOME": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (got,) = pathlib.Path(tmp_path, "got").iterdir()
    assert ("+cpu" in got.name) is not allows_the_index_s
