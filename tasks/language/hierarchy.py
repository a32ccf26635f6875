"""Paths of embeddings, layer by layer: chunks of a layer's states are the states of the layer above, and its goals.

The bottom layer goes from sentence to sentence. The layers above it go from chunk to chunk, and the top layer's goal is
the sentence at the path's end. Each path begins at a state of its own, nothing, with which every chunk begins anew.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from tasks.language.paths import Path

Chunk: TypeAlias = tuple[list[int], np.ndarray, object]
"""Places of the states that belong together, the state of the layer above, and what makes that one what it is."""
Chunker: TypeAlias = Callable[[Sequence[np.ndarray], Sequence[object]], list[Chunk]]
"""A layer's path, as states `[D]` and their identities, to its chunks in order."""
NOTHING = 0
"""Row of the state before the first one."""


@dataclasses.dataclass(frozen=True)
class Table:
    """All examples of a layer, as rows of its states and goals.

    N stands for examples, C for the context length, M for states, G for goals, F for an embedding and the stop signal.

    Attributes:
        states: `[M, F]` float32; row 0 is zeros, before the first state.
        goals: `[G, F]` float32.
        contexts: `[N, C]` int32 rows of `states`, the present one last; -1 where there is none.
        asked: `[N]` int32 rows of `goals`.
        targets: `[N]` int32 rows of `states`.
        scores: `[N]` float32 in `[0, 1]`.
    """

    states: np.ndarray
    goals: np.ndarray
    contexts: np.ndarray
    asked: np.ndarray
    targets: np.ndarray
    scores: np.ndarray


def chunk_mean(size: int) -> Chunker:
    """Chunks of `size` states, the last one possibly shorter; above it is their mean.

    Raises:
        ValueError: for a size below 1.
    """
    if size < 1:
        raise ValueError(f"a chunk has 1 state or more, not {size}")

    def chunks(states: Sequence[np.ndarray], identities: Sequence[object]) -> list[Chunk]:
        found: list[Chunk] = []
        for begin in range(0, len(states), size):
            places = list(range(begin, min(begin + size, len(states))))
            identity = tuple(identities[place] for place in places)
            found.append((places, np.mean([states[place] for place in places], axis=0), identity))
        return found

    return chunks


def clusters(centroids: np.ndarray, labels: np.ndarray, *, max_size: int) -> Chunker:
    """Chunks of neighbours on the path that lie in one and the same cluster; above it is the cluster's centroid.

    Args:
        centroids: `[K, D]`.
        labels: `[N]`, the cluster of each state, by identity: that of a sentence is its index, and that of a cluster is
            its number.
        max_size: a chunk with more states is broken up.

    Raises:
        ValueError: for a `max_size` below 1.
    """
    if max_size < 1:
        raise ValueError(f"a chunk has 1 state or more, not {max_size}")

    def chunks(states: Sequence[np.ndarray], identities: Sequence[object]) -> list[Chunk]:
        del states
        found: list[Chunk] = []
        for place, identity in enumerate(identities):
            assert isinstance(identity, int)
            cluster = int(labels[identity])
            if found and found[-1][2] == cluster and len(found[-1][0]) < max_size:
                found[-1][0].append(place)
            else:
                found.append(([place], centroids[cluster], cluster))
        return found

    return chunks


class _Rows:
    """Vectors by what they are; each is kept once."""

    def __init__(self, first: Sequence[np.ndarray] = ()) -> None:
        self._rows: list[np.ndarray] = list(first)
        self._places: dict[object, int] = {}

    def place(self, identity: object, state: np.ndarray, stop: float) -> int:
        """The row of a state with a stop signal."""
        key = identity, stop
        if key not in self._places:
            self._places[key] = len(self._rows)
            self._rows.append(np.append(state, stop).astype(np.float32))
        return self._places[key]

    def stacked(self) -> np.ndarray:
        """`[N, F]`."""
        return np.stack(self._rows)


def build(
    paths: Sequence[Path],
    embeddings: np.ndarray,
    *,
    chunkers: Sequence[Chunker],
    context_lengths: Sequence[int],
    score_discount: float,
    stop: float,
) -> tuple[Table, ...]:
    """The examples of every layer.

    Args:
        paths: at least one.
        embeddings: `[V, D]`, of the sentences.
        chunkers: one for each layer but the top one, bottom first.
        context_lengths: states that each layer sees, bottom first.
        score_discount: in `(0, 1]`; the score falls with the states still to come in a chunk, on the top layer with the
            sentences still to come.
        stop: what the stop signal is at a chunk's last state; it is 0 elsewhere.

    Returns:
        One table a layer. Of equal examples the best score is kept.

    Raises:
        ValueError: if there is no path, or not a context length for each layer.
    """
    if not paths:
        raise ValueError("there is no path to learn from; expected at least one")
    num_layers = len(chunkers) + 1
    if len(context_lengths) != num_layers:
        raise ValueError(f"{num_layers} layers need as many context lengths, not {len(context_lengths)}")
    nothing = np.zeros(embeddings.shape[1] + 1, np.float32)
    states = [_Rows([nothing]) for _ in range(num_layers)]
    goals = [_Rows() for _ in range(num_layers)]
    examples: list[dict[tuple[tuple[int, ...], int, int], float]] = [{} for _ in range(num_layers)]
    for path in paths:
        seen: list[tuple[Sequence[np.ndarray], Sequence[object]]] = [
            ([embeddings[step] for step in path.steps], list(path.steps))
        ]
        all_chunks: list[list[Chunk]] = []
        for chunker in chunkers:
            all_chunks.append(chunker(*seen[-1]))
            seen.append(([chunk[1] for chunk in all_chunks[-1]], [chunk[2] for chunk in all_chunks[-1]]))
        end = path.steps[-1]
        whole: Chunk = (list(range(len(seen[-1][0]))), embeddings[end], end)
        sentences = _sentences_to_go(all_chunks, len(path.steps))
        for layer, chunks in enumerate([*all_chunks, [whole]]):
            top = layer == num_layers - 1
            vectors, identities = seen[layer]
            for places, above, identity in chunks:
                asked = goals[layer].place(identity, above, 0.0)
                before = [NOTHING]
                for at, place in enumerate(places):
                    last = at == len(places) - 1
                    target = states[layer].place(identities[place], vectors[place], stop if last else 0.0)
                    to_go = sentences[place] if top else len(places) - at
                    score = (path.weight if top else 1.0) * score_discount ** (to_go - 1)
                    context = before[-context_lengths[layer] :]
                    padding = [-1] * (context_lengths[layer] - len(context))
                    key = tuple(padding + context), asked, target
                    examples[layer][key] = max(score, examples[layer].get(key, 0.0))
                    before.append(states[layer].place(identities[place], vectors[place], 0.0))
    return tuple(
        _table(rows.stacked(), targets.stacked(), found)
        for rows, targets, found in zip(states, goals, examples, strict=True)
    )


def _sentences_to_go(all_chunks: Sequence[list[Chunk]], num_steps: int) -> list[int]:
    """For each state of the top layer, how many sentences there are from its first one to the path's end."""
    firsts = list(range(num_steps))
    for chunks in all_chunks:
        firsts = [firsts[chunk[0][0]] for chunk in chunks]
    return [num_steps - first for first in firsts]


def _table(states: np.ndarray, goals: np.ndarray, found: dict[tuple[tuple[int, ...], int, int], float]) -> Table:
    contexts, asked, targets = zip(*found, strict=True)
    return Table(
        states=states,
        goals=goals,
        contexts=np.array(contexts, np.int32),
        asked=np.array(asked, np.int32),
        targets=np.array(targets, np.int32),
        scores=np.array(list(found.values()), np.float32),
    )
