"""Changes the library in small ways, one at a time, and sees whether a test notices.

    tools/bazelw run //tools/mutation -- //humain/... --count=300

Each mutant runs the tests that import its module, nearest first, until one fails that passes without the change. What
no test notices has survived: a test sleeps, or the change makes no difference. All happens in a copy of the repository.
A run that was stopped goes on where it was, from the lines in --output.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import json
import os
import pathlib
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tools.lint import sources
from tools.mutation import dependents, operators, targets

# Not mutated: what draws and what tests are made of; and native/, whose tests need what a compiler builds.
_LEFT_OUT = {"viewing", "testing", "native"}
# Of one run of a module of tests.
_CPU_SECONDS, _WALL_SECONDS = 60.0, 900.0
_IMPORTS = ("jax", "jax.numpy", "flax.nnx", "flax.struct", "optax", "numpy.testing")
_LANGUAGE_IMPORTS = ("torch", "transformers")
# What each process of a test imports to share compiled programs.
_SHARING = "humain/testing/settings.py"


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A mutant of a module of the repository.

    Attributes:
        path: of the module, from the root.
        mutant: of it.
    """

    path: str
    mutant: operators.Mutant

    @property
    def key(self) -> dict[str, Any]:
        """What tells it from others; it is part of its record."""
        shown = dataclasses.asdict(self.mutant)
        del shown["text"]
        return {"path": self.path, **shown, "digest": hashlib.sha256(self.mutant.text.encode()).hexdigest()[:16]}


def modules(root: pathlib.Path, patterns: Sequence[str]) -> list[str]:
    """The modules that patterns name, as paths from the root, in order, without tests and `_LEFT_OUT`.

    Args:
        root: of the repository.
        patterns: `//humain/...`, a package with all below it; `//humain`, a package alone; or the path of a module.

    Raises:
        ValueError: if a pattern names no module.
    """
    found: set[str] = set()
    for pattern in patterns:
        name = pattern.removeprefix("//")
        if name.endswith(".py"):
            paths = [root / name] if (root / name).is_file() else []
        elif name.endswith("..."):
            paths = list((root / name.removesuffix("...")).rglob("*.py"))
        else:
            paths = list((root / name.partition(":")[0]).glob("*.py"))
        matching = {path.relative_to(root).as_posix() for path in paths}
        matching = {path for path in matching if not path.endswith("_test.py") and not _LEFT_OUT & {*path.split("/")}}
        if not matching:
            raise ValueError(f"{pattern} names no module to mutate; expected a package such as //humain/world/...")
        found |= matching
    return sorted(found)


def choose(root: pathlib.Path, paths: Iterable[str], *, count: int, seed: int) -> list[Chosen]:
    """Mutants drawn from all of those of some modules, without repetition; all of them, if there are no more.

    Args:
        root: of the repository.
        paths: of the modules, from there.
        count: how many.
        seed: the same seed and sources give the same mutants in the same order.
    """
    texts = {path: (root / path).read_text() for path in paths}
    every = [(path, change) for path, text in texts.items() for change in operators.changes(text)]
    random.Random(seed).shuffle(every)
    chosen: dict[tuple[str, str], Chosen] = {}
    for path, change in every:
        if len(chosen) == count:
            break
        mutant = operators.apply(texts[path], change)
        if mutant is not None:
            # Two operators may make the same of a line.
            chosen.setdefault((path, mutant.text), Chosen(path, mutant))
    return list(chosen.values())


class Overlay(contextlib.AbstractContextManager["Overlay"]):
    """A copy of the repository in which modules are mutated, and a worker that runs its tests."""

    def __init__(self, root: pathlib.Path) -> None:
        """Copies the repository, without what is hidden or generated; to leave the context deletes the copy."""
        self._folder = tempfile.TemporaryDirectory(prefix="mutation-")
        self.root = pathlib.Path(self._folder.name) / "workspace"
        shutil.copytree(
            root,
            self.root,
            symlinks=True,
            ignore=shutil.ignore_patterns(".?*", "bazel-*", "artifacts", "__pycache__"),
        )
        self._programs = pathlib.Path(self._folder.name) / "programs"
        self._programs.mkdir(mode=0o700)
        self._targets = targets.tests(self.root, "humain")
        self._clock = int(time.time())
        self._worker: subprocess.Popen[str] | None = None

    def __exit__(self, *_: object) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker.communicate()
        self._folder.cleanup()

    @contextlib.contextmanager
    def changed(self, path: str, text: str) -> Iterator[None]:
        """Has another text in a file for a while."""
        original = (self.root / path).read_text()
        self._write(path, text)
        try:
            yield
        finally:
            self._write(path, original)

    def _write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text)
        # Python finds compiled modules by the size and the time, in seconds, of their source.
        self._clock += 1
        os.utime(self.root / path, (self._clock, self._clock))

    def run(self, test: str, *, cpu_seconds: float, wall_seconds: float, shared: bool = True) -> dict[str, Any]:
        """Runs a test module, or one of its tests, and returns what `tools.mutation.worker` answers.

        Args:
            test: the module or the test.
            cpu_seconds: after which it is ended.
            wall_seconds: the same.
            shared: whether it takes compiled programs that earlier tests have left. They are found by all that they
                are made of, so a test does the same with them and without.
        """
        request = {
            "test": test,
            "cpu_seconds": cpu_seconds,
            "wall_seconds": wall_seconds,
            "imports": [*_IMPORTS, *(_LANGUAGE_IMPORTS if "/language/" in test else ())],
            "log": str(self.root.parent / "log"),
            "programs": str(self._programs) if shared else "",
            **dataclasses.asdict(self._targets.get(test.partition("::")[0], targets.Target())),
        }
        worker = self._start() if self._worker is None else self._worker
        assert worker.stdin is not None and worker.stdout is not None
        worker.stdin.write(json.dumps(request) + "\n")
        worker.stdin.flush()
        line = worker.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker has ended, with status {worker.wait()}, at {test}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _start(self) -> subprocess.Popen[str]:
        path = [str(self.root), *(folder for folder in sys.path if folder)]
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "tools.mutation.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self.root,
            env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(path)},
        )
        return self._worker


class MutationRun:
    """Tries mutants, and keeps a line of each in a file, and of each test that was tried without a change."""

    def __init__(self, root: pathlib.Path, output: pathlib.Path, *, test_seconds: float, again: bool = False) -> None:
        """Reads what an earlier run has found.

        Args:
            root: of the repository.
            output: JSON lines.
            test_seconds: when the tests of a mutant have taken so long, no further module of tests is begun.
            again: try those that have survived once more, as after new tests.
        """
        self._output = output
        self._test_seconds = test_seconds
        self._lock = threading.Lock()
        files = [path.relative_to(root).as_posix() for path in (root / "humain").rglob("*.py")]
        self._graph = {path: dependents.imports(root, path) for path in files}
        # A mutant of what shares programs could fail for that alone, and not for what a test says.
        self._unshared = dependents.reached(_SHARING, self._graph)
        self._unchanged: dict[str, bool] = {}
        self._tried: dict[str, dict[str, Any]] = {}
        for line in output.read_text().splitlines() if output.exists() else ():
            record = json.loads(line)
            if "outcome" not in record:
                self._unchanged[record["test"]] = record["passes"]
            elif again and record["outcome"] == "survived":
                self._tried.pop(_name(record), None)
            else:
                self._tried[_name(record)] = record

    def record(self, chosen: Chosen) -> dict[str, Any] | None:
        """What was found of a mutant, or None."""
        return self._tried.get(_name(chosen.key))

    def run(self, chosen: Chosen, overlay: Overlay) -> dict[str, Any]:
        """Tries a mutant, unless it was tried before; returns its record."""
        known = self.record(chosen)
        if known is not None:
            return known
        record = {**chosen.key, "outcome": "untested", "by": None, "seconds": 0.0}
        for test in dependents.nearest_tests(chosen.path, self._graph):
            if record["seconds"] >= self._test_seconds:
                break
            # One that takes too long by itself decides nothing.
            if self._unchanged.get(test) is False:
                continue
            # Processor seconds are what a busy machine changes least; the other limit is for what sleeps.
            with overlay.changed(chosen.path, chosen.mutant.text):
                answer = overlay.run(
                    test,
                    cpu_seconds=_CPU_SECONDS,
                    wall_seconds=_WALL_SECONDS,
                    shared=chosen.path not in self._unshared,
                )
            record["seconds"] = round(record["seconds"] + answer["seconds"], 2)
            if answer["status"] == 0:
                record["outcome"] = "survived"
            elif self._passes_unchanged(answer["failed"] or test, overlay):
                outcome = "timeout" if answer["status"] is None else "killed"
                record |= {"outcome": outcome, "by": answer["failed"] or test}
                break
        self._keep(record)
        with self._lock:
            self._tried[_name(record)] = record
        return record

    def _passes_unchanged(self, test: str, overlay: Overlay) -> bool:
        """Whether a test, or all of a module, passes without a change; tried once."""
        if test not in self._unchanged:
            answer = overlay.run(test, cpu_seconds=_CPU_SECONDS, wall_seconds=_WALL_SECONDS)
            self._keep({"test": test, "passes": answer["status"] == 0})
            with self._lock:
                self._unchanged[test] = answer["status"] == 0
        return self._unchanged[test]

    def _keep(self, record: Mapping[str, Any]) -> None:
        with self._lock:
            self._output.parent.mkdir(parents=True, exist_ok=True)
            with self._output.open("a") as file:
                file.write(json.dumps(record) + "\n")

    def failing(self) -> list[str]:
        """The tests that fail without any change, of those that were tried so."""
        return sorted(test for test, passes in self._unchanged.items() if not passes)


def _name(record: Mapping[str, Any]) -> str:
    return f"{record['path']}:{record['digest']}"


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """Killed and survived by operator and in all, and the survivors, as text.

    Args:
        records: of mutants. A timeout counts as killed; mutants whose tests can't run count as neither.
    """
    lines = [f"{'operator':<16}{'mutants':>8}{'killed':>8}{'timeout':>8}{'survived':>9}{'rate':>8}"]
    tried = [record for record in records if record["outcome"] != "untested"]
    for operator in [*sorted({record["operator"] for record in tried}), "all"]:
        outcomes = collections.Counter(record["outcome"] for record in tried if operator in ("all", record["operator"]))
        total = sum(outcomes.values())
        rate = f"{1 - outcomes['survived'] / total:.1%}" if total else "-"
        lines.append(
            f"{operator:<16}{total:>8}{outcomes['killed']:>8}{outcomes['timeout']:>8}{outcomes['survived']:>9}{rate:>8}"
        )
    if untested := len(records) - len(tried):
        lines.append(f"{untested} more have no test that runs here")
    lines.append("")
    for record in sorted(records, key=lambda record: (record["path"], record["line"], record["column"])):
        if record["outcome"] == "survived":
            lines.append(f"{record['path']}:{record['line']}: {record['operator']}")
            lines += [f"    - {record['before']}", f"    + {record['after']}"]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Runs the program; returns its exit status: 0 also if mutants have survived, 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="mutation", description=__doc__.splitlines()[0])
    parser.add_argument("patterns", nargs="*", default=["//humain/..."], help="packages or modules (//humain/...)")
    parser.add_argument("--count", type=int, default=300, help="mutants to try (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of their choice (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="tried side by side (%(default)s)")
    parser.add_argument("--test_seconds", type=float, default=60.0, help="of tests for each (%(default)s)")
    parser.add_argument("--output", type=pathlib.Path, help="JSON lines (artifacts/mutation/seed_SEED.jsonl)")
    parser.add_argument("--again", action="store_true", help="try once more what has survived, as after new tests")
    parser.add_argument("--report", action="store_true", help="try nothing, and show what there is")
    options = parser.parse_args(arguments)
    root = sources.workspace()
    started_in = pathlib.Path(os.environ.get("BUILD_WORKING_DIRECTORY", "."))
    output = started_in / (options.output or root / "artifacts" / "mutation" / f"seed_{options.seed}.jsonl")
    try:
        chosen = choose(root, modules(root, options.patterns), count=options.count, seed=options.seed)
    except ValueError as error:
        print(f"mutation: {error}", file=sys.stderr)
        return 2
    run = MutationRun(root, output, test_seconds=options.test_seconds, again=options.again)
    if not options.report:
        _try_all(root, run, chosen, jobs=options.jobs)
    print(table([record for one in chosen if (record := run.record(one)) is not None]))
    if failing := run.failing():
        print(f"\nleft out, as they fail without a change: {', '.join(failing)}")
    return 0


def _try_all(root: pathlib.Path, run: MutationRun, chosen: Sequence[Chosen], *, jobs: int) -> None:
    """Tries mutants side by side, in their order, and says of each what came of it."""
    with contextlib.ExitStack() as stack:
        free: queue.SimpleQueue[Overlay] = queue.SimpleQueue()
        for _ in range(jobs):
            free.put(stack.enter_context(Overlay(root)))

        def attempt(one: Chosen) -> dict[str, Any]:
            overlay = free.get()
            try:
                return run.run(one, overlay)
            finally:
                free.put(overlay)

        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            waiting = [one for one in chosen if run.record(one) is None]
            for number, record in enumerate(pool.map(attempt, waiting), start=1):
                place = f"{record['path']}:{record['line']}"
                print(f"{number}/{len(waiting)} {record['outcome']:<9}{place} {record['operator']}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
