"""Recall: how many random patterns of a sequence are recalled from noisy cues.

Patterns of N bits are stored one after the other. Then each is cued by the pattern with some bits flipped, and counts
as recalled if the answer has few wrong bits (in `exact`: none). The hippocampus' memory has room for N patterns and
answers by similarity; of longer sequences it keeps the newest. A classic Hopfield network of N units, given the same
patterns and cues, stores equally many numbers, N by N weights.

The two are not alike: the memory stores the patterns themselves and compares a cue with each, the classic network
computes with sums of them. So two rivals keep the same N patterns: the modern Hopfield network by its own definition,
and the nearest neighbours.
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from humain.hippocampus import memory
from humain.hippocampus.recall import Recall, recall_features
from humain.spaces import Continuous
from humain.types import Array
from tasks.ablations import hopfield
from tasks.ablations.shares import Shares

_Retrieve: TypeAlias = Callable[[Array, Array, Array], Array]
"""`(patterns [M, N], present [M] bool, cues [M, N]) -> recalled [M, N]`; `present` marks those in the sequence."""


@dataclasses.dataclass(frozen=True)
class RecallSettings:
    """Settings of the recall experiment.

    Attributes:
        num_bits: N, the number of bits of a pattern.
        flipped: the probability that a bit of a cue is wrong.
        tolerated: the share of wrong bits up to which a pattern counts as recalled.
        loads: lengths of the sequences for both memories, as shares of N; at least one.
        longer_loads: lengths for the hippocampus alone, as shares of N; one of them, or of `loads`, is 1.
        num_sweeps: the number of updates of each unit of the Hopfield network.
        neighbors: the numbers of nearest neighbours that are asked; at least one.
        recall: the settings of the hippocampus' recall.
    """

    num_bits: int = 200
    flipped: float = 0.1
    tolerated: float = 0.05
    loads: tuple[float, ...] = (0.03, 0.06, 0.09, 0.12, 0.138, 0.15, 0.18, 0.21, 0.25, 0.3)
    longer_loads: tuple[float, ...] = (0.5, 1.0, 1.5)
    num_sweeps: int = 8
    neighbors: tuple[int, ...] = (1, 3)
    recall: Recall = Recall(sharpness=1.0)

    def __post_init__(self) -> None:
        if not self.loads or 1.0 not in (*self.loads, *self.longer_loads):
            raise ValueError("give at least one load for both memories, and the load 1 (a full memory) among all loads")
        if not self.neighbors or not all(1 <= number <= self.num_bits for number in self.neighbors):
            raise ValueError(f"neighbors must be numbers from 1 to num_bits ({self.num_bits}), not {self.neighbors}")


@dataclasses.dataclass(frozen=True)
class RecallOutcome:
    """How many patterns the memories recall.

    Attributes:
        title: the question that the experiment answers, in one line.
        capacity: the number of patterns in a full memory of the hippocampus, equal to the bits of a pattern.
        recalled: the number of patterns recalled of a sequence as long as the capacity.
        hopfield: the largest number of patterns that the classic Hopfield network recalls of any sequence tried.
        rivals: by name, the number of patterns recalled by those that also keep the patterns, of the same sequence.
        notes: further numbers, of JSON types.
    """

    title: str
    capacity: int
    recalled: Shares
    hopfield: Shares
    rivals: dict[str, Shares]
    notes: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Returns numbers of patterns (mean and spread over seeds), also as shares of the capacity, and the notes."""
        best = max(self.rivals, key=lambda name: self.rivals[name].mean)
        return {
            "capacity": self.capacity,
            "recalled": self.recalled.mean,
            "recalled_sd": self.recalled.sd,
            "hopfield": self.hopfield.mean,
            "hopfield_sd": self.hopfield.sd,
            "on": self._shares(self.recalled).to_json(),
            "off": self._shares(self.hopfield).to_json(),
            "rivals": {name: counts.to_json() for name, counts in self.rivals.items()},
            "reference": {"name": best, **self._shares(self.rivals[best]).to_json()},
            **self.notes,
        }

    def _shares(self, counts: Shares) -> Shares:
        return Shares.of([count / self.capacity for count in counts.values])


def from_hippocampus(settings: RecallSettings) -> _Retrieve:
    """Returns a retrieval by content from a memory that has stored the sequence."""
    space = Continuous(settings.num_bits)

    def retrieve(patterns: Array, present: Array, cues: Array) -> Array:
        def store(kept: memory.Memory, at: tuple[Array, Array]) -> tuple[memory.Memory, None]:
            return memory.append(kept, *at), None

        kept, _ = jax.lax.scan(store, memory.empty(settings.num_bits, space), (patterns, present))
        found = jax.vmap(lambda cue: recall_features(settings.recall, kept, space, cue))(cues)
        return jnp.where(found.features >= 0, 1.0, -1.0)

    return retrieve


def from_hopfield(settings: RecallSettings) -> _Retrieve:
    """Returns a retrieval of the states that the Hopfield network settles in."""

    def retrieve(patterns: Array, present: Array, cues: Array) -> Array:
        return hopfield.retrieve(hopfield.store(patterns, present), cues, num_sweeps=settings.num_sweeps)

    return retrieve


def from_modern_hopfield(settings: RecallSettings) -> _Retrieve:
    """Returns one update of a modern Hopfield network that keeps the newest N patterns, as sharp as the memory."""

    def retrieve(patterns: Array, present: Array, cues: Array) -> Array:
        kept = _newest(settings, present)
        return hopfield.retrieve_modern(patterns, kept, cues, sharpness=settings.recall.sharpness)

    return retrieve


def from_nearest(settings: RecallSettings, num_neighbors: int) -> _Retrieve:
    """Returns what most of the nearest of the newest N patterns have."""

    def retrieve(patterns: Array, present: Array, cues: Array) -> Array:
        return hopfield.retrieve_nearest(patterns, _newest(settings, present), cues, num_neighbors=num_neighbors)

    return retrieve


def _newest(settings: RecallSettings, present: Array) -> Array:
    """Returns `[M]` bool: the newest N of the patterns in the sequence, which come first."""
    return present & (jnp.arange(present.shape[0]) >= jnp.sum(present) - settings.num_bits)


def count_recalled(
    settings: RecallSettings, retrieve: _Retrieve, lengths: Sequence[int], *, seed: int, num_seeds: int
) -> dict[int, np.ndarray]:
    """Counts the recalled patterns `[num_seeds, 2]`, with tolerated errors and with none, for each length."""

    def count(length: int) -> np.ndarray:
        keys = jax.random.split(jax.random.key(seed), num_seeds)
        return np.asarray(_count(settings, retrieve, max(lengths), jnp.int32(length), keys))

    return {length: count(length) for length in lengths}


def measure(settings: RecallSettings, *, seed: int, num_seeds: int) -> RecallOutcome:
    """Runs the experiment for `num_seeds` seeds from `seed` on, each with its own patterns and cues."""
    lengths = [round(load * settings.num_bits) for load in settings.loads]
    longer = [round(load * settings.num_bits) for load in settings.longer_loads]
    count = partial(count_recalled, settings, seed=seed, num_seeds=num_seeds)
    recalled = count(from_hippocampus(settings), [*lengths, *longer])
    by_hopfield = count(from_hopfield(settings), lengths)
    rivals = {"modern_hopfield": count(from_modern_hopfield(settings), [*lengths, *longer])}
    for number in settings.neighbors:
        rivals[f"nearest_{number}"] = count(from_nearest(settings, number), [*lengths, *longer])
    most = np.max(np.stack(list(by_hopfield.values())), axis=0)
    full = recalled[settings.num_bits]
    return RecallOutcome(
        title=f"Recall patterns of {settings.num_bits} bits, cues with bits flipped by chance {settings.flipped}",
        capacity=settings.num_bits,
        recalled=Shares.of(full[:, 0].tolist()),
        hopfield=Shares.of(most[:, 0].tolist()),
        rivals={name: Shares.of(counts[settings.num_bits][:, 0].tolist()) for name, counts in rivals.items()},
        notes={
            "hopfield_theory": hopfield.CRITICAL_LOAD * settings.num_bits,
            "exact": {
                "recalled": Shares.of(full[:, 1].tolist()).to_json(),
                "hopfield": Shares.of(most[:, 1].tolist()).to_json(),
                **{
                    name: Shares.of(counts[settings.num_bits][:, 1].tolist()).to_json()
                    for name, counts in rivals.items()
                },
            },
            "sweep": {
                "recalled": _rows(recalled),
                "hopfield": _rows(by_hopfield),
                **{name: _rows(counts) for name, counts in rivals.items()},
            },
        },
    )


def _rows(counts: dict[int, np.ndarray]) -> list[dict[str, float]]:
    """Returns, for plots, the number recalled with tolerated errors for each length of a sequence."""
    return [
        {"patterns": length, "mean": shares.mean, "sd": shares.sd}
        for length, shares in ((length, Shares.of(found[:, 0].tolist())) for length, found in sorted(counts.items()))
    ]


@partial(jax.jit, static_argnames=("settings", "retrieve", "longest"))
def _count(settings: RecallSettings, retrieve: _Retrieve, longest: int, length: Array, keys: jax.Array) -> Array:
    """See `count_recalled`; consumes `keys` `[S]`. Sequences are padded by patterns that are not stored."""
    present = jnp.arange(longest) < length

    def draw(key: jax.Array, number: Array) -> tuple[Array, Array]:
        pattern_key, flip_key = jax.random.split(jax.random.fold_in(key, number))
        pattern = jax.random.rademacher(pattern_key, (settings.num_bits,), jnp.float32)
        flipped = jax.random.bernoulli(flip_key, settings.flipped, (settings.num_bits,))
        return pattern, jnp.where(flipped, -pattern, pattern)

    def count(key: jax.Array) -> Array:
        patterns, cues = jax.vmap(draw, in_axes=(None, 0))(key, jnp.arange(longest))
        wrong = jnp.sum(retrieve(patterns, present, cues) != patterns, axis=1)
        close = present & (wrong <= settings.tolerated * settings.num_bits)
        return jnp.stack([jnp.sum(close), jnp.sum(present & (wrong == 0))])

    return jax.vmap(count)(keys)
