"""How often states are visited, learned by a small network, for states that cannot be counted.

A network learns to tell visited states from states drawn at random from a density that is known; what it then answers
is the logarithm of the ratio of both densities. For ids the known density is uniform, for vectors the normal one with
the states' own mean and covariance.

Source: Michael Gutmann and Aapo Hyvärinen, "Noise-Contrastive Estimation: A New Estimation Principle for Unnormalized
Statistical Models" (2010), with as much noise as data. Here the network learns the ratio to the noise, not the density
itself: where nothing was learned, the density is that of the noise. Vectors come to the network with sines and cosines
at several scales beside them, without which it learns no peak that is narrow beside the spread of the states
(Matthew Tancik et al., "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains", 2020;
here at powers of two along the axes, not at random).
"""

import dataclasses
from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp
import optax
from flax import struct

from humain.spaces import Discrete, Space
from humain.types import Array

_Params: TypeAlias = tuple[tuple[Array, Array], ...]
"""Weights `[I, O]` and bias `[O]` of each layer."""

_RIDGE = 1e-6
"""Added to the covariance, as a share of its mean variance: vectors may lie in a plane."""


@dataclasses.dataclass(frozen=True)
class DensityConfig:
    """How the network is made and trained.

    Attributes:
        width: of its two hidden layers.
        num_scales: of sines and cosines for each number of a vector: with wavelengths of 2 pi, pi, ... standard
            deviations. Ids have no use for them.
        num_steps: of training.
        batch_size: visited states a step, and as many drawn at random.
        learning_rate: at the start; it falls to 0 along a cosine.
    """

    width: int = 64
    num_scales: int = 4
    num_steps: int = 1000
    batch_size: int = 2048
    learning_rate: float = 1e-2

    def __post_init__(self) -> None:
        for name, least in (("width", 1), ("num_scales", 0), ("num_steps", 1), ("batch_size", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, not {getattr(self, name)}")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be a number above 0, not {self.learning_rate}")


@struct.dataclass
class VisitDensity:
    """A learned density of visits.

    Attributes:
        params: of the network.
        mean: `[D]` of the states; empty for ids.
        root: `[D, D]`, a lower triangular square root of their covariance; empty for ids.
        space: of the states.
        num_scales: see `DensityConfig`.
    """

    params: _Params
    mean: Array
    root: Array
    space: Space = struct.field(pytree_node=False)
    num_scales: int = struct.field(pytree_node=False)

    def log_density(self, states: Array) -> Array:
        """Natural logarithm `[...]` of the density at states `[..., *S]`; for ids, of the share of the visits."""
        if isinstance(self.space, Discrete):
            first, *others = self.params
            # A row of the first weights is what a product with a one-hot vector would pick.
            ratios = _later_layers(others, first[0][states] + _row(first[1], states.ndim + 1))
            return ratios - jnp.log(jnp.float32(self.space.num_elements))
        centred = self.space.encode(states) - _row(self.mean, states.ndim)
        flat = jnp.reshape(centred, (-1, centred.shape[-1]))
        whitened = jax.scipy.linalg.solve_triangular(self.root, flat.T, lower=True).T
        noise = -jnp.sum(jnp.square(whitened) + jnp.log(2 * jnp.pi), axis=-1) / 2
        noise = noise - jnp.sum(jnp.log(jnp.diagonal(self.root)))
        return jnp.reshape(_ratio(self.params, whitened, self.num_scales) + noise, states.shape[:-1])


def fit(states: Array, key: jax.Array, *, space: Space, config: DensityConfig) -> VisitDensity:
    """The density of visited states. A pure function: the same states and key give the same density.

    Args:
        states: `[N, *S]`, of all paths together, without padding; a state visited twice is there twice.
        key: consumed.
        space: of the states; vectors are taken as features.
        config: of network and training.

    Raises:
        ValueError: if a state is not in the space, or there are no states.
    """
    if states.shape[1:] != space.shape or states.shape[0] < 1:
        raise ValueError(f"states must be [N, *{list(space.shape)}], at least one, not {list(states.shape)}")
    if isinstance(space, Discrete) != jnp.issubdtype(states.dtype, jnp.integer):
        raise ValueError(f"states are {states.dtype}, and the space is {space}; ids go with a discrete space")
    return _fit(states, key, space=space, config=config)


@partial(jax.jit, static_argnames=("space", "config"))
def _fit(states: Array, key: jax.Array, *, space: Space, config: DensityConfig) -> VisitDensity:
    init_key, step_key = jax.random.split(key)
    discrete = isinstance(space, Discrete)
    # Ids pick rows by their number, whatever features the space shows them by.
    num_inputs = space.num_elements if isinstance(space, Discrete) else space.num_features * (1 + 2 * config.num_scales)
    params = _init(init_key, (num_inputs, config.width, config.width, 1))
    size = 0 if discrete else space.num_features
    density = VisitDensity(
        params=params,
        mean=jnp.zeros(size),
        root=jnp.eye(size),
        space=space,
        num_scales=config.num_scales,
    )
    points = states
    if not discrete:
        features = space.encode(states)
        mean, root = _moments(features)
        density = dataclasses.replace(density, mean=mean, root=root)
        points = jax.scipy.linalg.solve_triangular(root, (features - mean[None]).T, lower=True).T
    optimizer = optax.adam(optax.cosine_decay_schedule(config.learning_rate, config.num_steps))

    def ratio(params: _Params, points: Array) -> Array:
        if isinstance(space, Discrete):
            noise_level = jnp.log(jnp.float32(space.num_elements))
            return dataclasses.replace(density, params=params).log_density(points) + noise_level
        return _ratio(params, points, config.num_scales)

    def loss_of(params: _Params, visited: Array, noise: Array) -> Array:
        return jnp.mean(jax.nn.softplus(-ratio(params, visited))) + jnp.mean(jax.nn.softplus(ratio(params, noise)))

    def step(carry: tuple[_Params, optax.OptState], number: Array) -> tuple[tuple[_Params, optax.OptState], None]:
        params, memory = carry
        visited_key, noise_key = jax.random.split(jax.random.fold_in(step_key, number))
        visited = points[jax.random.randint(visited_key, (config.batch_size,), 0, points.shape[0])]
        if isinstance(space, Discrete):
            noise = jax.random.randint(noise_key, (config.batch_size,), 0, space.num_elements)
        else:
            noise = jax.random.normal(noise_key, (config.batch_size, size))
        updates, memory = optimizer.update(jax.grad(loss_of)(params, visited, noise), memory)
        learned = optax.apply_updates(params, updates)
        return (learned, memory), None

    (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), jnp.arange(config.num_steps))
    return dataclasses.replace(density, params=params)


def _moments(features: Array) -> tuple[Array, Array]:
    """Mean `[D]` and a root `[D, D]` of the covariance of `[N, D]`."""
    mean = jnp.mean(features, axis=0)
    centred = features - mean[None]
    covariance = jnp.matmul(centred.T, centred, precision=jax.lax.Precision.HIGHEST) / features.shape[0]
    variance = jnp.trace(covariance) / covariance.shape[0]
    # States that are all the same have no spread of their own.
    ridge = jnp.where(variance > 0, _RIDGE * variance, 1.0)
    return mean, jnp.linalg.cholesky(covariance + ridge * jnp.eye(covariance.shape[0]))


def _init(key: jax.Array, sizes: tuple[int, ...]) -> _Params:
    """Weights by the variance of their inputs; the last ones 0, so that the ratio begins at 1."""
    keys = jax.random.split(key, len(sizes) - 1)
    layers = []
    for number, (inputs, outputs) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        weights = jax.random.normal(keys[number], (inputs, outputs)) * jnp.sqrt(2 / inputs)
        layers.append((weights if number < len(sizes) - 2 else jnp.zeros_like(weights), jnp.zeros(outputs)))
    return tuple(layers)


def _ratio(params: _Params, whitened: Array, num_scales: int) -> Array:
    """The network's answer `[N]` for whitened vectors `[N, D]`."""
    angles = [whitened * 2.0**scale for scale in range(num_scales)]
    features = jnp.concatenate([whitened, *map(jnp.sin, angles), *map(jnp.cos, angles)], axis=-1)
    (weights, bias), *others = params
    return _later_layers(others, features @ weights + bias[None])


def _later_layers(layers: list[tuple[Array, Array]], hidden: Array) -> Array:
    """What comes of the first layer's outputs `[..., H]` before they are bent: `[...]`."""
    for weights, bias in layers:
        hidden = jax.nn.silu(hidden) @ weights + _row(bias, hidden.ndim)
    return hidden[..., 0]


def _row(vector: Array, num_axes: int) -> Array:
    """A vector `[D]` as one row of an array with so many axes."""
    return jnp.reshape(vector, (1,) * (num_axes - 1) + vector.shape)
