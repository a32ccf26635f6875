"""Checks that the remote cache works, with a real cache and real builds: `tools/cache/check [TARGET...]`.

1. Builds and tests the targets in a clean checkout, which fills the cache, then in another checkout with another output
   base, and reports the share of actions and tests that the cache answered. A share below the goal is a failure, and so
   are an answer from the empty cache, and a warning.
2. Builds with the cache stopped, with a cache that answers garbage to everything, and with one whose stored files were
   overwritten: each build has to succeed, and to warn.

Checkouts are of the last commit. Everything started is stopped, and everything written is removed.
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

from tools.cache import execution_log

# They test the cache in a short time: the build's own parts, a part of the library, a whole program.
_TARGETS = ["//third_party/...", "//tools/...", "-//tools/lint:mypy_test", "//humain/viewing/...", "//tasks:simple"]
_SMALL_TARGETS = ["//tools/accelerator/..."]
_SERVER_START_SECONDS = 120
_SERVER_STOP_SECONDS = 10
_BAZEL_IDLE_SECONDS = 60


def clean_environment() -> dict[str, str]:
    """Returns the user's environment, without the variables set by `bazel run` and this program's launcher."""
    own = re.compile(r"PYTHON|RUNFILES|JAVA_RUNFILES|BUILD_|TEST_|BAZEL_TEST")
    return {name: value for name, value in os.environ.items() if not own.match(name)}


def free_port() -> int:
    """Returns a free port of the loopback interface."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def cache_server(serve: pathlib.Path, folder: pathlib.Path) -> Iterator[str]:
    """Runs tools/cache/serve within the `with` block; yields the cache's address."""
    port = free_port()
    server = subprocess.Popen([str(serve), str(folder), str(port)], env=clean_environment(), stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + _SERVER_START_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if server.poll() is not None:
                sys.exit(f"the cache did not start: {serve} ended with exit code {server.returncode}")
            if time.monotonic() > deadline:
                sys.exit(f"the cache did not start within {_SERVER_START_SECONDS} s")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(timeout=_SERVER_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


class _Garbage(http.server.BaseHTTPRequestHandler):
    """Accepts every request, and answers with meaningless bytes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b"\xff\xfe garbage" * 100
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        left = int(self.headers.get("Content-Length") or 0)
        while left > 0 and (chunk := self.rfile.read(min(left, 1 << 16))):
            left -= len(chunk)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


@contextlib.contextmanager
def garbage_server() -> Iterator[str]:
    """Runs a server that answers garbage within the `with` block; yields its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Garbage) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class Checkout:
    """A clean clone with its own output base."""

    def __init__(self, repository: pathlib.Path, folder: pathlib.Path, flags: list[str]) -> None:
        self._clone = folder / "checkout"
        self._base = folder / "output_base"
        self._log = folder / "execution_log.json"
        self._flags = flags
        folder.mkdir(parents=True)
        subprocess.run(["git", "clone", "--quiet", str(repository), str(self._clone)], check=True)

    def _bazel(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        startup = [f"--output_base={self._base}", f"--max_idle_secs={_BAZEL_IDLE_SECONDS}"]
        command = [str(self._clone / "tools" / "bazelw"), *startup, *arguments]
        return subprocess.run(
            command,
            cwd=self._clone,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def test(self, cache: str, targets: list[str]) -> tuple[execution_log.Answered, str]:
        """Builds and tests `targets` with this cache; returns what the cache answered, and Bazel's output.

        Raises:
            SystemExit: if the build or a test failed.
        """
        self._log.unlink(missing_ok=True)
        # No other cache: the user's own .bazelrc may name a folder.
        flags = ["--config=remote-cache", f"--remote_cache={cache}", "--disk_cache="]
        flags.append(f"--execution_log_json_file={self._log}")
        done = self._bazel("test", "--noshow_progress", "--color=no", *self._flags, *flags, "--", *targets)
        if done.returncode != 0:
            sys.exit(f"bazel test {' '.join(targets)} failed with this cache:\n{done.stdout}")
        return execution_log.read(self._log.read_text(encoding="utf-8")), done.stdout

    def major_version(self) -> int:
        """Returns Bazel's major version; 0 if unknown."""
        found = re.search(r"^release (\d+)", self._bazel("info", "release").stdout, re.MULTILINE)
        return int(found[1]) if found else 0

    def forget(self) -> None:
        """Deletes what was built, so that it is built again, but not what was fetched."""
        self._bazel("clean")

    def close(self) -> None:
        """Stops the Bazel server and deletes the output base."""
        self._bazel("clean", "--expunge")


@contextlib.contextmanager
def checkouts(repository: pathlib.Path, flags: list[str]) -> Iterator[tuple[Checkout, Checkout, pathlib.Path]]:
    """Yields two clean checkouts and a folder for the cache, which are deleted at the end of the block.

    They are not among temporary files, where sandboxes let tests write: a test could change the wheels of an output
    base there, by the byte code of what it imports, and with them the keys of what is tested after it.
    """
    home = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache", "humain")
    home.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cache-check-", dir=home))
    made: list[Checkout] = []
    try:
        for name in ("first", "second"):
            made.append(Checkout(repository, folder / name, flags))
        yield made[0], made[1], folder / "cache"
    finally:
        for checkout in made:
            checkout.close()
        shutil.rmtree(folder, ignore_errors=True)


def cache_warnings(output: str) -> list[str]:
    """Returns Bazel's warnings about a remote cache that it could not use, each in one line."""
    pattern = r"^WARNING: (?:Reading from |Writing to )?Remote Cache:.*(?:\n(?![A-Z]+:).*)?"
    found = re.findall(pattern, output, re.MULTILINE)
    return [" ".join(warning.split()) for warning in found]


def report_share(first: Checkout, second: Checkout, cache: str, targets: list[str], goal: float) -> bool:
    """Builds twice and prints the share; true when it reaches the goal."""
    for name, checkout in ("empty", first), ("full", second):
        began = time.monotonic()
        answered, output = checkout.test(cache, targets)
        print(f"cache {name}: {answered}, {time.monotonic() - began:.0f} s", flush=True)
        if warnings := cache_warnings(output):
            print(f"FAILED: Bazel warns, though this cache works: {warnings[0]}")
            return False
        if name == "empty" and answered.num_hits:
            print("FAILED: answers from an empty cache must have come from elsewhere, so the share means nothing")
            return False
    for miss in answered.missed:
        print(f"  not answered: {miss}")
    if answered.num_tests == 0:
        print(f"FAILED: no test among {' '.join(targets)}, so the share means nothing")
        return False
    if answered.share < goal:
        print(f"FAILED: the goal is {goal:.0%}")
        return False
    return True


def report_survival(checkout: Checkout, situation: str, cache: str, warns: bool = True) -> bool:
    """Builds again with a useless cache and prints the result; returns whether the build succeeded with a warning.

    Args:
        checkout: the checkout to build.
        situation: a description of the cache's state.
        cache: the cache's address.
        warns: whether Bazel has to warn.
    """
    checkout.forget()
    answered, output = checkout.test(cache, _SMALL_TARGETS)
    warnings = cache_warnings(output)
    num_run = answered.num_actions + answered.num_tests
    num_hit = answered.num_hits
    print(f"cache {situation}: the build succeeds, {num_run - num_hit} of {num_run} actions and tests run here")
    print(f"  it says: {warnings[0][:200] if warnings else 'nothing'}", flush=True)
    if (warns and not warnings) or num_hit == num_run:
        print("FAILED: " + ("it did not warn" if num_hit < num_run else "nothing was run, so this shows nothing"))
        return False
    return True


def main(arguments: list[str]) -> int:
    """Runs the whole check; returns 0 when all of it holds, else 1."""
    parser = argparse.ArgumentParser(prog="tools/cache/check", description="Shows that the remote cache works.")
    parser.add_argument("targets", nargs="*", default=_TARGETS, help=f"target patterns (default: {' '.join(_TARGETS)})")
    parser.add_argument("--goal", type=float, default=0.99, help="least share to be answered (default: %(default)s)")
    parser.add_argument(
        "--flag", action="append", default=[], help="one of Bazel's, such as --flag=--jobs=1; repeatable"
    )
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # So that everything is stopped.
    repository = pathlib.Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY") or pathlib.Path.cwd())
    serve = repository / "tools" / "cache" / "serve"
    with checkouts(repository, options.flag) as (first, second, folder):
        with cache_server(serve, folder) as cache:
            holds = report_share(first, second, cache, options.targets, options.goal)
            stored = [path for path in (folder / "data" / "cas").iterdir() if path.is_file()]
            print(f"stored: {len(stored)} files, {sum(path.stat().st_size for path in stored) / 1e6:.1f} MB")
            for path in stored:
                path.write_bytes(b"\xff\xfe garbage")
            # Bazel 7 rebuilds damaged results without a warning.
            warns = second.major_version() < 7
            holds = report_survival(second, "with overwritten files", cache, warns) and holds
        holds = report_survival(second, "stopped", cache) and holds
        with garbage_server() as cache:
            holds = report_survival(second, "answering garbage", cache) and holds
    print("the remote cache works" if holds else "the remote cache does not do what it should")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
