"""Compiled programs kept on disk, so that a task that has run before does not compile again: `--compilation_cache`.

JAX asks a cache for the program of a key (a digest of the program before compilation, of jaxlib's version, of XLA's
flags and of the compiler's options), and stores there what it had to compile. The cache here differs from JAX's own in
three ways: an entry carries a checksum and is used only if it matches, since XLA runs whatever it reads; a file appears
complete or not at all, so that processes share a cache without a lock; and the total size is bounded, the least
recently used entries going first.

A program compiled for one processor may crash on another. So programs lie in a folder that is named after the machine:
its processor's features, the number of its cores, and the versions and flags of the compiler.
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

# JAX has no public interface to set a custom cache.
from jax._src import compilation_cache as jax_cache
from jax._src.compilation_cache_interface import CacheInterface

from humain import host

VARIABLE = "HUMAIN_COMPILATION_CACHE"
"""The environment variable that sets the default of `--compilation_cache`."""
MAX_BYTES = 512 * 2**20
"""Bound on the size of all entries, of all machines together."""

_CHECKSUM_BYTES = hashlib.sha256().digest_size
_BEGUN = ".begun-"
_ENTRY = re.compile(r"[0-9a-f]{64}")
"""The names of the cache's own files; other files in its folders are left alone."""
_STALE_SECONDS = 3600.0
"""An unfinished file of this age was left by a process that was killed."""
_CPU_LINES = ("model name", "flags", "Features", "CPU implementer", "CPU part")
_SETTINGS = {
    # By default JAX does not keep programs that took less than a second to compile.
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
    # XLA's own caches would lie beside this one, without a bound on their size.
    "jax_persistent_cache_enable_xla_caches": "none",
}


class Store(CacheInterface):
    """Programs in one folder: a key's file is named by the key's digest, and holds a checksum and the program."""

    def __init__(self, root: pathlib.Path, folder: str, *, max_bytes: int = MAX_BYTES, task: str = "task"):
        """Creates the folder and deletes what is over the bound.

        Args:
            root: the parent of the folders of all machines.
            folder: the name of this machine's folder.
            max_bytes: bound on the size of all entries in all folders.
            task: the task's name, for warnings.

        Raises:
            OSError: if the folder can't be created, or others than this user may write to it.
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
            # Programs are run as they are read, so only this user may be able to put a program, or the folder, there.
            for place in (root, self._path):
                status = place.stat()
                if status.st_uid != os.getuid() or status.st_mode & 0o022:
                    raise PermissionError(0, "other users can write to it")
        descriptor, probe = tempfile.mkstemp(prefix=_BEGUN, dir=self._path)
        os.close(descriptor)
        os.unlink(probe)
        self._bytes = self._sweep(max_bytes)

    def get(self, key: str) -> bytes | None:
        """The program of a key, or None if there is no undamaged one."""
        place = self._place(key)
        try:
            entry = place.read_bytes()
        except FileNotFoundError:
            return None
        except OSError:
            entry = b""
        checksum, value = entry[:_CHECKSUM_BYTES], entry[_CHECKSUM_BYTES:]
        if checksum != _checksum(key, value):
            self._warn(f"some of the compiled programs in {self._path} are damaged and are compiled anew")
            with contextlib.suppress(OSError):
                place.unlink()
            return None
        # The file's time is that of its last use, which _sweep goes by.
        with contextlib.suppress(OSError):
            os.utime(place)
        return value

    def put(self, key: str, value: bytes) -> None:
        """Keeps a program; prints a warning if that fails."""
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
            self._warn(f"compiled programs can't be kept in {self._path} ({error.strerror or error})")
            if begun is not None:
                with contextlib.suppress(OSError):
                    os.unlink(begun)
            return
        with self._lock:
            self._bytes += size
            if self._bytes > self._max_bytes:
                # To well below the bound, so that not every new program causes a sweep.
                self._bytes = self._sweep(self._max_bytes * 3 // 4)

    def clear(self) -> None:
        """Deletes all programs of this machine."""
        for place in self._path.iterdir():
            if _ENTRY.fullmatch(place.name):
                with contextlib.suppress(OSError):
                    place.unlink()

    def _place(self, key: str) -> pathlib.Path:
        return self._path / hashlib.sha256(key.encode()).hexdigest()

    def _sweep(self, max_bytes: int) -> int:
        """Deletes the least recently used entries until `max_bytes` or fewer are left; returns the bytes left."""
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
    """Makes JAX take compiled programs from a cache and keep them there, within the `with` block.

    If the folder can't be written, a warning is printed and everything is compiled. A cache set by JAX's own setting
    (`JAX_COMPILATION_CACHE_DIR`) stays in use; in nested blocks the inner cache is used.

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
            f"{task}: warning: compiled programs can't be kept in {root} ({error.strerror or error}); "
            "--compilation_cache=DIR keeps them elsewhere",
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
    """Whether JAX's own setting names a folder, not `used`."""
    folder = jax.config.values["jax_compilation_cache_dir"]
    return bool(folder) and not (isinstance(jax_cache._cache, Store) and os.fspath(jax_cache._cache.root) == folder)


def default(environment: Mapping[str, str] = os.environ) -> str:
    """The default of `--compilation_cache`: a folder in the user's cache, and none in a test."""
    if VARIABLE in environment:
        return environment[VARIABLE]
    if "TEST_TMPDIR" in environment:
        return ""
    # The XDG specification says to ignore relative paths in this variable.
    base = environment.get("XDG_CACHE_HOME", "")
    return os.path.join(base if os.path.isabs(base) else os.path.join("~", ".cache"), "humain", "jax")


def machine(environment: Mapping[str, str] = os.environ) -> str:
    """A digest of everything a compiled program depends on, including what JAX's own keys may leave out."""
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
    """The model and features of the first processor, from Linux; on other systems, what Python knows."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            first, _, _ = file.read().partition("\n\n")
    except OSError:
        return [platform.processor()]
    return [line for line in first.splitlines() if line.partition(":")[0].strip() in _CPU_LINES]


def _checksum(key: str, value: bytes) -> bytes:
    """A digest of key and program, so that a file under another key's name is not taken for its program."""
    digest = hashlib.sha256(key.encode())
    digest.update(value)
    return digest.digest()
