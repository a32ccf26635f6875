"""What an embedder is."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

Report = Callable[[int], None]
"""Told how many sentences are done."""


def say_nothing(num_done: int) -> None:
    """A Report to nobody."""


class Embedder(Protocol):
    """Puts sentences into vectors whose dot product says how alike two sentences are in meaning."""

    @property
    def name(self) -> str:
        """Says with which model; embeddings of different names must not be mixed."""

    @property
    def width(self) -> int:
        """D, the length of a vector."""

    def embed(self, sentences: Sequence[str], report: Report = say_nothing) -> np.ndarray:
        """The vector of each sentence, whatever the others are, to float error.

        Args:
            sentences: N of them, none of them blank.
            report: told after each batch.

        Returns:
            `[N, D]` float32, of length 1 each, in the order of the sentences.

        Raises:
            ValueError: for a blank sentence.
            UserError: if a model or a server can't embed one.
        """
