"""Limits: the edges beyond which trajectories have ended, learned from where they did.

A limit is a bound on one side of one coordinate. A side can explain the end of a trajectory if the state at its end
lies farther out than any state that was survived; of all sides those are taken that explain most of what is still
unexplained, one after the other (greedy set cover), until every end that can be explained is. Of sides that explain
equally many the first is taken, upper bounds before lower ones. What has never been an edge is none.
"""

import jax
import jax.numpy as jnp
from flax import struct

from humain.types import Array


@struct.dataclass
class Limits:
    """Bounds of the states that are survived.

    Attributes:
        lower: `[D]`, `-inf` where there is none.
        upper: `[D]`, `inf` where there is none.
    """

    lower: Array
    upper: Array

    def inside(self, states: Array) -> Array:
        """Bool `[...]`, whether states `[..., D]` lie within all bounds."""
        lower, upper = (jnp.broadcast_to(bound, states.shape) for bound in (self.lower, self.upper))
        return jnp.all((states >= lower) & (states <= upper), axis=-1)


def fit(states: Array, terminated: Array, mask: Array) -> Limits:
    """The limits of experience.

    Args:
        states: `[N, D]`, to which a step led.
        terminated: `[N]` bool, whether the world ended the trajectory there; False where it was merely cut off.
        mask: `[N]` bool, True where a step counts.
    """
    num_coordinates = states.shape[1]
    sides = jnp.concatenate([states, -states], axis=1)
    survived = (mask & ~terminated)[:, None]
    bounds = jnp.max(sides, axis=0, initial=-jnp.inf, where=survived)
    ends = mask & terminated
    explains = (sides > bounds[None]) & ends[:, None]

    def cover(_: int, carry: tuple[Array, Array]) -> tuple[Array, Array]:
        chosen, open_ends = carry
        counts = jnp.sum(explains & open_ends[:, None], axis=0)
        best = jnp.argmax(counts)
        useful = counts[best] > 0
        return chosen.at[best].set(chosen[best] | useful), open_ends & ~(explains[:, best] & useful)

    none = jnp.zeros(2 * num_coordinates, bool)
    chosen, _ = jax.lax.fori_loop(0, 2 * num_coordinates, cover, (none, ends))
    # With nothing survived, a bound says nothing.
    bounds = jnp.where(chosen & jnp.isfinite(bounds), bounds, jnp.inf)
    return Limits(lower=-bounds[num_coordinates:], upper=bounds[:num_coordinates])
