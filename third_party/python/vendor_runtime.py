"""Copies the running CPython into DEST, relocatable and without any third-party package: vendor_runtime.py DEST.

Run by the `python_runtime` repository rule with the host interpreter in isolated mode. DEST gets bin/, lib/
(libpython, and the standard library with byte code that holds no path and no time stamp, so that the copy is
the same bytes at every place), include/ and pip/ (pip alone, for the repository rules).
"""

from __future__ import annotations

import compileall
import glob
import hashlib
import os
import pathlib
import py_compile
import shutil
import sys
import sysconfig
import zipfile

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

    def left_out(_: str, names: list[str]) -> list[str]:
        return [n for n in names if n in _LEFT_OUT or n.startswith("config-" + _VERSION) or " " in n]

    shutil.copytree(sysconfig.get_path("stdlib"), dest / "lib" / ("python" + _VERSION), ignore=left_out)
    for library in glob.glob(os.path.join(sysconfig.get_config_var("LIBDIR") or "", "libpython3*.so*")):
        shutil.copy(library, dest / "lib")


def copy_pip(dest: pathlib.Path) -> None:
    """pip/: pip out of the wheel that comes with Python or with Debian's python3-pip-whl, else the installed one."""
    bundled = os.path.join(sysconfig.get_path("stdlib"), "ensurepip", "_bundled", "pip-*.whl")
    wheels = glob.glob(bundled) + glob.glob("/usr/share/python-wheels/pip-*.whl")
    if wheels:
        with zipfile.ZipFile(wheels[0]) as archive:
            archive.extractall(dest / "pip")
        return
    try:
        import pip  # isolated mode keeps the interpreter's own site-packages
    except ImportError:
        sys.exit(f"no pip beside {sys.executable}: install pip (Debian: apt-get install python3-pip-whl)")
    folder = os.path.dirname(str(pip.__file__))
    shutil.copytree(folder, dest / "pip" / "pip", ignore=shutil.ignore_patterns("__pycache__"))


def copy_headers(dest: pathlib.Path) -> None:
    """include/: Python's C headers, or nothing where they are not installed."""
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


def main(dest: pathlib.Path) -> None:
    """Fills `dest`."""
    copy_interpreter(dest)
    copy_stdlib(dest)
    copy_pip(dest)
    copy_headers(dest)
    for folder in (dest / "lib", dest / "pip"):
        compileall.compile_dir(
            folder,
            quiet=2,
            maxlevels=20,
            stripdir=str(folder),
            prependdir="",
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    # What Bazel watches in place of the folder `lib`.
    (dest / "runtime.txt").write_text(f"{sys.version}\n{digest(dest / 'lib')}\n", encoding="utf-8")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
