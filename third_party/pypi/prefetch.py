"""Fills the cache of wheels before Bazel needs them, with what `install_wheel.py` would put there.

Bazel starts a Python and a pip for each wheel, and only once it is installed itself. Here pip is loaded once, and a few
wheels are installed at a time, each in a fork of this process, while Bazel is still on its way. The folders in the
cache are the same, byte for byte, under the same names. All of them are locked from the start, so that Bazel's own
rules wait for them; what fails here is left to these, which say why.
"""

from __future__ import annotations

import ast
import contextlib
import fcntl
import importlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any

from third_party.pypi import install_wheel, parse_lock

# Modules that pip imports only when it runs: loaded once, before the forks.
_PARTS_OF_PIP = (
    "pip._internal.commands.install",
    "pip._internal.index.collector",
    "pip._internal.metadata.importlib",
    "pip._internal.metadata.pkg_resources",
    "pip._internal.network.download",
    "pip._internal.operations.install.wheel",
    "pip._internal.resolution.resolvelib.resolver",
    "pip._vendor.distro",
)
_TIDYING_SECONDS = 5


def hub_arguments(workspace: str) -> dict[str, Any]:
    """The keywords of `pypi_hub` in the text of WORKSPACE.bazel (Starlark's grammar is part of Python's)."""
    for node in ast.walk(ast.parse(workspace)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pypi_hub":
            return {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords if keyword.arg}
    raise ValueError("WORKSPACE.bazel makes no hub: expected a call of pypi_hub")


def specs(root: pathlib.Path, names: Iterable[str], config: str = "cpu") -> dict[str, dict[str, Any]]:
    """{repository: its spec}, as pypi.bzl hands it to install_wheel.py, of these wheels.

    Args:
        root: the root of the repository.
        names: the wheels' names, as the hub's labels spell them; those of other systems are left out.
        config: the configuration whose lock is used.
    """
    arguments = hub_arguments((root / "WORKSPACE.bazel").read_text(encoding="utf-8"))
    locks = {
        name: (root / label.removeprefix("//:")).read_text(encoding="utf-8")
        for label, name in arguments["locks"].items()
    }
    parsed = parse_lock.combine(locks, arguments["merged"])
    found = {}
    for name in names:
        repository = parsed["hub"][parsed["members"].get(name, name)][config]
        spec = parsed["repositories"][repository]
        members = {member: group for member, group in parsed["members"].items() if group in spec["deps"]}
        found[repository] = {**spec, "members": members}
    return found


def announcement(line: str) -> str:
    """Returns what a line of pip's output says about the wheel that it fetches next, with its size, or ""."""
    if found := re.match(
        r"\s*(Downloading|Using cached) (?:\S*/)?([^/\s]+?)-(\d[^-]*)-\S*\.whl\S*(?: \((.*)\))?", line
    ):
        how, name, version, size = found.groups()
        verb = "fetching" if how == "Downloading" else "taking from pip's cache"
        return f"{verb} {name} {version} ({size or 'size not stated'})"
    if found := re.match(r"\s*Processing (\S.*/([^/\s]+?)-(\d[^-]*)-\S*\.whl)", line):
        file, name, version = found.groups()
        return f"taking from {os.path.dirname(file)} {name} {version} ({_size(file)})"
    return ""


def _size(file: str) -> str:
    """Returns the size of a file whose path may be quoted as in a URL."""
    for path in (file, urllib.parse.unquote(file)):
        with contextlib.suppress(OSError):
            return f"{os.path.getsize(path) / 1e6:.1f} MB"
    return "size not stated"


def forked_pip(say: Callable[[str], None]) -> Callable[..., tuple[bool, str]]:
    """`install_wheel.run_pip` without a Python of its own: in a fork of this one, where pip is loaded already."""
    from pip._internal.cli.main import main as pip_main

    for part in _PARTS_OF_PIP:
        with contextlib.suppress(ImportError):  # another pip has other parts
            importlib.import_module(part)
    with contextlib.suppress(Exception):
        # Asks other programs about the machine, and keeps what they say.
        importlib.import_module("pip._internal.network.session").user_agent()

    def run(arguments: list[str], timeout: float | None) -> tuple[bool, str]:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.dup2(writing, 1)
                os.dup2(writing, 2)
                os.closerange(3, 4096)  # the locks among them: a pip that outlives its parents holds nobody up
                os.environ.update(PIP_USER="0", PIP_REQUIRE_VIRTUALENV="0")
                # Its end, where nothing handles it.
                signal.alarm(int(timeout or 0))
                # With what pip says of each file, and no bar.
                loud = [argument for argument in arguments if argument != "--quiet"]
                status = pip_main([*loud, "--progress-bar=off"])
            finally:
                with contextlib.suppress(OSError):  # The parent has stopped reading.
                    sys.stdout.flush()
                os._exit(status)
        os.close(writing)
        said = []
        try:
            with os.fdopen(reading, encoding="utf-8", errors="replace") as stream:
                for line in stream:
                    said.append(line)
                    if text := announcement(line):
                        say(text)
        except BaseException:
            _end(child)  # before the folder that it writes into is removed
            raise
        status = os.waitpid(child, 0)[1]
        if timeout and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
            raise subprocess.TimeoutExpired("pip", timeout)
        return status == 0, "".join(said)

    return run


def _end(child: int) -> None:
    """Ends a child and waits for it; kills it if it takes long to clean up."""
    os.kill(child, signal.SIGTERM)
    until = time.monotonic() + _TIDYING_SECONDS
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.02)


def _install_in_fork(
    entry: pathlib.Path,
    descriptor: int,
    others: Iterable[int],
    spec: dict[str, Any],
    run: Callable[..., tuple[bool, str]],
) -> int:
    """Starts a process that fills one entry and gives its lock back, and has none of the others; returns its number."""
    child = os.fork()
    if child:
        return child
    for other in others:
        os.close(other)
    status = 1
    try:
        install_wheel.fill(entry, spec, run)
        status = 0
    except (Exception, SystemExit):  # Bazel tries it again, and reports the reason.
        pass
    except KeyboardInterrupt:
        status = 130
    finally:
        install_wheel.unlock(entry, descriptor)
        os._exit(status)


def stop_tidily() -> None:
    """Lets Ctrl-C and a kill end this process by way of its `finally` blocks, even if a shell has it ignore Ctrl-C."""

    def stop(*_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # Ctrl-C is sent to all, and a child is sent a kill besides
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def fill_cache(wanted: dict[str, dict[str, Any]], say: Callable[[str], None], workers: int) -> bool:
    """Fills the cache with repositories that it lacks and nobody else is fetching; True where none is missing.

    Args:
        wanted: {repository: spec}.
        say: takes lines about what is done.
        workers: how many wheels at a time.
    """
    held = {}
    for repository, spec in wanted.items():
        entry = install_wheel.cache_entry(spec)
        entry.parent.mkdir(parents=True, exist_ok=True)
        if not entry.exists() and (descriptor := install_wheel.lock(entry)) is not None:
            held[repository] = (entry, descriptor)
    if not held:
        return True
    began = time.monotonic()
    say(f"fetching {len(held)} Python packages into {next(iter(held.values()))[0].parent}")
    run = forked_pip(say)
    # What is compiled takes longest, and the lock has many hashes of it.
    waiting = sorted(held, key=lambda repository: sum(len(wheel["hashes"]) for wheel in wanted[repository]["wheels"]))
    at_work: dict[int, str] = {}
    open_locks = {descriptor for _, descriptor in held.values()}
    failed = []
    try:
        while waiting or at_work:
            while waiting and len(at_work) < workers:
                repository = waiting.pop()
                entry, descriptor = held[repository]
                child = _install_in_fork(entry, descriptor, open_locks - {descriptor}, wanted[repository], run)
                at_work[child] = repository
            child, status = os.wait()
            repository = at_work.pop(child)
            # Without a child that was killed before it could; else it is for the second time, without effect.
            fcntl.flock(held[repository][1], fcntl.LOCK_UN)
            os.close(held[repository][1])
            open_locks.remove(held[repository][1])
            if status:
                failed.append(repository)
    except BaseException:
        for child in at_work:
            os.kill(child, signal.SIGTERM)
        raise
    seconds = time.monotonic() - began
    left = f"; left to Bazel: {', '.join(sorted(failed))}" if failed else ""
    say(f"{len(held) - len(failed)} of {len(held)} Python packages are there ({seconds:.0f} s){left}")
    return not failed


def environment(root: pathlib.Path) -> dict[str, str] | None:
    """What the rules set in the environment, with the toolchain's pip to import; None where there is none.

    See `_run` in pypi.bzl, and `copy_pip` in third_party/python/vendor_runtime.py.
    """
    bundled = pathlib.Path(sysconfig.get_path("stdlib"), "ensurepip", "_bundled")
    found = [*bundled.glob("pip-*.whl"), *pathlib.Path("/usr/share/python-wheels").glob("pip-*.whl")]
    if not found:
        return None
    settled = {
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "PYTHONPATH": os.pathsep.join([str(found[0]), str(root)]),
    }
    if "BAZEL_TORCH_INDEX" not in os.environ:
        text = (root / "requirements.in").read_text(encoding="utf-8")
        index = re.search(r"^--extra-index-url[ =]\s*(\S+)", text, re.MULTILINE)
        settled["BAZEL_TORCH_INDEX"] = index.group(1) if index else ""
    return settled
