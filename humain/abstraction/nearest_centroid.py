"""`nearest_centroid`: to the layer above, a vector is the number of the place that it lies in.

A place is all that is nearer to its centroid than to any other. Unlike `kmeans`, which lifts a state to the centroid
itself, this lifts into another space, that of the numbers of places: above it layers count, look up and sweep.

`find_places` makes the places of k-means, as few as lie close enough; `grid_places` and `random_places` are simpler
ones to compare them with.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from humain.abstraction import clustering
from humain.types import Array

_SAMPLE_SIZE = 2**16
"""States that the number of places is sought with."""
_SEARCH_ITERATIONS = 20
_CLOSE_ENOUGH = 50
"""The search ends when the number is known to within one part in so many."""
_STEEPEST = 3
"""A first guess takes states to fill no more dimensions than these."""


@struct.dataclass
class NearestCentroid:
    """Pivots are the first state of a path and each that lies in another place than the state before.

    So the next pivot is always another place than the present one, which is what the layer above has to answer.

    Attributes:
        centroids: `[K, D]` float32, of the places 0 to K - 1. The layer above is for `Discrete(K)`.
    """

    centroids: Array

    @property
    def num_places(self) -> int:
        """K."""
        return self.centroids.shape[0]

    @property
    def num_lifted(self) -> int:
        """K."""
        return self.num_places

    def is_pivot(self, previous: Array, state: Array, following: Array, position: Array) -> Array:
        """True at the path's start and where the state before lies in another place."""
        del following
        return (position == 0) | (self.lift(previous) != self.lift(state))

    def lift(self, state: Array) -> Array:
        """The number of the nearest centroid, int32 `[...]`, the first of those equally near.

        Raises:
            ValueError: if the states `[..., D]` are not vectors as the centroids are.
        """
        size = self.centroids.shape[1]
        if state.ndim < 1 or state.shape[-1] != size or not jnp.issubdtype(state.dtype, jnp.floating):
            raise ValueError(
                f"the centroids of places are vectors of {size} numbers, and the states are {state.dtype}"
                f"{list(state.shape)}"
            )
        return _nearest(self.centroids, state)

    def specify(self, goal: Array, state: Array) -> Array:
        """The state where the agent is, if it lies in the goal's place, else the place's centroid.

        Whoever is asked to come to a place has come when they enter it; nobody has to stand on its centroid.
        """
        there = goal == self.lift(state)
        return jnp.where(there[..., None], state, self.centroids[goal])


@jax.custom_batching.custom_vmap
def _nearest(centroids: Array, states: Array) -> Array:
    """Int32 `[...]`: the nearest of the centroids `[K, D]` to states `[..., D]`."""
    rows = jnp.reshape(states, (-1, states.shape[-1]))
    return jnp.reshape(clustering.nearest(centroids, rows), states.shape[:-1])


@_nearest.def_vmap
def _nearest_batched(axis_size: int, in_batched: list[bool], centroids: Array, states: Array) -> tuple[Array, bool]:
    """States of many paths in chunks, as those of one are: side by side their distances would not fit into memory."""
    centroids_batched, states_batched = in_batched
    if not centroids_batched:
        return _nearest(centroids, states), True
    if not states_batched:
        states = jnp.broadcast_to(states, (axis_size, *states.shape))
    return jax.lax.map(lambda each: _nearest(*each), (centroids, states)), True


def find_places(states: Array, *, radius: float, key: jax.Array) -> NearestCentroid:
    """The fewest places of k-means whose states lie within a radius of the centroids, as a root mean square.

    How many are needed is sought with up to 65,536 of the states, to within 2 %; the centroids are then improved on all
    states, and if these lie farther after all, there are 5 % more places, and so on.

    Args:
        states: `[N, D]` floats, of all paths together, without padding. Not for jit: they are looked at.
        radius: of the states' own units, more than 0.
        key: consumed; the same key gives the same places.

    Raises:
        ValueError: if the states are not a matrix of finite floats, or the radius is not more than 0.
    """
    _check_states(states)
    _check_radius(radius)
    sample_key, fit_key = jax.random.split(key)
    sample = states
    if states.shape[0] > _SAMPLE_SIZE:
        sample = states[jax.random.choice(sample_key, states.shape[0], (_SAMPLE_SIZE,), replace=False)]
    centroids = _search(sample, radius, fit_key)
    if sample.shape[0] == states.shape[0]:
        return NearestCentroid(centroids)
    while True:
        fitted = clustering.improve(states, centroids, max_iterations=_SEARCH_ITERATIONS, tolerance=5e-3)
        if _distance(fitted.inertia, states.shape[0]) <= radius:
            return NearestCentroid(fitted.centroids)
        num_places = min(math.ceil(1.05 * centroids.shape[0]), sample.shape[0])
        if num_places == centroids.shape[0]:
            raise ValueError(
                f"more than {num_places} places would be needed for states to lie within {radius}; raise the radius"
            )
        centroids = _fit(sample, num_places, fit_key).centroids


def grid_places(states: Array, *, radius: float) -> NearestCentroid:
    """Places on a square grid: the centres of its cells that hold a state.

    Args:
        states: `[N, D]` floats. Not for jit: they are looked at.
        radius: root mean square of the distance to the centre, over a cell; its sides are `radius * sqrt(12 / D)`.

    Raises:
        ValueError: as `find_places`.
    """
    _check_states(states)
    _check_radius(radius)
    rows = np.asarray(states, np.float64)
    side = radius * math.sqrt(12 / rows.shape[1])
    cells = np.unique(np.floor(rows / side), axis=0)
    return NearestCentroid(jnp.asarray((cells + 0.5) * side, jnp.float32))


def random_places(states: Array, *, num_places: int, key: jax.Array) -> NearestCentroid:
    """Places around states that are drawn at random, each once.

    Args:
        states: `[N, D]` floats, N or fewer places.
        num_places: K, 1 or more.
        key: consumed.

    Raises:
        ValueError: as `find_places`, or if there are not as many states as places.
    """
    _check_states(states)
    if not 1 <= num_places <= states.shape[0]:
        raise ValueError(f"num_places must lie between 1 and the number of states, {states.shape[0]}, not {num_places}")
    drawn = jax.random.choice(key, states.shape[0], (num_places,), replace=False)
    return NearestCentroid(states[drawn].astype(jnp.float32))


def _check_states(states: Array) -> None:
    if states.ndim != 2 or 0 in states.shape or not jnp.issubdtype(states.dtype, jnp.floating):
        raise ValueError(f"states must be floats [N, D], at least one, not {states.dtype}{list(states.shape)}")
    if not bool(jnp.all(jnp.isfinite(states))):
        raise ValueError("states to find places in must be finite, and some are not")


def _check_radius(radius: float) -> None:
    if not 0 < radius < math.inf:
        raise ValueError(f"the radius must be more than 0 and finite, not {radius}")


def _fit(states: Array, num_places: int, key: jax.Array) -> clustering.KMeansState:
    """Whatever other numbers were tried before, this one gives the same."""
    return clustering.fit(states, num_places, jax.random.fold_in(key, num_places), max_iterations=_SEARCH_ITERATIONS)


def _distance(inertia: Array, num_states: int) -> float:
    """The root mean square of the distances whose squares sum up to this."""
    return math.sqrt(max(float(inertia), 0.0) / num_states)


def _search(states: Array, radius: float, key: jax.Array) -> Array:
    """The centroids of the fewest places that lie close enough, as far as a few fits tell."""
    num_states, size = states.shape
    # Numbers known to be too few, and known to be enough. With each state a place of its own, none is any distance off.
    too_few, enough = 0, num_states
    found: Array | None = None
    number, slope = 1, 1 / min(size, _STEEPEST)
    last: tuple[int, float] | None = None
    while found is None or enough - too_few > max(1, enough // _CLOSE_ENOUGH):
        if enough - too_few <= 1:
            # Nothing but a place for each state is left.
            return _fit(states, enough, key).centroids
        fitted = _fit(states, number, key)
        distance = _distance(fitted.inertia, num_states)
        if distance <= radius:
            enough, found = number, fitted.centroids
        else:
            too_few = number
        # Distances fall with a power of the number of places, which the last two fits tell.
        if last is not None and distance > 0 and last[1] > 0 and last[0] != number and last[1] != distance:
            slope = -math.log(distance / last[1]) / math.log(number / last[0])
        last = number, distance
        guess = 0.0
        if distance > 0 and slope > 0:
            guess = number * (distance / radius) ** (1 / max(slope, 0.1))
        # A little more than enough closes in from above, and then from below.
        margin = max(1, enough // (2 * _CLOSE_ENOUGH))
        aim = round(guess) + (0 if found is None else -margin if distance <= radius else margin)
        number = min(max(aim, too_few + 1), enough - 1)
    return found
