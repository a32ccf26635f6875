"""Installs the wheels of one repository into ./site-packages: install_wheel.py SPEC_JSON, run by `pypi_wheel`.

SPEC_JSON is one of the repositories that parse_lock.py prints, with "members": the repository of each wheel that is in
one with others. Prints, as JSON, what the repository's BUILD file needs: {"deps": [NAME]}. $BAZEL_TORCH_INDEX is the
address of an index to try for a local build, such as torch 2.13.0+cpu, that pip's own settings don't show; without it,
none is tried.

pip, which is importable here, reads the user's own configuration and environment, so an index, a proxy or find-links
set up for pip holds here too. What is installed goes into a cache of the user's, and the files of ./site-packages are
links to those of the cache: another clone, another output base and `bazel clean --expunge` pay nothing again, and a
repository stays whole when the cache is deleted. What another process, such as prefetch.py, is putting there is waited
for.
"""

from __future__ import annotations

import compileall
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from email.parser import HeaderParser
from typing import Any

_SITE = "site-packages"
_UNFINISHED = "new-"
# A fetch may take an hour, see pypi.bzl: older unfinished folders were left by one that was killed.
_DEAD_AFTER_SECONDS = 2 * 3600
# Timeouts of an index: the first for one that does not answer, applied twice; the second for one that does.
INDEX_SILENT_SECONDS = 20
INDEX_SECONDS = 1200
# So long another process may take for a wheel before it is fetched here as well. With the time for an index it is well
# below the hour that Bazel gives, so that there is some left for pip's other tries and to say what to do.
PATIENCE_SECONDS = 1200
# What gets no byte code, since nothing here imports it: a third of all that would be compiled. What is imported without
# is compiled each time, and Python writes it into the wheel's folder where it may, which changes the keys of a cache.
_WITHOUT_BYTE_CODE = re.compile(
    r"/tests/|/internal_test_util/"
    r"|/fontTools/(?!misc/)\w+/"
    r"|/jax/_src/pallas/mosaic(?:_gpu)?/[a-z]\w*\.py"
    r"|/jax/experimental/(?:jax2tf|mosaic|pallas|sparse)/"
    r"|/jaxlib/(?:triton/|mlir/dialects/_(?:arith|gpu|llvm|math|memref|nvgpu|nvvm|sparse_tensor|vector)_ops_gen)"
    r"|/numpy/distutils/"
    r"|/pygments/lexers/(?!python\.)[a-z]"
    r"|/scipy/signal/"
)
_WRONG_HASH = "DO NOT MATCH THE HASHES"
_PIP_OPTIONS = (
    "--quiet",
    "--no-deps",
    "--require-hashes",
    "--no-compile",
    "--only-binary=:all:",
    f"--target={_SITE}",
    "--disable-pip-version-check",
    "--no-input",
    "--root-user-action=ignore",
)


def normalize(name: str) -> str:
    """Returns a wheel's name as the hub's labels spell it."""
    return re.sub(r"[-_.]+", "_", name).lower()


def explain(requirements: list[str], output: str, local_builds: tuple[str, ...] = (), index: str = "") -> str:
    """Returns what went wrong, with the remedy, in one line if pip's output is understood.

    Args:
        requirements: what pip was to install.
        output: pip's output.
        local_builds: local builds that pip had not found before, as `NAME==VERSION+BUILD`.
        index: the result of asking the index for local builds, if one was asked.
    """
    names = ", ".join(requirements)
    says = _first_complaint(output)
    says = f". The first that pip said: {says}" if says else ""
    if local_builds and (index or _WRONG_HASH in output):
        instead = (
            "the build that it was offered instead is none that the lock allows (on Linux, the index has CUDA builds)"
            if _WRONG_HASH in output
            else f"it was offered no other one{says}"
        )
        offered = f"no local build: pip was not offered {', '.join(local_builds)}"
        return (
            f"{offered}, {f'{index}, ' if index else ''}and {instead}. "
            "Point pip at the right one (PIP_FIND_LINKS: a folder with the wheel; PIP_EXTRA_INDEX_URL: an index of CPU "
            "builds), or name an index that can be reached in BAZEL_TORCH_INDEX"
        )
    if _WRONG_HASH in output:
        wheel = re.search(r"^\s+(\S+==\S+|\S+) from ", output, re.MULTILINE)
        got = re.search(r"Got\s+(\w+)", output)
        return (
            f"wrong hash: the wheel of {wheel.group(1) if wheel else names} that pip was offered has sha256 "
            f"{got.group(1) if got else 'unknown'}, which the lock does not allow. Find out why the file is another "
            "one; if it is right, run tools/update_lock"
        )
    if missing := re.search(r"No matching distribution found for (\S+)", output):
        return (
            f"no wheel: pip was offered none of {missing.group(1)} for Python "
            f"{sys.version_info[0]}.{sys.version_info[1]} on this machine. Check the network and pip's configuration "
            f"(pip config list); if the version is gone, run tools/update_lock{says}"
        )
    return f"pip could not install {names}:\n{output}"


def _first_complaint(output: str) -> str:
    """Returns the first warning or error of pip, or ""."""
    first = re.search(r"^(?:WARNING|ERROR): .*\S", output, re.MULTILINE)
    return first.group(0) if first else ""


def run_pip(arguments: list[str], timeout: float | None) -> tuple[bool, str]:
    """Runs pip; returns whether it succeeded, and its output.

    Raises:
        subprocess.TimeoutExpired: it took longer than `timeout`, in seconds.
    """
    run = subprocess.run(
        [sys.executable, "-m", "pip", *arguments],
        env=dict(os.environ, PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=timeout,
    )
    return run.returncode == 0, run.stdout


def _try(
    wheels: list[dict[str, Any]], requirements: list[str], run: Callable[..., tuple[bool, str]], *options: str
) -> tuple[bool, str]:
    """Tries to install these with the hashes of the wheels; returns whether pip succeeded, and its output."""
    lines = [
        " ".join([requirement, *(f"--hash={digest}" for digest in wheel["hashes"])])
        for requirement, wheel in zip(requirements, wheels, strict=True)
    ]
    pathlib.Path("requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    arguments = ["install", *_PIP_OPTIONS, *options, "--requirement=requirements.txt"]
    return run(arguments, timeout=INDEX_SECONDS if options else None)


def try_index(
    wheels: list[dict[str, Any]], requirements: list[str], run: Callable[..., tuple[bool, str]], index: str
) -> str:
    """Tries to install local builds from an index; returns "" if that succeeded, else the reason in a few words.

    Raises:
        SystemExit: the index has a wheel of that name with another hash.
    """
    options = (f"--index-url={index}", f"--timeout={INDEX_SILENT_SECONDS}", "--retries=1")
    try:
        installed, output = _try(wheels, requirements, run, *options)
    except subprocess.TimeoutExpired:
        return f"{index} did not finish within {INDEX_SECONDS} s"
    if installed:
        return ""
    if _WRONG_HASH in output:
        sys.exit(explain(requirements, output))
    if re.search(r"ReadTimeoutError|ConnectTimeoutError|timed out", output):
        return f"{index} did not answer within {INDEX_SILENT_SECONDS} s"
    # Not simply the first complaint, which may be about the user's own indexes.
    trouble = re.search(r"^WARNING: (?:Retrying|Skipping page) .*\S", output, re.MULTILINE)
    if "No matching distribution found" in output and not trouble:
        return f"{index} does not list it"
    if "Traceback (most recent call last)" in output:
        return f"{index} answered what pip cannot read ({output.strip().splitlines()[-1]})"
    return f"{index} could not be used ({trouble.group(0) if trouble else output.strip()[-200:]})".replace("\n", " ")


def pip_install(wheels: list[dict[str, Any]], run: Callable[..., tuple[bool, str]]) -> None:
    """Installs the local builds that the lock names if pip finds them, else the index's builds.

    The index for local builds is asked only if pip's own settings (an index or find-links) have none.
    """
    local_builds = tuple(wheel["local_build"] for wheel in wheels if wheel["local_build"])
    outcome = ""
    if local_builds:
        wanted = [wheel["local_build"] or wheel["requirement"] for wheel in wheels]
        installed, output = _try(wheels, wanted, run)
        if installed:
            return
        if _WRONG_HASH in output:
            sys.exit(explain(wanted, output))
        if index := os.environ.get("BAZEL_TORCH_INDEX"):
            outcome = try_index(wheels, wanted, run, index)
            if not outcome:
                return
    requirements = [wheel["requirement"] for wheel in wheels]
    installed, output = _try(wheels, requirements, run)
    if not installed:
        sys.exit(explain(requirements, output, local_builds, outcome))


def dependencies(dist_info: pathlib.Path, extras: dict[str, list[str]]) -> tuple[str, set[str]]:
    """The name in METADATA, and the names in its Requires-Dist whose markers hold here, all normalized."""
    from pip._vendor.packaging.requirements import Requirement  # Comes with pip, which the rest of this file needs too.

    metadata = HeaderParser().parsestr((dist_info / "METADATA").read_text(encoding="utf-8"))
    name, names = normalize(metadata["Name"]), set()
    tried = [""] + [spelling for extra in extras.get(name, []) for spelling in (extra, extra.replace("_", "-"))]
    for line in metadata.get_all("Requires-Dist") or []:
        requirement = Requirement(line)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in tried):
            names.add(normalize(requirement.name))
    return name, names


def remove_scripts() -> None:
    """Removes scripts that name this machine's interpreter from bin/; programs such as ruff stay."""
    for script in pathlib.Path(_SITE, "bin").glob("*"):
        with script.open("rb") as stream:
            if stream.read(2) == b"#!":
                script.unlink()


def tidy(dist_info: pathlib.Path) -> list[str]:
    """Removes pip's records of this installation; returns RECORD's lines, with the hash of every remaining file."""
    lines = []
    for line in (dist_info / "RECORD").read_text(encoding="utf-8").splitlines():
        path = line.split(",")[0]
        if not path.startswith("..") or pathlib.Path(_SITE, "bin", pathlib.PurePath(path).name).exists():
            lines.append(line)
    for name in ("RECORD", "REQUESTED", "INSTALLER", "direct_url.json"):
        (dist_info / name).unlink(missing_ok=True)
    return sorted(lines)


def install(spec: dict[str, Any], run: Callable[..., tuple[bool, str]] = run_pip) -> None:
    """Fills the working directory, by pip as `run` starts it: site-packages, wheel_record.txt and result.json."""
    pip_install(spec["wheels"], run)
    extras = {normalize(wheel["requirement"].split("==")[0]): wheel["extras"] for wheel in spec["wheels"]}
    folders = sorted(pathlib.Path(_SITE).glob("*.dist-info"))
    found = dict(dependencies(folder, extras) for folder in folders)
    required = set().union(*found.values()) - set(found)
    deps = {spec["members"].get(name, name) for name in required}
    missing = sorted(deps - set(spec["deps"]))
    if missing:
        sys.exit(
            f"wrong build: {', '.join(wheel['requirement'] for wheel in spec['wheels'])}, as pip found it here, "
            f"requires {', '.join(missing)}, which the lock does not have for it. Is it a CUDA build in place of a CPU "
            "build? Point pip at the right one (PIP_FIND_LINKS, PIP_EXTRA_INDEX_URL), or run tools/update_lock"
        )
    remove_scripts()
    record = [line for folder in folders for line in tidy(folder)]
    pathlib.Path("wheel_record.txt").write_text("\n".join(record) + "\n", encoding="utf-8")
    # Byte code without paths or time stamps is the same in every output base, so it may be in a cache key.
    compileall.compile_dir(
        _SITE,
        quiet=2,
        maxlevels=50,
        rx=_WITHOUT_BYTE_CODE,
        stripdir=_SITE,
        prependdir="",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    pathlib.Path("result.json").write_text(json.dumps({"deps": sorted(deps)}), encoding="utf-8")


def cache_entry(spec: dict[str, Any]) -> pathlib.Path:
    """Returns the folder, in the user's cache, of what `spec` installs with this Python and this script.

    link_wheel.sh finds it too, with the spec as Bazel's json.encode writes it: sorted, and without spaces.
    """
    text = json.dumps(spec, sort_keys=True, separators=(",", ":"))
    key = hashlib.sha256(f"{text}\n{sys.version}\n".encode())
    key.update(pathlib.Path(__file__).read_bytes())
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    cache = os.environ.get("BAZEL_WHEEL_CACHE") or os.path.join(home, "bazel-wheels")
    return pathlib.Path(cache, key.hexdigest())


def sweep(cache: pathlib.Path) -> None:
    """Removes what killed fetches have left in the cache."""
    for folder in cache.glob(f"{_UNFINISHED}*"):
        with contextlib.suppress(OSError):  # Another build may sweep at the same time.
            if time.time() - folder.stat().st_mtime > _DEAD_AFTER_SECONDS:
                shutil.rmtree(folder)


def link_or_copy(source: str, destination: str) -> None:
    """Makes `destination` a hard link to `source`, or a copy if the file system does not allow links."""
    try:
        os.link(source, destination)
    except OSError:  # The cache is on another file system, or belongs to another user.
        shutil.copy2(source, destination)


def lock(entry: pathlib.Path) -> int | None:
    """Locks a folder of the cache, and returns the lock for `unlock`; None if another process has it.

    The process and its children share the lock, and it is released when the last of them ends, in whatever way.

    Raises:
        OSError: the file system has no locks.
    """
    path = entry.with_suffix(".lock")
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:  # The previous owner of the lock has removed the file.
            pass
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def unlock(entry: pathlib.Path, descriptor: int) -> None:
    """Releases a lock from `lock`, for all processes that share it."""
    entry.with_suffix(".lock").unlink(missing_ok=True)
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


@contextlib.contextmanager
def waiting_for(entry: pathlib.Path) -> Iterator[None]:
    """Holds the lock on a folder of the cache; after a long wait goes on without it and fetches the wheel twice."""
    until = time.monotonic() + PATIENCE_SECONDS
    descriptor = None
    with contextlib.suppress(OSError):
        while (descriptor := lock(entry)) is None and time.monotonic() < until:
            time.sleep(0.05)
    try:
        yield
    finally:
        if descriptor is not None:
            unlock(entry, descriptor)


def fill(entry: pathlib.Path, spec: dict[str, Any], run: Callable[..., tuple[bool, str]] = run_pip) -> None:
    """Installs the wheels into a folder of the cache, which is either complete or absent."""
    before = pathlib.Path.cwd()
    with tempfile.TemporaryDirectory(dir=entry.parent, prefix=_UNFINISHED) as folder:
        os.chdir(folder)
        try:
            install(spec, run)
        finally:
            os.chdir(before)
        os.chmod(folder, 0o755)
        try:
            os.rename(folder, entry)
            os.mkdir(folder)  # Removed at the end of this block.
        except OSError:  # Another build was faster.
            if not entry.exists():
                raise


def main(spec: dict[str, Any]) -> None:
    """Links the wheels into the working directory, after installing those that are not in the cache."""
    entry = cache_entry(spec)
    if not entry.exists():
        entry.parent.mkdir(parents=True, exist_ok=True)
        sweep(entry.parent)
        with waiting_for(entry):
            if not entry.exists():
                fill(entry, spec)
    # Hard links, not a link to the folder: Bazel can't notice that something outside of its output base was deleted.
    shutil.copytree(entry / _SITE, _SITE, symlinks=True, copy_function=link_or_copy)
    shutil.copy(entry / "wheel_record.txt", ".")
    print((entry / "result.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
