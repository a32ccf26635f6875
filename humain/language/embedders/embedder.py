"""The interface of embedders."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

Report = Callable[[int], None]
"""Called with the number of sentences done."""


def say_nothing(num_done: int) -> None:
    """A Report that ignores what it is told."""


class Embedder(Protocol):
    """Maps sentences to vectors whose dot product is the similarity of their meanings."""

    @property
    def name(self) -> str:
        """The name of the model; embeddings of different names must not be mixed."""

    @property
    def width(self) -> int:
        """D, the number of components of a vector."""

    def embed(self, sentences: Sequence[str], report: Report = say_nothing) -> np.ndarray:
        """Embeds sentences, each independently of the others up to float error.

        Args:
            sentences: N sentences, none of them blank.
            report: called after each batch.

        Returns:
            `[N, D]` float32, of norm 1 each, in the order of the sentences.

        Raises:
            ValueError: if a sentence is blank.
            UserError: if the model or server can't embed a sentence.
        """
