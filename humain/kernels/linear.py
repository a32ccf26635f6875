"""The `linear` kernel: softmax attention from the question over learned keys into value and score memories."""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from humain.hippocampus.rotary import Rotary
from humain.kernels.network import NetworkConfig, NetworkKernel
from humain.kernels.optimizers import Optimizer
from humain.spaces import Space
from humain.types import Array


@dataclasses.dataclass(frozen=True)
class LinearConfig(NetworkConfig):
    """A memory by attention.

    Attributes:
        num_keys: learned keys, each with a row of the value and the score memory.
        sharpness: factor of the attention logits at the start; larger means that a question reads fewer keys.
    """

    reads_features: ClassVar[bool] = True
    attends: ClassVar[bool] = False

    num_keys: int = 512
    sharpness: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_keys < 1:
            raise ValueError(f"num_keys must be at least 1, not {self.num_keys}")
        if not self.sharpness > 0:
            raise ValueError(f"sharpness must be more than 0, not {self.sharpness}")

    def build(
        self,
        state_space: Space,
        target_space: Space,
        *,
        context_length: int = 1,
        rotary: Rotary | None = None,
        optimizer: Optimizer | None = None,
    ) -> NetworkKernel:
        """The kernel for these spaces.

        Args:
            state_space: of contexts and goals.
            target_space: of values.
            context_length: states in a context.
            rotary: None; there is no self-attention to turn anything in.
            optimizer: in place of Adam.

        Raises:
            ValueError: if a number is too small, or an encoding is given that has no effect.
        """
        if context_length < 1:
            raise ValueError(f"context_length must be at least 1, not {context_length}")
        if rotary is not None:
            raise ValueError("a rotary encoding acts inside self-attention; the kernel 'linear' has none")
        module = LinearBuild(self, context_length, state_space.num_features, target_space.num_outputs)
        return self._kernel(state_space, target_space, module, optimizer)


class LinearNetwork(nnx.Module):
    """One head of attention with the concatenated context and goal as query; linear in its memories."""

    def __init__(
        self, config: LinearConfig, context_length: int, *, num_features: int, num_values: int, rngs: nnx.Rngs
    ) -> None:
        """Args: sizes, states in a context, features of a state and of a value, `rngs` with a `params` stream."""
        self.config = config
        self.context_length = context_length
        query_size = (context_length + 1) * num_features
        normal = jax.random.normal
        self.keys = nnx.Param(normal(rngs.params(), (query_size, config.num_keys)))
        self.memories = nnx.Param(0.02 * normal(rngs.params(), (config.num_keys, config.num_slots * (num_values + 1))))
        self.biases = nnx.Param(jnp.zeros(config.num_keys))

    def __call__(self, features: Array, mask: Array, goals: Array) -> Array:
        """Slot outputs `[B, K, V + 1]` for features `[B, C, F]`, mask `[B, C]` and goals `[B, F]`.

        Raises:
            ValueError: if the contexts are not of the length that the memory is for.
        """
        if features.shape[1] != self.context_length:
            raise ValueError(
                f"this memory is for context_length {self.context_length}, and the contexts have "
                f"{features.shape[1]} states; give layer and kernel the same"
            )
        context = jnp.where(mask[..., None], features, 0).reshape(features.shape[0], -1)
        query = jnp.concatenate([context, goals], axis=-1)
        attention = jax.nn.softmax(self.config.sharpness * (query @ self.keys[...]) + self.biases[...][None], axis=-1)
        outputs = attention @ self.memories[...]
        return outputs.reshape(features.shape[0], self.config.num_slots, -1)


@dataclasses.dataclass(frozen=True)
class LinearBuild:
    """Makes the module; equal sizes make equal builders, so kernels made alike compare equal."""

    config: LinearConfig
    context_length: int
    num_features: int
    num_values: int

    def __call__(self, rngs: nnx.Rngs) -> LinearNetwork:
        """A module with random parameters."""
        return LinearNetwork(
            self.config, self.context_length, num_features=self.num_features, num_values=self.num_values, rngs=rngs
        )
