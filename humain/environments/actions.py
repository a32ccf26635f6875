"""Action spaces: what an environment accepts, how a world model sees it, and how actions are drawn at random.

A space of `humain.spaces` says what a kernel answers. An action space adds what acting needs: bounds, features for a
model of the world, and distributions over single actions and over sequences of them.
"""

import dataclasses
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np

from humain.spaces import Continuous, Discrete, Space
from humain.types import Array

_JITTER = 0.3
"""Standard deviation of an action around the tendency of its sequence, in units of half the range."""


class ActionSpace(Protocol):
    """The actions of an environment; `*V` is the shape of one, as everywhere."""

    @property
    def space(self) -> Space:
        """What a kernel answers that chooses actions."""

    @property
    def num_features(self) -> int:
        """A, the length of an action's feature vector."""

    @property
    def undecided(self) -> tuple[float, ...]:
        """Features `[A]` that stand for no action in particular."""

    def encode(self, actions: Array) -> Array:
        """Features `[..., A]`, float32, of actions `[..., *V]`, for a model of the world."""

    def clip(self, actions: Array) -> Array:
        """Actions `[..., *V]` that the environment accepts, the nearest to these."""

    def contains(self, actions: np.ndarray) -> bool:
        """Whether all of the actions `[..., *V]` are the environment's; on the host."""

    def draw(self, key: jax.Array, shape: tuple[int, ...] = ()) -> Array:
        """Actions `[*shape, *V]`, uniform; `key` is consumed."""

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Actions `[*shape, *V]`, uniform; on the host."""

    def draw_sequences(
        self, tendency_key: jax.Array, action_key: jax.Array, *, num_sequences: int, num_steps: int, num_parts: int
    ) -> Array:
        """Random sequences that get somewhere: actions `[J, T, *V]` which keep a tendency for a while.

        Independent actions would cancel each other. Each sequence has parts of equal length; within each, actions are
        drawn around a tendency, which is drawn once for the part.

        Args:
            tendency_key: consumed.
            action_key: consumed.
            num_sequences: J.
            num_steps: T, a multiple of `num_parts`.
            num_parts: of each sequence.
        """


@dataclasses.dataclass(frozen=True)
class DiscreteActions:
    """Actions `0 .. num_actions - 1`, int32 scalars; features are one-hot.

    Attributes:
        num_actions: at least 1.
    """

    num_actions: int

    def __post_init__(self) -> None:
        if self.num_actions < 1:
            raise ValueError(f"num_actions must be at least 1, not {self.num_actions}")

    @property
    def space(self) -> Discrete:
        """Ids."""
        return Discrete(self.num_actions)

    @property
    def num_features(self) -> int:
        """One for each action."""
        return self.num_actions

    @property
    def undecided(self) -> tuple[float, ...]:
        """All actions weigh the same."""
        return (1 / self.num_actions,) * self.num_actions

    def encode(self, actions: Array) -> Array:
        """One-hot vectors."""
        return jax.nn.one_hot(actions, self.num_actions)

    def clip(self, actions: Array) -> Array:
        """An id is an action as it is."""
        return actions

    def contains(self, actions: np.ndarray) -> bool:
        """Whether these are ids of actions."""
        return actions.dtype.kind in "iu" and bool(np.all((actions >= 0) & (actions < self.num_actions)))

    def draw(self, key: jax.Array, shape: tuple[int, ...] = ()) -> Array:
        """Every action is equally likely."""
        return jax.random.randint(key, shape, 0, self.num_actions)

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Every action is equally likely."""
        return rng.integers(0, self.num_actions, shape)

    def draw_sequences(
        self, tendency_key: jax.Array, action_key: jax.Array, *, num_sequences: int, num_steps: int, num_parts: int
    ) -> Array:
        """A tendency is a distribution over the actions, drawn uniformly from all that there are."""
        # The gaps between uniform thresholds are uniform on the simplex; how many thresholds lie above a uniform
        # number is an action drawn by them, and needs no sorting.
        thresholds = jax.random.uniform(tendency_key, (num_sequences, num_parts, self.num_actions - 1))
        thresholds = jnp.repeat(thresholds, num_steps // num_parts, axis=1)
        drawn = jax.random.uniform(action_key, (num_sequences, num_steps))
        return jnp.sum(drawn[..., None] < thresholds, axis=-1, dtype=jnp.int32)


@dataclasses.dataclass(frozen=True)
class BoxActions:
    """Vectors of A numbers, float32, each between two bounds; features are the vector scaled to `[-1, 1]`.

    Attributes:
        low: the least of each number.
        high: the greatest of each number.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.low or len(self.low) != len(self.high):
            raise ValueError(f"low and high must be equally many numbers, at least 1, not {self.low} and {self.high}")
        if not all(
            np.isfinite((low, high)).all() and low < high for low, high in zip(self.low, self.high, strict=True)
        ):
            raise ValueError(
                f"actions from {self.low} to {self.high} can't be drawn; every bound must be finite, and the lower one "
                "less than the upper one: clip or rescale the actions first"
            )

    @property
    def space(self) -> Continuous:
        """Vectors."""
        return Continuous(len(self.low))

    @property
    def num_features(self) -> int:
        """The vector's own numbers."""
        return len(self.low)

    @property
    def undecided(self) -> tuple[float, ...]:
        """The middle of the box."""
        return (0.0,) * len(self.low)

    def encode(self, actions: Array) -> Array:
        """The distance from the middle of the box, 1 at its faces."""
        middle, half = self._middle_and_half(actions.shape)
        return (actions - middle) / half

    def clip(self, actions: Array) -> Array:
        """The nearest point of the box."""
        low, high = (jnp.broadcast_to(jnp.array(bound, jnp.float32), actions.shape) for bound in (self.low, self.high))
        return jnp.clip(actions, low, high)

    def contains(self, actions: np.ndarray) -> bool:
        """Whether these are vectors within the bounds, up to the rounding of float32."""
        slack = 1e-6 * (np.array(self.high) - np.array(self.low))
        return (
            actions.dtype.kind == "f"
            and actions.shape[-1:] == (len(self.low),)
            and bool(np.all((actions >= self.low - slack) & (actions <= self.high + slack)))
        )

    def draw(self, key: jax.Array, shape: tuple[int, ...] = ()) -> Array:
        """Uniform within the box."""
        return self._scale(jax.random.uniform(key, (*shape, len(self.low)), minval=-1.0))

    def sample(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Uniform within the box."""
        return rng.uniform(self.low, self.high, (*shape, len(self.low))).astype(np.float32)

    def draw_sequences(
        self, tendency_key: jax.Array, action_key: jax.Array, *, num_sequences: int, num_steps: int, num_parts: int
    ) -> Array:
        """A tendency is a point of the box; actions are normally distributed around it, and clipped."""
        size = len(self.low)
        tendencies = jax.random.uniform(tendency_key, (num_sequences, num_parts, size), minval=-1.0)
        tendencies = jnp.repeat(tendencies, num_steps // num_parts, axis=1)
        jitter = _JITTER * jax.random.normal(action_key, (num_sequences, num_steps, size))
        return self._scale(jnp.clip(tendencies + jitter, -1, 1))

    def _scale(self, features: Array) -> Array:
        middle, half = self._middle_and_half(features.shape)
        return self.clip(middle + half * features)

    def _middle_and_half(self, shape: tuple[int, ...]) -> tuple[Array, Array]:
        low, high = np.array(self.low, np.float32), np.array(self.high, np.float32)
        middle, half = (low + high) / 2, (high - low) / 2
        return jnp.broadcast_to(jnp.asarray(middle), shape), jnp.broadcast_to(jnp.asarray(half), shape)
