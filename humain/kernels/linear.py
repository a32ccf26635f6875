"""The `linear` kernel: softmax attention from the question over learned keys into value and score memories."""

import dataclasses

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from humain.kernels.network import NetworkKernel
from humain.kernels.slots import SlotLoss
from humain.spaces import Space
from humain.types import Array

_DEFAULT_LOSS = SlotLoss()


@dataclasses.dataclass(frozen=True)
class LinearConfig:
    """Size of the memory.

    Attributes:
        num_slots: hypotheses a question.
        num_keys: learned keys, each with a row of the value and the score memory.
        context_length: states in a context.
        sharpness: factor of the attention logits at the start; larger means that a question reads fewer keys.
    """

    num_slots: int = 4
    num_keys: int = 512
    context_length: int = 1
    sharpness: float = 2.0

    def __post_init__(self) -> None:
        for name in ("num_slots", "num_keys", "context_length"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if not self.sharpness > 0:
            raise ValueError(f"sharpness must be more than 0, not {self.sharpness}")


class LinearNetwork(nnx.Module):
    """One head of attention with the concatenated context and goal as query; linear in its memories."""

    def __init__(self, config: LinearConfig, num_features: int, num_values: int, *, rngs: nnx.Rngs) -> None:
        """Args: sizes, features of a state, features of a value, and `rngs` with a `params` stream."""
        self.config = config
        query_size = (config.context_length + 1) * num_features
        normal = jax.random.normal
        self.keys = nnx.Param(normal(rngs.params(), (query_size, config.num_keys)))
        self.memories = nnx.Param(0.02 * normal(rngs.params(), (config.num_keys, config.num_slots * (num_values + 1))))
        self.biases = nnx.Param(jnp.zeros(config.num_keys))

    def __call__(self, features: Array, mask: Array, goals: Array) -> Array:
        """Slot outputs `[B, K, V + 1]` for features `[B, C, F]`, mask `[B, C]` and goals `[B, F]`.

        Raises:
            ValueError: if the contexts are not of the length that the memory is for.
        """
        if features.shape[1] != self.config.context_length:
            raise ValueError(
                f"this memory is for context_length {self.config.context_length}, and the contexts have "
                f"{features.shape[1]} states; give layer and kernel the same"
            )
        context = jnp.where(mask[..., None], features, 0).reshape(features.shape[0], -1)
        query = jnp.concatenate([context, goals], axis=-1)
        attention = jax.nn.softmax(self.config.sharpness * (query @ self.keys[...]) + self.biases[...][None], axis=-1)
        outputs = attention @ self.memories[...]
        return outputs.reshape(features.shape[0], self.config.num_slots, -1)


def linear(
    config: LinearConfig,
    *,
    state_space: Space,
    target_space: Space,
    optimizer: optax.GradientTransformation,
    loss: SlotLoss = _DEFAULT_LOSS,
    relative: bool = False,
) -> NetworkKernel:
    """The kernel for these spaces."""
    return NetworkKernel(
        state_space=state_space,
        target_space=target_space,
        num_slots=config.num_slots,
        build=_Build(config, state_space.num_features, target_space.num_outputs),
        optimizer=optimizer,
        loss=loss,
        relative=relative,
    )


@dataclasses.dataclass(frozen=True)
class _Build:
    """Makes the module; equal sizes make equal builders, so kernels made alike compare equal."""

    config: LinearConfig
    num_features: int
    num_values: int

    def __call__(self, rngs: nnx.Rngs) -> LinearNetwork:
        return LinearNetwork(self.config, self.num_features, self.num_values, rngs=rngs)
