"""Hopfield networks, the classic one and the modern one, and the nearest stored patterns.

The classic network has N units and all patterns in one matrix of weights; the modern one keeps the patterns.

Source of the classic network: J. J. Hopfield, Neural networks and physical systems with emergent collective
computational abilities (1982). Up to about 0.138 N random patterns are retrieved with few errors, and with more than
that none is: D. J. Amit, H. Gutfreund and H. Sompolinsky, Storing infinite numbers of patterns in a spin-glass model of
neural networks (1985). Source of the modern one: H. Ramsauer et al., Hopfield Networks is All You Need (2020).
"""

import jax
import jax.numpy as jnp

from humain.types import Array

CRITICAL_LOAD = 0.138
"""The number of patterns per unit beyond which retrieval breaks down, in the limit of many units."""


def store(patterns: Array, present: Array) -> Array:
    """Hebb's rule: returns weights `[N, N]`, the sum of the patterns' outer products over N, with a zero diagonal.

    Args:
        patterns: `[M, N]` of 1 and -1.
        present: `[M]` bool, True for patterns to store.
    """
    kept = jnp.where(present[:, None], patterns, 0)
    weights = kept.T @ kept / patterns.shape[1]
    return weights * (1 - jnp.eye(patterns.shape[1]))


def retrieve(weights: Array, cues: Array, *, num_sweeps: int) -> Array:
    """Returns the states that the network settles in from cues.

    Args:
        weights: `[N, N]`, symmetric.
        cues: `[M, N]` of 1 and -1.
        num_sweeps: how often each unit is updated, one after the other; a unit with field 0 keeps its state.

    Returns:
        `[M, N]` of 1 and -1.
    """
    num_units = weights.shape[0]

    def update(number: Array, states: Array) -> Array:
        unit = number % num_units
        field = states @ weights[:, unit]
        return states.at[:, unit].set(jnp.where(field == 0, states[:, unit], jnp.sign(field)))

    return jax.lax.fori_loop(0, num_sweeps * num_units, update, cues)


def retrieve_modern(patterns: Array, present: Array, cues: Array, *, sharpness: float) -> Array:
    """Returns one update of the modern network, `X softmax(sharpness * X^T cue)`, rounded to 1 and -1.

    Args:
        patterns: `[M, N]` of 1 and -1, the columns of X.
        present: `[M]` bool, True for stored patterns.
        cues: `[C, N]` of 1 and -1.
        sharpness: the inverse temperature, beta in the source, greater than 0.

    Returns:
        `[C, N]` of 1 and -1; ties are 1, as is everything if nothing is stored.
    """
    logits = jnp.where(present[None], sharpness * (cues @ patterns.T), -jnp.inf)
    weights = jnp.where(present[None], jax.nn.softmax(logits, axis=1), 0)
    return jnp.where(weights @ patterns >= 0, 1.0, -1.0)


def retrieve_nearest(patterns: Array, present: Array, cues: Array, *, num_neighbors: int) -> Array:
    """Returns what most of a cue's nearest patterns have, bit by bit: k-nearest neighbours.

    Args:
        patterns: `[M, N]` of 1 and -1.
        present: `[M]` bool, True for stored patterns.
        cues: `[C, N]` of 1 and -1.
        num_neighbors: k, from 1 to M; patterns that are not stored have no vote.

    Returns:
        `[C, N]` of 1 and -1; ties are 1.
    """
    # Of 1 and -1, the inner product is N less twice the number of different bits.
    likeness = jnp.where(present[None], cues @ patterns.T, -jnp.inf)
    best, nearest = jax.lax.top_k(likeness, num_neighbors)
    votes = jnp.sum(jnp.where(best[..., None] > -jnp.inf, patterns[nearest], 0), axis=1)
    return jnp.where(votes >= 0, 1.0, -1.0)
