"""The copy of the interpreter, by way of the user's cache: of a tiny interpreter and library, to take moments."""

import os
import pathlib
import shutil
import sys
import zipfile

import pytest

from third_party.python import vendor_runtime


@pytest.fixture(name="machine", autouse=True)
def _machine(tmp_path, monkeypatch):
    """A machine with a Python of a few files: its folder."""
    paths = {"stdlib": tmp_path / "usr" / "stdlib", "include": tmp_path / "usr" / "include"}
    for name, text in {
        "stdlib/os.py": "name = 'posix'\n",
        "stdlib/json/__init__.py": "def loads(text): return {'a', 'b'}\n",
        "stdlib/test/some_test.py": "",
        "stdlib/ensurepip/_bundled/pip-1.0-py3-none-any.whl": "",
        "include/Python.h": "",
        "bin/python": "ELF",
        "lib/libpython3.so": "ELF",
    }.items():
        file = tmp_path / "usr" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    with zipfile.ZipFile(paths["stdlib"] / "ensurepip" / "_bundled" / "pip-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("pip/__main__.py", "")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "usr" / "bin" / "python"))
    monkeypatch.setattr(vendor_runtime.sysconfig, "get_path", lambda name: str(paths[name]))
    monkeypatch.setattr(vendor_runtime.sysconfig, "get_config_var", lambda _: str(tmp_path / "usr" / "lib"))
    monkeypatch.setenv("BAZEL_WHEEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "usr"


@pytest.fixture(name="fills")
def _fills(monkeypatch):
    """The folders that a copy was made in, in place of linked."""
    made, fill = [], vendor_runtime.fill

    def noted(dest):
        made.append(dest)
        fill(dest)

    monkeypatch.setattr(vendor_runtime, "fill", noted)
    return made


def _contents(folder):
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mode, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def _entries(tmp_path):
    return sorted(path.name for path in (tmp_path / "cache").iterdir())


def test_the_second_clone_gets_links_to_the_same_files(tmp_path, fills):
    for clone in ("one", "two"):
        (tmp_path / clone).mkdir()
        vendor_runtime.main(tmp_path / clone)
    assert len(fills) == 1
    assert _contents(tmp_path / "one") == _contents(tmp_path / "two")
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    names = set(_contents(tmp_path / "one"))
    assert {f"bin/{version}", f"lib/{version}/os.py", "lib/libpython3.so", "include/Python.h", "runtime.txt"} <= names
    assert any(name.startswith("pip/pip/__pycache__/__main__") for name in names)
    assert not any("test" in name for name in names)
    assert len({(tmp_path / clone / "lib" / version / "os.py").stat().st_ino for clone in ("one", "two")}) == 1
    assert [name[:7] for name in _entries(tmp_path)] == ["python-"]  # nothing unfinished


def test_with_and_without_the_cache_the_bytes_are_the_same(tmp_path, monkeypatch, fills):
    vendor_runtime.main(tmp_path / "with")
    (tmp_path / "a_file").touch()
    monkeypatch.setenv("BAZEL_WHEEL_CACHE", str(tmp_path / "a_file" / "cache"))  # cannot be made, by root either
    vendor_runtime.main(tmp_path / "without")
    assert fills[-1] == tmp_path / "without"
    assert _contents(tmp_path / "with") == _contents(tmp_path / "without")


@pytest.mark.parametrize(
    "changed",
    [
        "stdlib/json/__init__.py",
        "stdlib/ensurepip/_bundled/pip-1.0-py3-none-any.whl",
        "include/Python.h",
        "bin/python",
        "lib/libpython3.so",
    ],
)
def test_another_file_is_another_entry(tmp_path, machine, changed):
    vendor_runtime.main(tmp_path / "one")
    before = vendor_runtime.cache_entry()
    status = (machine / changed).stat()
    os.utime(machine / changed, ns=(status.st_atime_ns, status.st_mtime_ns + 1))  # of the same size
    vendor_runtime.main(tmp_path / "two")
    assert vendor_runtime.cache_entry() != before
    assert len(_entries(tmp_path)) == 2


def test_a_changed_library_is_copied_and_the_old_copy_stays(tmp_path, machine):
    vendor_runtime.main(tmp_path / "one")
    (machine / "stdlib" / "os.py").write_text("name = 'another'\n")
    vendor_runtime.main(tmp_path / "two")
    (one, two) = (next((tmp_path / clone).glob("lib/python*/os.py")).read_text() for clone in ("one", "two"))
    assert (one, two) == ("name = 'posix'\n", "name = 'another'\n")
    digests = {(tmp_path / clone / "runtime.txt").read_text() for clone in ("one", "two")}
    assert len(digests) == 2  # by which Bazel notices


def test_what_is_not_copied_is_no_part_of_the_key(machine):
    before = vendor_runtime.cache_entry()
    (machine / "stdlib" / "__pycache__").mkdir()
    (machine / "stdlib" / "__pycache__" / "os.cpython-311.pyc").touch()
    (machine / "stdlib" / "test" / "another_test.py").touch()
    assert vendor_runtime.cache_entry() == before


def test_nothing_is_written_over(tmp_path):
    vendor_runtime.main(tmp_path / "one")
    with pytest.raises(FileExistsError):
        vendor_runtime.main(tmp_path / "one")


def test_the_rest_of_a_killed_run_is_swept(tmp_path):
    for name in ("new-old", "new-young"):
        (tmp_path / "cache" / name).mkdir(parents=True)
    os.utime(tmp_path / "cache" / "new-old", (0, 0))
    vendor_runtime.main(tmp_path / "one")
    assert [name[:7] for name in _entries(tmp_path)] == ["new-you", "python-"]


def test_a_copy_that_fails_midway_leaves_no_entry(tmp_path, monkeypatch):
    monkeypatch.setattr(vendor_runtime, "copy_headers", lambda _: sys.exit("stopped"))
    with pytest.raises(SystemExit):
        vendor_runtime.main(tmp_path / "one")
    assert _entries(tmp_path) == []


def test_it_copies_where_links_cannot_be_made(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("another file system")

    monkeypatch.setattr(vendor_runtime.os, "link", refuse)
    vendor_runtime.main(tmp_path / "one")
    (entry,) = (tmp_path / "cache").iterdir()
    assert _contents(entry) == _contents(tmp_path / "one")


def test_a_machine_without_worker_processes_compiles_the_same(tmp_path, monkeypatch):
    vendor_runtime.main(tmp_path / "with")
    compile_dir = vendor_runtime.compileall.compile_dir

    def refuse(folder, **options):
        if options["workers"] != 1:
            raise OSError("no shared memory")
        return compile_dir(folder, **options)

    monkeypatch.setattr(vendor_runtime.compileall, "compile_dir", refuse)
    shutil.rmtree(tmp_path / "cache")
    vendor_runtime.main(tmp_path / "without")
    assert _contents(tmp_path / "with") == _contents(tmp_path / "without")


def test_the_script_runs_alone():
    text = pathlib.Path(vendor_runtime.__file__).read_text()
    assert "third_party." not in text  # the host's interpreter runs it in isolated mode
