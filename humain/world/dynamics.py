"""A one-step model of the world: what an action makes of a state, and how well that is known.

The change of a state is a linear function of state and action, fitted by ridge regression in closed form; how far a
question lies from what was experienced is its leverage. Source: T. Hastie, R. Tibshirani, J. Friedman, The Elements of
Statistical Learning, sections 3.2 and 3.4.
"""

import jax
import jax.numpy as jnp
from flax import struct

from humain.types import Array

_RIDGE = 1e-4


@struct.dataclass
class LinearDynamics:
    """What was learned of the world's steps. F stands for `D + A + 1` features: state, action, a constant.

    Attributes:
        weights: `[F, D]`, features to the change of the state.
        root: `[F, F]`, a square root of `covariance`.
    """

    weights: Array
    root: Array

    @property
    def covariance(self) -> Array:
        """`[F, F]`, inverse of the features' second moments, summed over what was experienced."""
        return product(self.root, self.root.mT)

    def step(self, states: Array, actions: Array) -> Array:
        """The next states `[..., D]` after actions `[..., A]` in states `[..., D]`."""
        return states + product(_features(states, actions), self.weights)

    def leverage(self, states: Array, actions: Array) -> Array:
        """How far questions lie outside of experience: `[...]`, at least 0.

        The variance of an answer in units of the noise of one step; its mean over what was experienced is the number of
        independent features (`F`, or `F - 1` where actions are one-hot and add up to the constant) over `N`, and it
        grows with the square of the distance from the middle of that.
        """
        # Through the root: where features depend on each other the covariance is as large as the ridge is small, and
        # a product with it would lose the leverage to cancellation.
        return jnp.sum(jnp.square(product(_features(states, actions), self.root)), axis=-1)


def fit(states: Array, actions: Array, next_states: Array, mask: Array) -> LinearDynamics:
    """The dynamics of experienced steps.

    Args:
        states: `[N, D]`.
        actions: `[N, A]`, as features (one-hot ids are).
        next_states: `[N, D]`.
        mask: `[N]` bool, True where a step counts.
    """
    features = jnp.where(mask[:, None], _features(states, actions), 0)
    changes = jnp.where(mask[:, None], next_states - states, 0)
    # The ridge as further rows of data, and no second moments: in float32 these are singular from some thousand steps
    # on, since one-hot actions add up to the constant and the ridge is below the rounding of the sums.
    ridge = jnp.sqrt(_RIDGE) * jnp.eye(features.shape[1])
    orthogonal, triangle = jnp.linalg.qr(jnp.concatenate([features, ridge]))
    root = jax.scipy.linalg.solve_triangular(triangle, jnp.eye(features.shape[1]))
    return LinearDynamics(
        weights=product(root, product(orthogonal[: features.shape[0]].T, changes)),
        root=root,
    )


def _features(states: Array, actions: Array) -> Array:
    return jnp.concatenate([states, actions, jnp.ones((*states.shape[:-1], 1))], axis=-1)


def product(first: Array, second: Array) -> Array:
    """Matrix product in full float32, which accelerators do only when told to."""
    return jnp.matmul(first, second, precision=jax.lax.Precision.HIGHEST)
