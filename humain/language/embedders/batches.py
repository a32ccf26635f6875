"""Embedding in batches of sentences of like length, so that little of a batch is padding."""

from collections.abc import Callable, Sequence

import numpy as np

from humain import errors
from humain.language.embedders.embedder import Report


def embed_in_batches(
    sentences: Sequence[str],
    embed: Callable[[Sequence[str]], np.ndarray],
    *,
    width: int,
    batch_size: int,
    report: Report,
) -> np.ndarray:
    """The vectors of any number of sentences, by a function that embeds a few.

    Args:
        sentences: N of them.
        embed: answers a vector `[batch, D]` of any length for each of at most `batch_size` sentences.
        width: D.
        batch_size: 1 or more.
        report: told after each batch how many sentences are done.

    Returns:
        `[N, D]` float32, of length 1 each, in the order of the sentences.

    Raises:
        ValueError: for a blank sentence.
        UserError: naming a sentence whose vector is zero or not finite.
    """
    for number, sentence in enumerate(sentences):
        if not sentence.strip():
            raise ValueError(f"sentence {number} is blank; embed only what says something")
    vectors = np.empty((len(sentences), width), np.float32)
    # The longest come first: what memory is needed shows at once.
    order = sorted(range(len(sentences)), key=lambda index: -len(sentences[index]))
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        rows = np.asarray(embed([sentences[index] for index in batch]), np.float32)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
        if len(bad):
            raise errors.UserError(
                f"the embedding of {sentences[batch[bad[0]]]!r} is zero or not finite; take another embedder, or leave"
                " the sentence out"
            )
        vectors[batch] = rows / lengths
        report(start + len(batch))
    return vectors


def check_batch_size(batch_size: int) -> int:
    """Returns a batch size, if it is one.

    Raises:
        ValueError: if it is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; expected 1 or more")
    return batch_size
