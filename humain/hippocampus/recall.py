"""Recall by content: the stored states that are most similar to a cue, and how similar they are.

Source: H. Ramsauer et al., Hopfield Networks is All You Need (2020): a softmax over the similarities of the cue and the
    stored patterns weighs the patterns; their weighted mean is the retrieved pattern, and one update is mostly enough.
    There the similarity is the inner product, for patterns of equal norm. Here it is minus half the squared distance,
    which gives the same weights for equal norms; for unequal ones, a pattern of large norm does not pass for a similar
    one.

All functions are pure and written for one episode; `jax.vmap` batches them.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
from flax import struct

from humain.hippocampus.encodings import Encoding
from humain.hippocampus.memory import Memory
from humain.spaces import Space
from humain.types import Array, Context


@struct.dataclass
class Recalled:
    """What a memory returns for a cue, when R states are requested.

    Attributes:
        states: `[R, *S]`, the stored states with the largest weights, largest first; among equals the newest first.
        weights: `[R]` in `[0, 1]`, each state's share of the weight of all stored states; 0 where there is no state.
        ages: `[R]` int32, how many states were stored after this one.
        mask: `[R]` bool, True where there is a state: for the first `min(R, number of stored states)`.
        features: `[F]`, the weighted mean of all stored states' features; zeros if nothing is stored.
    """

    states: Array
    weights: Array
    ages: Array
    mask: Array
    features: Array


@dataclasses.dataclass(frozen=True)
class Recall:
    """The settings of recall.

    Attributes:
        num_recalled: R, the number of states to recall: at least 1, and at most what the memory keeps.
        sharpness: the inverse temperature, greater than 0, by which similarities are multiplied before the softmax. The
            larger, the more weight is on the state nearest to the cue.
    """

    num_recalled: int = 1
    sharpness: float = 4.0

    def __post_init__(self) -> None:
        if self.num_recalled < 1:
            raise ValueError(f"num_recalled must be at least 1, not {self.num_recalled}")
        if not 0 < self.sharpness < math.inf:
            raise ValueError(f"sharpness must be a number above 0, not {self.sharpness}")


def similarity_weights(cue: Array, features: Array, mask: Array, *, sharpness: float) -> Array:
    """Returns the weight of each pattern in what a cue recalls.

    Args:
        cue: `[F]`, the features of the cue.
        features: `[M, F]`, the features of the patterns.
        mask: `[M]` bool, True where there is a pattern.
        sharpness: see `Recall`.

    Returns:
        `[M]`, at least 0; the weights sum to 1, or are all 0 if there is no pattern.
    """
    similarities = -0.5 * jnp.sum(jnp.square(features - cue[None]), axis=-1)
    # Without a pattern the softmax would be that of infinities.
    logits = jnp.where(mask, sharpness * similarities, -jnp.inf)
    highest = jnp.max(logits, initial=jnp.finfo(logits.dtype).min)
    parts = jnp.where(mask, jnp.exp(logits - highest), 0)
    return parts / jnp.maximum(jnp.sum(parts), 1)


def recall(settings: Recall, memory: Memory, space: Space, cue: Array) -> Recalled:
    """What is stored that is most like a cue.

    Args:
        settings: how many states, and how sharply.
        memory: the memory to search; the whole of it is searched, in O(capacity).
        space: the space of its states.
        cue: `[*S]`, such as a goal or the present state.

    Raises:
        ValueError: if more states are requested than the memory keeps.
    """
    return recall_features(settings, memory, space, space.encode(cue))


def recall_features(settings: Recall, memory: Memory, space: Space, cue: Array) -> Recalled:
    """Like `recall`, for a cue given by its features `[F]`, which need not be those of any state."""
    capacity = memory.states.shape[0]
    if settings.num_recalled > capacity:
        raise ValueError(
            f"{settings.num_recalled} states are to be recalled, but the memory keeps {capacity}; lower num_recalled"
        )
    # Newest first: among equals `top_k` takes the first.
    ages = jnp.arange(capacity)
    states = memory.states[(memory.count - 1 - ages) % capacity]
    mask = ages < memory.count
    features = space.encode(states)
    weights = similarity_weights(cue, features, mask, sharpness=settings.sharpness)
    # Weights may underflow to 0; what is stored still comes before what is not.
    best, chosen = jax.lax.top_k(jnp.where(mask, weights, -1.0), settings.num_recalled)
    return Recalled(
        states=states[chosen],
        weights=jnp.maximum(best, 0),
        ages=chosen.astype(jnp.int32),
        mask=mask[chosen],
        features=weights @ features,
    )


def focus(
    settings: Recall, context: Context, cue: Array, *, num_newest: int, space: Space, encoding: Encoding
) -> Context:
    """Shortens a context to its newest states, preceded by those of the older states that a cue recalls.

    Args:
        settings: the number of states to recall, and the sharpness.
        context: a context of L states, without batch axis; all but the last `num_newest` count as older.
        cue: `[*S]`, such as a goal.
        num_newest: the number of newest states to keep, including the present one.
        space: the space of the states.
        encoding: the encoding of positions, which count from the oldest state shown.

    Returns:
        A context of `num_recalled + num_newest` states in time order; if there are fewer to recall, the first are
        masked.

    Raises:
        ValueError: if more states are requested than there are older ones.
    """
    num_older = context.mask.shape[0] - num_newest
    if settings.num_recalled > num_older:
        raise ValueError(f"{settings.num_recalled} states are to be recalled from {num_older}; lower num_recalled")
    older, present = context.states[:num_older], context.mask[:num_older]
    weights = similarity_weights(space.encode(cue), space.encode(older), present, sharpness=settings.sharpness)
    # Newest first: among equals `top_k` takes the first.
    _, ages = jax.lax.top_k(jnp.where(present, weights, -1.0)[::-1], settings.num_recalled)
    places = num_older - 1 - ages
    # Masked places come first, then the oldest state.
    places = places[jnp.argsort(jnp.where(present[places], places, -1))]
    states = jnp.concatenate([older[places], context.states[num_older:]])
    mask = jnp.concatenate([present[places], context.mask[num_older:]])
    positions = jnp.maximum(jnp.cumsum(mask) - 1, 0)
    return Context(states=states, features=space.encode(states) + encoding(positions, space.num_features), mask=mask)
