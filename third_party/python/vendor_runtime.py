"""Copies the running CPython into DEST, relocatable and without any third-party package: vendor_runtime.py DEST.

Run by the `python_runtime` repository rule with the host interpreter in isolated mode. DEST gets bin/, lib/
(libpython, and the standard library with byte code that holds no path and no time stamp, so that the copy is
the same bytes at every place), include/ and pip/ (pip alone, for the repository rules).

The copy is made once, in the user's cache of wheels (see install_wheel.py), and DEST's files are links to it, until the
interpreter or a file of its library changes.
"""

from __future__ import annotations

import compileall
import contextlib
import glob
import hashlib
import os
import pathlib
import py_compile
import shutil
import sys
import sysconfig
import tempfile
import time
import zipfile
from collections.abc import Iterator

_VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
# Python would put the script's real folder, undeclared neighbours and all, and the user's site directory on the path;
# and it (or pytest) would write byte code through a link into a wheel, whose contents are part of the cache keys.
# `bazel run` hands the user's environment on: of PYTHONPATH only what lies in this program's own runfiles is kept.
_LAUNCHER = """#!/bin/sh
runfiles=${0%/*/bin/python3}
kept=
set -f
IFS=:
for entry in ${PYTHONPATH-}; do
  case $entry in
    "$runfiles" | "$runfiles"/*) kept=$kept${kept:+:}$entry ;;
  esac
done
unset IFS PYTHONHOME PYTHONSTARTUP PYTHONUSERBASE PYTHONINSPECT PYTHONPLATLIBDIR
set +f
export PYTHONPATH="$kept" PYTHONSAFEPATH=1 PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1
exec "${0%/*}/python@VERSION@" "$@"
""".replace("@VERSION@", _VERSION)
_LEFT_OUT = {
    "__pycache__",
    "dist-packages",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "site-packages",
    "test",
    "tests",
    "turtledemo",
}
# Those of install_wheel.py, whose cache it is: each removes what the other left.
_UNFINISHED = "new-"
_DEAD_AFTER_SECONDS = 2 * 3600


def left_out(_: str, names: list[str]) -> list[str]:
    """Returns the names in a folder that are left out of the copy of the standard library."""
    return [n for n in names if n in _LEFT_OUT or n.startswith("config-" + _VERSION) or " " in n]


def libraries() -> list[str]:
    """Returns the files of libpython; none if the interpreter is linked statically."""
    return glob.glob(os.path.join(sysconfig.get_config_var("LIBDIR") or "", "libpython3*.so*"))


def pip_source() -> pathlib.Path:
    """Returns the pip wheel of Python or of Debian's python3-pip-whl, else the folder of the installed pip."""
    bundled = os.path.join(sysconfig.get_path("stdlib"), "ensurepip", "_bundled", "pip-*.whl")
    if wheels := glob.glob(bundled) + glob.glob("/usr/share/python-wheels/pip-*.whl"):
        return pathlib.Path(wheels[0])
    try:
        import pip  # isolated mode keeps the interpreter's own site-packages
    except ImportError:
        sys.exit(f"no pip beside {sys.executable}: install pip (Debian: apt-get install python3-pip-whl)")
    return pathlib.Path(str(pip.__file__)).parent


def copy_interpreter(dest: pathlib.Path) -> None:
    """bin/python3.11, the interpreter itself, and bin/python3, which starts it in a clean environment."""
    binary = pathlib.Path(os.path.realpath(sys.executable)).read_bytes()
    # A shared build names its libpython's folder: make that the copy's own.
    old = (sysconfig.get_config_var("LIBDIR") or "").encode() + b"\0"
    new = b"$ORIGIN/../lib\0"
    if len(old) >= len(new):
        binary = binary.replace(b"\0" + old, b"\0" + new.ljust(len(old), b"\0"))
    (dest / "bin").mkdir(parents=True)
    for name, content in ("python" + _VERSION, binary), ("python3", _LAUNCHER.encode()):
        target = dest / "bin" / name
        target.write_bytes(content)
        target.chmod(0o755)


def copy_stdlib(dest: pathlib.Path) -> None:
    """lib/: the standard library without its tests and its installed packages, and libpython if there is one."""
    shutil.copytree(sysconfig.get_path("stdlib"), dest / "lib" / ("python" + _VERSION), ignore=left_out)
    for library in libraries():
        shutil.copy(library, dest / "lib")


def copy_pip(dest: pathlib.Path) -> None:
    """pip/: pip out of its wheel, or the installed one."""
    source = pip_source()
    if source.is_dir():
        shutil.copytree(source, dest / "pip" / "pip", ignore=shutil.ignore_patterns("__pycache__"))
        return
    with zipfile.ZipFile(source) as archive:
        archive.extractall(dest / "pip")


def copy_headers(dest: pathlib.Path) -> None:
    """include/: Python's C headers, or nothing if they are not installed."""
    include = pathlib.Path(sysconfig.get_path("include"))
    if (include / "Python.h").exists():
        shutil.copytree(include, dest / "include")
    else:
        (dest / "include").mkdir()


def digest(folder: pathlib.Path) -> str:
    """The hash of the names and contents of all files below `folder`."""
    result = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        result.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return result.hexdigest()


def compile_all(folder: pathlib.Path, workers: int = 0) -> None:
    """Compiles what is below `folder`, by as many processes at a time, or for 0 as there are cores."""
    compileall.compile_dir(
        folder,
        quiet=2,
        maxlevels=20,
        workers=workers,
        stripdir=str(folder),
        prependdir="",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def fill(dest: pathlib.Path) -> None:
    """Copies all of it into `dest`."""
    copy_interpreter(dest)
    copy_stdlib(dest)
    copy_pip(dest)
    copy_headers(dest)
    for folder in (dest / "lib", dest / "pip"):
        try:
            compile_all(folder)
        except OSError:  # such as a machine without the shared memory that processes agree in
            compile_all(folder, workers=1)
    # What Bazel watches in place of the folder `lib`.
    (dest / "runtime.txt").write_text(f"{sys.version}\n{digest(dest / 'lib')}\n", encoding="utf-8")


def sources() -> Iterator[pathlib.Path]:
    """Returns every file that `fill` copies or reads, and possibly others."""
    yield pathlib.Path(os.path.realpath(sys.executable))
    yield from map(pathlib.Path, libraries())
    yield pip_source()
    for root in (sysconfig.get_path("stdlib"), sysconfig.get_path("include"), str(pip_source())):
        for folder, folders, files in os.walk(root, followlinks=True):
            skipped = set(left_out(folder, folders + files))
            folders[:] = sorted(set(folders) - skipped)
            yield from (pathlib.Path(folder, name) for name in sorted(set(files) - skipped))


def cache_entry() -> pathlib.Path:
    """Returns the folder, in the user's cache, of this script's copy of this interpreter."""
    key = hashlib.sha256(pathlib.Path(__file__).read_bytes() + sys.version.encode())
    for path in sources():
        status = path.stat()
        key.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    cache = os.environ.get("BAZEL_WHEEL_CACHE") or os.path.join(home, "bazel-wheels")
    return pathlib.Path(cache, f"python-{key.hexdigest()}")


def link_or_copy(source: str, destination: str) -> None:
    """Makes `destination` a hard link to `source`, or a copy if the file system does not allow links."""
    try:
        os.link(source, destination)
    except OSError:
        shutil.copy2(source, destination)


def fill_cache(entry: pathlib.Path) -> None:
    """Creates a folder of the cache, which is either complete or absent, and removes what killed runs have left."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    for rest in entry.parent.glob(f"{_UNFINISHED}*"):
        with contextlib.suppress(OSError):
            if time.time() - rest.stat().st_mtime > _DEAD_AFTER_SECONDS:
                shutil.rmtree(rest)
    with tempfile.TemporaryDirectory(dir=entry.parent, prefix=_UNFINISHED, ignore_cleanup_errors=True) as folder:
        fill(pathlib.Path(folder, entry.name))
        if not entry.exists():  # Otherwise another build was faster.
            os.rename(pathlib.Path(folder, entry.name), entry)


def main(dest: pathlib.Path) -> None:
    """Fills `dest` with links to the copy in the cache, made if necessary; or with a copy if links are impossible."""
    entry = cache_entry()
    try:
        if not entry.exists():
            fill_cache(entry)
        made = True
    except OSError:
        made = False
    if not made:
        fill(dest)
        return
    for name in ("bin", "include", "lib", "pip"):
        # Into new folders: overwriting an existing file would write into the file that it is a link to.
        shutil.copytree(entry / name, dest / name, copy_function=link_or_copy)
    shutil.copy(entry / "runtime.txt", dest)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
