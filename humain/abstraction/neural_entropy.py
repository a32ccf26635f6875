"""`neural_entropy`: pivots are the crossroads of the world, where a learned density of visits peaks along the path."""

import jax
import jax.numpy as jnp
from flax import struct

from humain.abstraction import visit_density
from humain.abstraction.abstraction import Track
from humain.abstraction.visit_density import DensityConfig, VisitDensity
from humain.spaces import Discrete, Space
from humain.types import Array, Trajectories


@struct.dataclass
class NeuralEntropy:
    """A state is a pivot where the density of visits has a local maximum along the path that stands out.

    A learned density is never quite smooth, so two things more are asked of a peak than by `entropy`: it lies at least
    `min_separation` states after the pivot before, and it rises by `hysteresis` above the lowest that the path has come
    to since then, or since its start. A peak that comes too soon is passed over even where it is the higher one:
    whether a state is a pivot is known with the state after it.

    The ends of a path count as peaks when they beat their one neighbour; the first state has nothing to rise above. A
    state that follows itself cannot be told from an end.

    Attributes:
        density: of visits, over all paths.
        places: `[num_states, D]`, the vector that the density knows each state as, where states are ids and the density
            is one of vectors; else None.
        min_separation: states from one pivot to the next, 1 or more.
        hysteresis: in natural logarithms of density, 0 or more.
    """

    density: VisitDensity
    places: Array | None = None
    min_separation: int = struct.field(pytree_node=False, default=2)
    hysteresis: float = struct.field(pytree_node=False, default=0.02)

    def __post_init__(self) -> None:
        check_peaks(min_separation=self.min_separation, hysteresis=self.hysteresis)

    def level(self, state: Array) -> Array:
        """Logarithm of the density `[...]` at states `[..., *S]`."""
        # Of ids there are fewer than states on all paths, so each is looked up and not worked out anew.
        if self.places is not None:
            return self.density.log_density(self.places)[state]
        if isinstance(self.density.space, Discrete):
            return self.density.log_density(jnp.arange(self.density.space.num_elements))[state]
        return self.density.log_density(state)

    def is_pivot(self, previous: Array, state: Array, following: Array, position: Array) -> Array:
        """True where the density is at least that of the state before and more than that of the state after."""
        del position
        return self._peaks(self.level(state), previous, state, following)

    def track_pivot(
        self, track: Track, previous: Array, state: Array, following: Array, position: Array
    ) -> tuple[Array, Track]:
        """True at a peak that stands out; `track.level` is the lowest density since the newest pivot."""
        here = self.level(state)
        starts = position == 0
        lowest = jnp.where(starts, here, jnp.minimum(track.level, here))
        apart = track.since + 1 >= self.min_separation
        stands_out = starts | (here - lowest >= self.hysteresis)
        pivot = self._peaks(here, previous, state, following) & apart & stands_out
        return pivot, Track(since=jnp.where(pivot, 0, track.since + 1), level=jnp.where(pivot, here, lowest))

    def lift(self, state: Array) -> Array:
        """The state itself."""
        return state

    def specify(self, goal: Array, state: Array) -> Array:
        """The goal itself."""
        del state
        return goal

    def _peaks(self, here: Array, previous: Array, state: Array, following: Array) -> Array:
        """Whether the density `here` is a local maximum; a path's end stands in for its own missing neighbour."""
        # Equal states have equal densities only as far as rounding allows.
        rises = (here >= self.level(previous)) | self._same(previous, state)
        return rises & ((here > self.level(following)) | self._same(following, state))

    def _same(self, first: Array, second: Array) -> Array:
        """Whether states are equal, number by number."""
        axes = tuple(range(first.ndim - len(self._state_shape), first.ndim))
        return jnp.all(first == second, axis=axes)

    @property
    def _state_shape(self) -> tuple[int, ...]:
        return self.density.space.shape if self.places is None else ()


def check_peaks(*, min_separation: int, hysteresis: float) -> None:
    """Refuses what can't be asked of a peak.

    Raises:
        ValueError: naming it.
    """
    if min_separation < 1:
        raise ValueError(f"min_separation must be 1 or more, not {min_separation}")
    if not hysteresis >= 0:
        raise ValueError(f"hysteresis must be 0 or more, not {hysteresis}")


def learn_visits(
    trajectories: Trajectories,
    key: jax.Array,
    *,
    space: Space,
    config: DensityConfig,
    min_separation: int = 2,
    hysteresis: float = 0.02,
) -> NeuralEntropy:
    """The abstraction for these trajectories. Not for jit: how many states are trained on depends on the lengths.

    Args:
        trajectories: of states `[W, T, *S]`.
        key: consumed; the same key gives the same abstraction.
        space: of the states.
        config: of the network and its training.
        min_separation: see `NeuralEntropy`.
        hysteresis: see `NeuralEntropy`.

    Raises:
        ValueError: if a state is not in the space, or there are no states.
    """
    valid = jnp.arange(trajectories.states.shape[1])[None] < trajectories.lengths[:, None]
    density = visit_density.fit(trajectories.states[valid], key, space=space, config=config)
    return NeuralEntropy(density, min_separation=min_separation, hysteresis=hysteresis)
