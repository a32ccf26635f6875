"""Compiling ahead: programs that will be needed are compiled in threads, while others are traced, compiled or run.

XLA lets go of Python's lock while it compiles, and a part of its work keeps only one core busy.
"""

import concurrent.futures
from collections.abc import Callable
from typing import Any

import jax

_NUM_THREADS = 2


class Ahead:
    """Programs that are being compiled.

    JAX keeps what was compiled: a function that is called after `wait`, with arguments that are alike, is not compiled
    again. Without `wait` the call is as good, and may compile the same a second time beside the first.
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
            function: jitted.
            *arguments: arrays, or `jax.ShapeDtypeStruct`s in place of them.
            named: what `wait` is to be asked by; the function by default.
            **static: its static arguments.
        """
        lowered = function.lower(*arguments, **static)
        self._begin(named or function, lowered.compile)

    def begin_behind(self, function: jax.stages.Wrapped, *arguments: Any, **static: Any) -> None:
        """As `begin`, but traces in the thread too, where the context managers of this one don't hold.

        That is for what is needed late: its tracing comes behind all that was begun before.
        """
        self._begin(function, lambda: function.lower(*arguments, **static).compile())

    def _begin(self, name: Callable[..., Any], work: Callable[[], Any]) -> None:
        if self._threads is None:
            self._threads = concurrent.futures.ThreadPoolExecutor(_NUM_THREADS, thread_name_prefix="compile ahead")
        self._begun.setdefault(name, []).append(self._threads.submit(work))

    def wait(self, function: Callable[..., Any]) -> None:
        """Waits for all that was begun of a function.

        An error of the compiler is not raised here: whoever needs the program will meet it.
        """
        concurrent.futures.wait(self._begun.get(function, ()))

    def close(self) -> None:
        """Gives up what no thread has taken on yet; what is being compiled ends by itself."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None
        self._begun.clear()
