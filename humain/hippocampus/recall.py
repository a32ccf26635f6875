"""Recall by content: of all that is stored, what is most like a cue, and how much.

Source: H. Ramsauer et al., Hopfield Networks is All You Need (2020): a softmax over the similarities of the cue and the
stored patterns weighs the patterns; their weighted mean is the pattern retrieved, and one update is mostly enough.
There the similarity is the inner product, of patterns of one length. Here it is minus half the squared distance: for
patterns of one length that gives the same weights, and for others a long pattern is not taken for a similar one.

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
    """What a memory answers to a cue. R states are asked for.

    Attributes:
        states: `[R, *S]`, the stored states with the most weight, best first; of equal ones the newest first.
        weights: `[R]` in `[0, 1]`, shares of the weight of all that is stored; 0 where there is nothing.
        ages: `[R]` int32, how many states were stored after each.
        mask: `[R]` bool, True where there is a state: as many as are stored, R at most.
        features: `[F]`, mean of all stored states' features by weight; zeros if nothing is stored.
    """

    states: Array
    weights: Array
    ages: Array
    mask: Array
    features: Array


@dataclasses.dataclass(frozen=True)
class Recall:
    """How a memory is asked.

    Attributes:
        num_recalled: R, states to answer, 1 or more; no more than the memory keeps.
        sharpness: factor of the similarities before the softmax, more than 0: the inverse temperature. The larger, the
            more of the weight is on the state that is nearest to the cue.
    """

    num_recalled: int = 1
    sharpness: float = 4.0

    def __post_init__(self) -> None:
        if self.num_recalled < 1:
            raise ValueError(f"num_recalled must be 1 state or more, not {self.num_recalled}")
        if not 0 < self.sharpness < math.inf:
            raise ValueError(f"sharpness must be a number above 0, not {self.sharpness}")


def similarity_weights(cue: Array, features: Array, mask: Array, *, sharpness: float) -> Array:
    """The share of each pattern in what a cue recalls.

    Args:
        cue: `[F]`.
        features: `[M, F]`, of the patterns.
        mask: `[M]` bool, True where there is a pattern.
        sharpness: see `Recall`.

    Returns:
        `[M]`, at least 0; they sum to 1, or are all 0 if there is no pattern.
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
        memory: to search, all of it: O(capacity).
        space: of its states.
        cue: `[*S]`, such as a goal or the present state.

    Raises:
        ValueError: if more states are asked for than the memory keeps.
    """
    return recall_features(settings, memory, space, space.encode(cue))


def recall_features(settings: Recall, memory: Memory, space: Space, cue: Array) -> Recalled:
    """As `recall`, for a cue that is given by its features `[F]`, be there a state that has them or not."""
    capacity = memory.states.shape[0]
    if settings.num_recalled > capacity:
        raise ValueError(
            f"{settings.num_recalled} states are to be recalled, and the memory keeps {capacity}; ask for fewer"
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
    """Of a long context, the newest states, and before them those of the older ones that a cue recalls.

    Args:
        settings: how many states to recall, and how sharply.
        context: without batch axis, `[L]`; the older states are all but the last `num_newest`.
        cue: `[*S]`.
        num_newest: states that are shown whatever they are, the present one included.
        space: of the states.
        encoding: of the positions, which count from the oldest state shown.

    Returns:
        A context `[num_recalled + num_newest]` in time order; where there is less to recall, the first are masked.

    Raises:
        ValueError: if more states are asked for than there are older ones.
    """
    num_older = context.mask.shape[0] - num_newest
    if settings.num_recalled > num_older:
        raise ValueError(f"{settings.num_recalled} states are to be recalled from {num_older}; ask for fewer")
    older, present = context.states[:num_older], context.mask[:num_older]
    weights = similarity_weights(space.encode(cue), space.encode(older), present, sharpness=settings.sharpness)
    # Newest first: among equals `top_k` takes the first.
    _, ages = jax.lax.top_k(jnp.where(present, weights, -1.0)[::-1], settings.num_recalled)
    places = num_older - 1 - ages
    # What is not there comes first, then the oldest.
    places = places[jnp.argsort(jnp.where(present[places], places, -1))]
    states = jnp.concatenate([older[places], context.states[num_older:]])
    mask = jnp.concatenate([present[places], context.mask[num_older:]])
    positions = jnp.maximum(jnp.cumsum(mask) - 1, 0)
    return Context(states=states, features=space.encode(states) + encoding(positions, space.num_features), mask=mask)
