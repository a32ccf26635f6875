"""Compiled programs kept on disk, so that a task that ran before need not compile again: `--compilation_cache`.

JAX asks a cache for the program of a key (a digest of what is to be compiled, of jaxlib's version, of XLA's flags and
of the compiler's options), and brings what it had to compile. The cache here differs from JAX's own in three ways: an
entry carries a checksum and is used only if it fits, since XLA runs whatever it reads; a file appears whole or not at
all, so that processes share a cache without a lock; and all that is kept is bounded, what was used longest ago going
first.

What was compiled for one processor may end the process on another. So programs lie in a folder that is named after the
machine: its processor's features, the number of its cores, and the versions and flags of the compiler.
"""

import contextlib
import hashlib
import os
import pathlib
import platform
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping

import jax
import jaxlib

# JAX has no public way to be given a cache of one's own.
from jax._src import compilation_cache as jax_cache
from jax._src.compilation_cache_interface import CacheInterface

from humain import host

VARIABLE = "HUMAIN_COMPILATION_CACHE"
"""Of the environment: the default of `--compilation_cache`."""
MAX_BYTES = 512 * 2**20
"""Of all that is kept, for all machines together."""

_CHECKSUM_BYTES = hashlib.sha256().digest_size
_BEGUN = ".begun-"
_ENTRY = re.compile(r"[0-9a-f]{64}")
"""The name of a file of the cache's own: what else lies in its folders is somebody else's."""
_STALE_SECONDS = 3600.0
"""A file that was begun so long ago is that of a process which was killed."""
_CPU_LINES = ("model name", "flags", "Features", "CPU implementer", "CPU part")
_SETTINGS = {
    # By default JAX keeps nothing that took less than a second.
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
    # XLA's own caches would lie beside this one, without bounds.
    "jax_persistent_cache_enable_xla_caches": "none",
}


class Store(CacheInterface):
    """Programs in one folder: the file of a key is named by its digest, and holds a checksum and the program."""

    def __init__(self, root: pathlib.Path, folder: str, *, max_bytes: int = MAX_BYTES, task: str = "task"):
        """Makes the folder.

        Args:
            root: of all folders, which `max_bytes` is about.
            folder: the one of this machine.
            max_bytes: bound of what is kept in all folders.
            task: the task's name, for warnings.

        Raises:
            OSError: when the folder can't be made or is not this user's own.
        """
        self.root = root
        self._path = root / folder
        self._max_bytes = max_bytes
        self._task = task
        self._lock = threading.Lock()
        self._warned = False
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path.mkdir(exist_ok=True, mode=0o700)
        if hasattr(os, "getuid"):
            # Programs are run as they are read: nobody else may have put them there, nor the folder that they are in.
            for place in (root, self._path):
                status = place.stat()
                if status.st_uid != os.getuid() or status.st_mode & 0o022:
                    raise PermissionError(0, "others may write there")
        descriptor, probe = tempfile.mkstemp(prefix=_BEGUN, dir=self._path)
        os.close(descriptor)
        os.unlink(probe)
        self._bytes = self._sweep(max_bytes)

    def get(self, key: str) -> bytes | None:
        """The program of a key, or None where there is none that is whole."""
        place = self._place(key)
        try:
            entry = place.read_bytes()
        except FileNotFoundError:
            return None
        except OSError:
            entry = b""
        checksum, value = entry[:_CHECKSUM_BYTES], entry[_CHECKSUM_BYTES:]
        if checksum != _checksum(key, value):
            self._warn(f"what was compiled before, in {self._path}, is damaged in part, and is compiled anew")
            with contextlib.suppress(OSError):
                place.unlink()
            return None
        # The time of its last use.
        with contextlib.suppress(OSError):
            os.utime(place)
        return value

    def put(self, key: str, value: bytes) -> None:
        """Keeps a program; where that is not possible, a line says so."""
        size = _CHECKSUM_BYTES + len(value)
        if size > self._max_bytes:
            return
        begun = None
        try:
            descriptor, begun = tempfile.mkstemp(prefix=_BEGUN, dir=self._path)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_checksum(key, value))
                file.write(value)
            os.replace(begun, self._place(key))
        except OSError as error:
            self._warn(f"what is compiled can't be kept in {self._path} ({error.strerror or error})")
            if begun is not None:
                with contextlib.suppress(OSError):
                    os.unlink(begun)
            return
        with self._lock:
            self._bytes += size
            if self._bytes > self._max_bytes:
                # Further down than need be, so that not every program that comes asks for this.
                self._bytes = self._sweep(self._max_bytes * 3 // 4)

    def clear(self) -> None:
        """Forgets all programs of this machine."""
        for place in self._path.iterdir():
            if _ENTRY.fullmatch(place.name):
                with contextlib.suppress(OSError):
                    place.unlink()

    def _place(self, key: str) -> pathlib.Path:
        return self._path / hashlib.sha256(key.encode()).hexdigest()

    def _sweep(self, max_bytes: int) -> int:
        """Deletes what was used longest ago, down to so many bytes in all folders; returns how many are left."""
        found = []
        for place in self.root.glob("*/*"):
            # Another process may sweep at the same time.
            with contextlib.suppress(OSError):
                status = place.stat()
                if place.name.startswith(_BEGUN) and time.time() - status.st_mtime > _STALE_SECONDS:
                    place.unlink()
                elif _ENTRY.fullmatch(place.name) and place.is_file():
                    found.append((status.st_mtime_ns, status.st_size, place))
        total = sum(size for _, size, _ in found)
        for _, size, place in sorted(found):
            if total <= max_bytes:
                break
            with contextlib.suppress(OSError):
                place.unlink()
                total -= size
        return total

    def _warn(self, what: str) -> None:
        with self._lock:
            if not self._warned:
                self._warned = True
                print(f"{self._task}: warning: {what}", file=sys.stderr)


@contextlib.contextmanager
def used(root: pathlib.Path | None, task: str) -> Iterator[None]:
    """Has JAX take compiled programs from a cache, and keep them there, for the time of the block.

    Where the place can't be written, a line says so, and all is compiled. A cache that JAX was given by its own setting
    (`JAX_COMPILATION_CACHE_DIR`) stays; within the block of another of these, this one is used.

    Args:
        root: absolute path; None for no cache.
        task: the task's name, for warnings.
    """
    if root is None or _is_jaxs_own():
        yield
        return
    try:
        store = Store(root, machine(), task=task)
    except OSError as error:
        print(
            f"{task}: warning: what is compiled can't be kept in {root} ({error.strerror or error}); "
            "--compilation_cache=DIR keeps it elsewhere",
            file=sys.stderr,
        )
        yield
        return
    settings = {**_SETTINGS, "jax_compilation_cache_dir": os.fspath(root)}
    before = {name: jax.config.values[name] for name in settings}
    cache_before = jax_cache._cache, jax_cache._cache_initialized
    try:
        for name, value in settings.items():
            jax.config.update(name, value)
        jax_cache._cache, jax_cache._cache_initialized = store, True
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        jax_cache._cache, jax_cache._cache_initialized = cache_before


def _is_jaxs_own() -> bool:
    """Whether JAX was told of a folder otherwise than by `used`."""
    folder = jax.config.values["jax_compilation_cache_dir"]
    return bool(folder) and not (isinstance(jax_cache._cache, Store) and os.fspath(jax_cache._cache.root) == folder)


def default(environment: Mapping[str, str] = os.environ) -> str:
    """The default of `--compilation_cache`: a folder in the user's cache, and none in a test."""
    if VARIABLE in environment:
        return environment[VARIABLE]
    if "TEST_TMPDIR" in environment:
        return ""
    # The specification of the variable has relative paths ignored.
    base = environment.get("XDG_CACHE_HOME", "")
    return os.path.join(base if os.path.isabs(base) else os.path.join("~", ".cache"), "humain", "jax")


def machine(environment: Mapping[str, str] = os.environ) -> str:
    """A name for all that decides what a compiled program is, and that JAX's keys may leave out."""
    parts = [
        jax.__version__,
        jaxlib.__version__,
        platform.system(),
        platform.machine(),
        str(host.num_cores()),
        environment.get("XLA_FLAGS", ""),
        *_processor(),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _processor(path: str = "/proc/cpuinfo") -> list[str]:
    """What the system says of its first processor's kind and features; elsewhere than on Linux, what Python knows."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            first, _, _ = file.read().partition("\n\n")
    except OSError:
        return [platform.processor()]
    return [line for line in first.splitlines() if line.partition(":")[0].strip() in _CPU_LINES]


def _checksum(key: str, value: bytes) -> bytes:
    """Of the key too, so that a file under another's name is no program."""
    digest = hashlib.sha256(key.encode())
    digest.update(value)
    return digest.digest()
