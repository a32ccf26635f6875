"""Embeddings by any model of transformers: the mean of its last hidden states."""

import os
from collections.abc import Sequence

import numpy as np
import torch

from humain.language import pretrained
from humain.language.embedders import batches
from humain.language.embedders.embedder import Report, say_nothing


class HuggingFaceEmbedder:
    """An Embedder, for one thread. The mean is that over the tokens of a sentence, special ones included."""

    def __init__(self, model: str | os.PathLike[str], *, name: str = "", max_tokens: int = 512, batch_size: int = 64):
        """Loads the model.

        Args:
            model: a name on the hub, or a folder.
            name: of the embedder; `huggingface:` and the model by default.
            max_tokens: what a sentence has beyond these, or beyond what the model takes, is not looked at.
            batch_size: sentences embedded at once.

        Raises:
            ValueError: for a number below 1.
            UserError: if the model can't be loaded.
        """
        if max_tokens < 1:
            raise ValueError(f"max_tokens is {max_tokens}; expected 1 or more")
        self._batch_size = batches.check_batch_size(batch_size)
        self._name = name or f"huggingface:{os.fspath(model)}"
        self._tokenizer, self._model = pretrained.load_encoder(os.fspath(model))
        if self._tokenizer.pad_token is None:  # any will do: the mask covers it
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
