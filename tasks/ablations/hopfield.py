"""The classic Hopfield network: N units, all patterns in one matrix of weights.

Source: J. J. Hopfield, Neural networks and physical systems with emergent collective computational abilities (1982). Up
to about 0.138 N random patterns are retrieved with few errors, and with more than that none is: D. J. Amit, H.
Gutfreund and H. Sompolinsky, Storing infinite numbers of patterns in a spin-glass model of neural networks (1985).
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
