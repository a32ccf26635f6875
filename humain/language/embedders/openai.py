"""Embeddings by a model behind an OpenAI-compatible endpoint."""

from collections.abc import Sequence

import numpy as np

from humain import errors
from humain.language.embedders import batches
from humain.language.embedders.embedder import Report, say_nothing
from humain.language.openai_endpoint import OpenAIEndpoint


class OpenAIEmbedder:
    """An Embedder."""

    def __init__(self, endpoint: OpenAIEndpoint, model: str, *, width: int | None = None, batch_size: int = 256):
        """Prepares the embedder; makes no request yet.

        Args:
            endpoint: the server.
            model: the server's name of the model.
            width: the width of embeddings, for models that offer a choice; by default the model's own.
            batch_size: the number of sentences per request.

        Raises:
            ValueError: if a number is below 1.
        """
        if width is not None and width < 1:
            raise ValueError(f"width is {width}; it must be at least 1")
        self._endpoint = endpoint
        self._model = model
        self._asked_width = self._width = width
        self._batch_size = batches.check_batch_size(batch_size)

    @property
    def name(self) -> str:
        """See Embedder."""
        return f"openai:{self._model}"

    @property
    def width(self) -> int:
        """See Embedder. If it is not known yet, the server is asked for the embedding of one word."""
        if self._width is None:
            self._width = len(self._endpoint.embed(self._model, ["width"])[0])
        return self._width

    def embed(self, sentences: Sequence[str], report: Report = say_nothing) -> np.ndarray:
        """See Embedder."""
        return batches.embed_in_batches(
            sentences, self._embed_batch, width=self.width, batch_size=self._batch_size, report=report
        )

    def _embed_batch(self, sentences: Sequence[str]) -> np.ndarray:
        rows = np.array(self._endpoint.embed(self._model, sentences, width=self._asked_width))
        if rows.shape[1] != self.width:
            raise errors.UserError(
                f"{self.name} returned embeddings of width {rows.shape[1]}, but had {self.width} before; run it again"
            )
        return rows
