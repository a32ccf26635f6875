"""`kmeans`: to the layer above, a state is the cluster that it lies in; pivots are where a path enters another one."""

import jax
import jax.numpy as jnp
from flax import struct

from humain.abstraction import clustering
from humain.abstraction.clustering import KMeansState
from humain.types import Array


@struct.dataclass
class KMeans:
    """Pivots are the first state of a path and each that lies in another cluster than the state before.

    So the next pivot is always another cluster than the present one, which is what the layer above has to answer, and a
    pivot stands for the way into its cluster (the reverse mask). A state lifts to the centroid of its cluster.

    Attributes:
        clusters: whose numbers are the tokens.
        representatives: `[K, D]`, for each cluster a state that lies in it and is known to exist; the centroid where
            there is none.
    """

    clusters: KMeansState
    representatives: Array

    def tokens(self, states: Array) -> Array:
        """The cluster, int32 `[...]`, of each of the states `[..., D]`."""
        rows = jnp.reshape(states, (-1, states.shape[-1]))
        return jnp.reshape(clustering.assign(self.clusters, rows), states.shape[:-1])

    def is_pivot(self, previous: Array, state: Array, following: Array, position: Array) -> Array:
        """True at the path's start and where the state before lies in another cluster."""
        del following
        return (position == 0) | (self.tokens(previous) != self.tokens(state))

    def lift(self, state: Array) -> Array:
        """The centroid of the cluster."""
        return self.clusters.centroids[self.tokens(state)]

    def specify(self, goal: Array, state: Array) -> Array:
        """The state where the agent is, if it lies in the goal's cluster, else the one that represents the cluster."""
        wanted = self.tokens(goal)
        there = wanted == self.tokens(state)
        return jnp.where(there[..., None], state, self.representatives[wanted])


def cluster_states(
    states: Array, num_clusters: int, key: jax.Array, *, max_iterations: int = 100, tolerance: float | None = None
) -> KMeans:
    """The abstraction for these states. Not for jit: it looks at them.

    Args:
        states: `[N, D]`, of all paths together, without padding.
        num_clusters: K, from 1 to N.
        key: consumed; the same key gives the same clusters.
        max_iterations: of `clustering.fit`.
        tolerance: of `clustering.fit`.

    Raises:
        ValueError: if the states are not a matrix of finite floats, or a number does not fit.
    """
    if jnp.issubdtype(states.dtype, jnp.floating) and not bool(jnp.all(jnp.isfinite(states))):
        raise ValueError("states to be clustered must be finite, and some are not")
    return _represent(
        clustering.fit(states, num_clusters, key, max_iterations=max_iterations, tolerance=tolerance), states
    )


def around(centroids: Array, states: Array) -> KMeans:
    """The abstraction with centroids `[K, D]` that were found before; its states `[N, D]` need not be the same ones."""
    # Without an iteration, the centroids stay where they are.
    return _represent(clustering.improve(states, centroids, max_iterations=0), states)


def _represent(clusters: KMeansState, states: Array) -> KMeans:
    numbers, present = clustering.most_central(clusters, states)
    known = states[numbers].astype(clusters.centroids.dtype)
    return KMeans(clusters=clusters, representatives=jnp.where(present[:, None], known, clusters.centroids))
