"""The `transformer` kernel: causal self-attention over the context, cross-attention to the goal, feed-forward."""

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
class TransformerConfig(NetworkConfig):
    """A memory by a network of attention.

    Attributes:
        num_blocks: blocks of self-attention, cross-attention and feed-forward.
        num_heads: of each attention; divides `width`.
        width: of the residual stream.
        hidden: of the feed-forward layers.
        window: how many states back a position attends, itself included; None for the whole context.
        offset: spread of the constant that is added to embedded states and goals. The norms that follow keep only the
            direction of a vector; with an offset, one near 0 keeps its size too. 0 for ids.
    """

    reads_features: ClassVar[bool] = True
    attends: ClassVar[bool] = True

    num_blocks: int = 1
    num_heads: int = 4
    width: int = 96
    hidden: int = 384
    window: int | None = None
    offset: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("num_blocks", "num_heads", "width", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.window is not None and self.window < 1:
            raise ValueError(f"window must be at least 1, or None, not {self.window}")
        if not self.offset >= 0:
            raise ValueError(f"offset must be 0 or more, not {self.offset}")
        if self.width % self.num_heads:
            raise ValueError(f"width {self.width} is not a multiple of num_heads {self.num_heads}")

    def build(
        self,
        state_space: Space,
        target_space: Space,
        *,
        context_length: int = 1,
        rotary: Rotary | None = None,
        optimizer: Optimizer | None = None,
    ) -> NetworkKernel:
        """The kernel for these spaces; it reads contexts of any length.

        Args:
            state_space: of contexts and goals.
            target_space: of values.
            context_length: states in a context; the network is the same for any.
            rotary: of the context's positions in self-attention, or None; a head's width must then be even.
            optimizer: in place of Adam.

        Raises:
            ValueError: if a number does not fit.
        """
        if context_length < 1:
            raise ValueError(f"context_length must be at least 1, not {context_length}")
        if rotary is not None and self.width // self.num_heads % 2:
            raise ValueError(
                f"rotary encoding turns pairs, so width {self.width} must be an even multiple of num_heads "
                f"{self.num_heads}"
            )
        module = TransformerBuild(self, rotary, state_space.num_features, target_space.num_outputs)
        return self._kernel(state_space, target_space, module, optimizer)


class Attention(nnx.Module):
    """Multi-head attention (Vaswani et al., Attention Is All You Need); queries are normalised before, values too."""

    def __init__(self, width: int, num_heads: int, *, rotary: Rotary | None = None, rngs: nnx.Rngs) -> None:
        """Args: width of the residual stream, number of heads, what turns queries and keys, `rngs` with `params`."""
        self.num_heads = num_heads
        self.rotary = rotary
        self.queries = nnx.Linear(width, width, use_bias=False, rngs=rngs)
        self.keys = nnx.Linear(width, width, use_bias=False, rngs=rngs)
        self.values = nnx.Linear(width, width, use_bias=False, rngs=rngs)
        self.outputs = nnx.Linear(width, width, use_bias=False, rngs=rngs)

    def __call__(self, inputs: Array, memory: Array, mask: Array | None) -> Array:
        """Attends from inputs `[B, T, D]` to memory `[B, S, D]` where mask `[B, T, S]` (bool) is True.

        With rotary encoding, inputs and memory are one sequence each, counted from its first entry. Where it starts
        makes no difference, so that padding before it makes none either.
        """
        values = self.values(memory)
        if memory.shape[1] == 1:
            # All the weight is on the one entry, whatever query and key say.
            return jnp.broadcast_to(self.outputs(values), inputs.shape)
        heads = (self.num_heads, -1)
        queries = self.queries(inputs).reshape(*inputs.shape[:2], *heads)
        keys = self.keys(memory).reshape(*memory.shape[:2], *heads)
        if self.rotary is not None:
            queries = self.rotary.turn(queries, jnp.arange(inputs.shape[1]))
            keys = self.rotary.turn(keys, jnp.arange(memory.shape[1]))
        attended = jax.nn.dot_product_attention(
            queries,
            keys,
            values.reshape(*memory.shape[:2], *heads),
            mask=None if mask is None else mask[:, None],
        )
        return self.outputs(attended.reshape(inputs.shape))


class Block(nnx.Module):
    """Pre-norm block: self-attention over the context, cross-attention to the goal, feed-forward."""

    def __init__(self, config: TransformerConfig, *, rotary: Rotary | None = None, rngs: nnx.Rngs) -> None:
        """Args: sizes, what turns queries and keys of self-attention, and `rngs` with a `params` stream."""
        self.context_attention = Attention(config.width, config.num_heads, rotary=rotary, rngs=rngs)
        self.goal_attention = Attention(config.width, config.num_heads, rngs=rngs)
        self.context_norm = nnx.LayerNorm(config.width, rngs=rngs)
        self.goal_norm = nnx.LayerNorm(config.width, rngs=rngs)
        self.hidden_norm = nnx.LayerNorm(config.width, rngs=rngs)
        self.expand = nnx.Linear(config.width, config.hidden, rngs=rngs)
        self.contract = nnx.Linear(config.hidden, config.width, rngs=rngs)

    def __call__(self, stream: Array, goals: Array, mask: Array) -> Array:
        """The stream `[B, C, D]` after the block, for goals `[B, 1, D]` and attention mask `[B, C, C]`."""
        normed = self.context_norm(stream)
        stream = stream + self.context_attention(normed, normed, mask)
        stream = stream + self.goal_attention(self.goal_norm(stream), goals, None)
        return stream + self.contract(jax.nn.gelu(self.expand(self.hidden_norm(stream))))


class TransformerNetwork(nnx.Module):
    """Reads the context with the goal fused in at each position; answers from the present state's position."""

    def __init__(
        self,
        config: TransformerConfig,
        *,
        num_features: int,
        num_values: int,
        rotary: Rotary | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        """Args: sizes, features of a state and of a value, what turns queries and keys, `rngs` with `params`."""
        self.config = config
        offset = nnx.initializers.normal(config.offset) if config.offset else nnx.initializers.zeros
        self.embed_state = nnx.Linear(num_features, config.width, bias_init=offset, rngs=rngs)
        self.embed_goal = nnx.Linear(num_features, config.width, bias_init=offset, rngs=rngs)
        self.goal_norm = nnx.LayerNorm(config.width, rngs=rngs)
        self.blocks = nnx.List([Block(config, rotary=rotary, rngs=rngs) for _ in range(config.num_blocks)])
        self.norm = nnx.LayerNorm(config.width, rngs=rngs)
        self.head = nnx.Linear(
            config.width,
            config.num_slots * (num_values + 1),
            kernel_init=nnx.initializers.variance_scaling(0.01, "fan_in", "normal"),
            rngs=rngs,
        )

    def __call__(self, features: Array, mask: Array, goals: Array) -> Array:
        """Slot outputs `[B, K, V + 1]` for features `[B, C, F]`, mask `[B, C]` and goals `[B, F]`."""
        length = features.shape[1]
        ages = jnp.arange(length)[:, None] - jnp.arange(length)[None, :]
        window = ages >= 0
        if self.config.window is not None:
            window &= ages < self.config.window
        # A padding position sees only itself: no row without an entry, so no division by zero.
        visible = window[None] & (mask[:, None, :] | (ages == 0)[None])
        stream = self.embed_state(features)
        goal = self.goal_norm(self.embed_goal(goals))[:, None]
        for block in self.blocks:
            stream = block(stream, goal, visible)
        return self.head(self.norm(stream[:, -1])).reshape(features.shape[0], self.config.num_slots, -1)


@dataclasses.dataclass(frozen=True)
class TransformerBuild:
    """Makes the module; equal sizes make equal builders, so kernels made alike compare equal."""

    config: TransformerConfig
    rotary: Rotary | None
    num_features: int
    num_values: int

    def __call__(self, rngs: nnx.Rngs) -> TransformerNetwork:
        """A module with random parameters."""
        return TransformerNetwork(
            self.config, num_features=self.num_features, num_values=self.num_values, rotary=self.rotary, rngs=rngs
        )
