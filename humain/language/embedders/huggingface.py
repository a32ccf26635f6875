"""Embeddings by any model of transformers: the mean of its last hidden states."""

import os
from collections.abc import Sequence

import numpy as np
import torch

from humain.language import pretrained
from humain.language.embedders import batches
from humain.language.embedders.embedder import Report, say_nothing


class HuggingFaceEmbedder:
    """An Embedder, for one thread. The mean is over all tokens of a sentence, including special ones."""

    def __init__(self, model: str | os.PathLike[str], *, name: str = "", max_tokens: int = 512, batch_size: int = 64):
        """Loads the model.

        Args:
            model: a name on the hub, or a folder.
            name: the embedder's name; by default `huggingface:` and the model.
            max_tokens: tokens of a sentence beyond this number, or beyond the model's own limit, are ignored.
            batch_size: sentences embedded at once.

        Raises:
            ValueError: if a number is below 1.
            UserError: if the model can't be loaded.
        """
        if max_tokens < 1:
            raise ValueError(f"max_tokens is {max_tokens}; it must be at least 1")
        self._batch_size = batches.check_batch_size(batch_size)
        self._name = name or f"huggingface:{os.fspath(model)}"
        self._tokenizer, self._model = pretrained.load_encoder(os.fspath(model))
        if self._tokenizer.pad_token is None:  # Any id will do, since it is masked.
            self._tokenizer.pad_token = self._tokenizer.eos_token or self._tokenizer.convert_ids_to_tokens(0)
        self._tokenizer.padding_side = "right"
        limits = (self._tokenizer.model_max_length, getattr(self._model.config, "max_position_embeddings", None))
        self._max_tokens = min([max_tokens, *(limit for limit in limits if limit is not None)])

    @property
    def name(self) -> str:
        """See Embedder."""
        return self._name

    @property
    def width(self) -> int:
        """See Embedder."""
        return self._model.config.hidden_size

    def embed(self, sentences: Sequence[str], report: Report = say_nothing) -> np.ndarray:
        """See Embedder."""
        return batches.embed_in_batches(
            sentences, self._embed_batch, width=self.width, batch_size=self._batch_size, report=report
        )

    def _embed_batch(self, sentences: Sequence[str]) -> np.ndarray:
        tokens = self._tokenizer(
            list(sentences), padding=True, truncation=True, max_length=self._max_tokens, return_tensors="pt"
        )
        with pretrained.quiet(), torch.inference_mode():
            states = self._model(**tokens).last_hidden_state.float()
        mask = tokens["attention_mask"][:, :, None]
        return ((states * mask).sum(dim=1) / mask.sum(dim=1)).numpy()
