"""Compiling ahead: programs that will be needed are compiled in threads, while others are traced, compiled or run.

XLA releases Python's lock while it compiles, and part of its work keeps only one core busy.
"""

import concurrent.futures
from collections.abc import Callable
from typing import Any

import jax

_NUM_THREADS = 2


class Ahead:
    """Programs that are being compiled.

    JAX keeps compiled programs: a function that is called after `wait`, with arguments of the same shapes and types, is
    not compiled again. Without `wait` the call works too, but may compile the same program a second time, beside the
    first.
    """

    def __init__(self) -> None:
        """Starts no thread yet."""
        self._threads: concurrent.futures.ThreadPoolExecutor | None = None
        self._begun: dict[Callable[..., Any], list[concurrent.futures.Future[Any]]] = {}

    def begin(
        self, function: jax.stages.Wrapped, *arguments: Any, named: Callable[..., Any] | None = None, **static: Any
    ) -> None:
        """Traces a jitted function here, and compiles it in a thread.

        Args:
            function: a jitted function.
            *arguments: arrays, or `jax.ShapeDtypeStruct`s in place of them.
            named: the name to pass to `wait`; the function itself by default.
            **static: the function's static arguments.
        """
        lowered = function.lower(*arguments, **static)
        self._begin(named or function, lowered.compile)

    def begin_behind(self, function: jax.stages.Wrapped, *arguments: Any, **static: Any) -> None:
        """Like `begin`, but traces in the thread too, where the context managers of the calling thread don't apply.

        Use it for programs that are needed late: they are traced after everything that was begun before.
        """
        self._begin(function, lambda: function.lower(*arguments, **static).compile())

    def _begin(self, name: Callable[..., Any], work: Callable[[], Any]) -> None:
        if self._threads is None:
            self._threads = concurrent.futures.ThreadPoolExecutor(_NUM_THREADS, thread_name_prefix="compile ahead")
        self._begun.setdefault(name, []).append(self._threads.submit(work))

    def wait(self, function: Callable[..., Any]) -> None:
        """Waits until everything begun under a function's name is compiled.

        A compiler error is not raised here, but by the call that needs the program.
        """
        concurrent.futures.wait(self._begun.get(function, ()))

    def close(self) -> None:
        """Cancels what no thread has started; a compilation under way finishes by itself."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None
        self._begun.clear()
