"""Batches of token ids of one width, for any tokenizer, including those without a padding token."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import torch
from transformers import PreTrainedTokenizerBase


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Texts, tokenized and padded.

    Attributes:
        input_ids: `[B, T]` int64, the token ids.
        attention_mask: `[B, T]` int64, 1 for the tokens of a text and 0 for padding.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor

    @property
    def width(self) -> int:
        """The number of tokens of the longest text, `T`."""
        return self.input_ids.shape[1]


def tokenize(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, side: Literal["left", "right"], device: torch.device
) -> Batch:
    """Tokenizes texts, with the special tokens that the tokenizer puts around them.

    Args:
        tokenizer: any tokenizer of transformers.
        texts: at least one text, each with at least one token.
        side: where padding goes: left to generate, right to read hidden states.
        device: the device of the batch.

    Raises:
        ValueError: if there is no text, or one has no token.
    """
    if not texts:
        raise ValueError("there is no text to tokenize; give at least one")
    rows = [tokenizer(text)["input_ids"] for text in texts]
    for text, row in zip(texts, rows, strict=True):
        if not row:
            raise ValueError(f"the text {text!r} has no token; leave it out")
    width = max(len(row) for row in rows)
    filler = padding_id(tokenizer)
    input_ids, attention_mask = [], []
    for row in rows:
        padding = width - len(row)
        before, after = (padding, 0) if side == "left" else (0, padding)
        input_ids.append([filler] * before + row + [filler] * after)
        attention_mask.append([0] * before + [1] * len(row) + [0] * after)
    return Batch(torch.tensor(input_ids, device=device), torch.tensor(attention_mask, device=device))


def padding_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The id that fills a row: the padding token's, else the end token's, else 0; it is masked, so any will do."""
    for token_id in (tokenizer.pad_token_id, tokenizer.eos_token_id):
        if token_id is not None:
            return token_id
    return 0
