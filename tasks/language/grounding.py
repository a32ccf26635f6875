"""Grounding: which sentences a goal in words asks for.

A goal may ask for several things: it is split where a list is, at commas and at "and". Each part asks for the sentence
with the most similar embedding, unless it was asked for before in just these words; then it asks for what came of it.
"""

import re
from collections.abc import Mapping

import numpy as np

_SEPARATOR = re.compile(r"\s*(?:,\s*and\b|,|;|\band\b)\s*", re.IGNORECASE)


def parts(goal: str) -> tuple[str, ...]:
    """The things that a goal asks for, at least one: "a radar, a lamp and a boat" gives three."""
    found = tuple(part for part in _SEPARATOR.split(goal.strip()) if part)
    return found or (goal,)


def ground(embedding: np.ndarray, embeddings: np.ndarray) -> int:
    """The sentence, of those with embeddings `[V, D]`, that is most similar (cosine) to a goal's embedding `[D]`."""
    lengths = np.linalg.norm(embeddings, axis=1) * max(float(np.linalg.norm(embedding)), 1e-12)
    return int(np.argmax(embeddings @ embedding / np.maximum(lengths, 1e-12)))


def ground_all(
    goal: str, vectors: Mapping[str, np.ndarray], embeddings: np.ndarray, known: Mapping[str, int]
) -> tuple[int, ...]:
    """The sentences that a goal asks for, in order, each once.

    Args:
        goal: in words.
        vectors: `[D]` embeddings by text; of the goal and of all its parts.
        embeddings: `[V, D]`, of the sentences.
        known: by goals that were asked for before, the sentences that these came to.
    """
    if goal in known:
        return (known[goal],)
    return tuple(dict.fromkeys(known.get(part, ground(vectors[part], embeddings)) for part in parts(goal)))
