"""Embeds in batches of sentences of similar length, so that batches have little padding."""

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
    """Embeds any number of sentences by a function that embeds a batch.

    Args:
        sentences: N sentences.
        embed: returns vectors `[batch, D]`, of any norm, of at most `batch_size` sentences.
        width: D, the number of components of a vector.
        batch_size: the largest number of sentences in a batch, at least 1.
        report: called after each batch with the number of sentences done.

    Returns:
        `[N, D]` float32, of norm 1 each, in the order of the sentences.

    Raises:
        ValueError: if a sentence is blank.
        UserError: if a vector is zero or not finite; the message names its sentence.
    """
    for number, sentence in enumerate(sentences):
        if not sentence.strip():
            raise ValueError(f"sentence {number} is blank; leave blank sentences out")
    vectors = np.empty((len(sentences), width), np.float32)
    # The longest come first, so that running out of memory shows at once.
    order = sorted(range(len(sentences)), key=lambda index: -len(sentences[index]))
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        rows = np.asarray(embed([sentences[index] for index in batch]), np.float32)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        bad = np.flatnonzero(~np.isfinite(lengths) | (lengths == 0))
        if len(bad):
            raise errors.UserError(
                f"the embedding of {sentences[batch[bad[0]]]!r} is zero or not finite; use another embedder, or leave"
                " the sentence out"
            )
        vectors[batch] = rows / lengths
        report(start + len(batch))
    return vectors


def check_batch_size(batch_size: int) -> int:
    """Returns a batch size, after checking it.

    Raises:
        ValueError: if it is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be at least 1")
    return batch_size
