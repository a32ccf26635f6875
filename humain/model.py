"""The stack of layers: what a model is, what it has learned, and learning from experience."""

import dataclasses
import operator
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from humain.abstraction.abstraction import Abstraction
from humain.cortex import hindsight
from humain.cortex.cortex import Cortex
from humain.hippocampus import encodings
from humain.hippocampus import memory as memory_lib
from humain.hippocampus import recall as recall_lib
from humain.hippocampus.memory import Memory
from humain.kernels.kernel import KernelState, Metrics
from humain.spaces import Space
from humain.training import sharding
from humain.types import Array, Context, Examples


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer of the stack. Nothing in it knows which layer it is.

    Attributes:
        cortex: learns and answers.
        context_length: states that the hippocampus shows the cortex, the present one included.
        encoding: of their positions.
        refresh_on_new_goal: whether the hippocampus forgets when the layer's goal changes. Goals that count as equal in
            the space, as tagged ones that leave open what the other tells, are no change.
        max_sub_steps: answers that a plan may take for one goal.
        max_nodes: answers of this layer that a plan has room for.
        recall: how states that are no longer in the context are recalled into it, by the goal as the cue: before the
            `context_length` newest ones come those of the older ones that are most like the goal. None for the newest
            alone. The kernel is then for contexts of `shown_length`.
        recall_capacity: older states that are kept to recall from.
    """

    cortex: Cortex
    context_length: int = 1
    encoding: encodings.Encoding = encodings.none
    refresh_on_new_goal: bool = True
    max_sub_steps: int = 16
    max_nodes: int = 64
    recall: recall_lib.Recall | None = None
    recall_capacity: int = 0

    def __post_init__(self) -> None:
        for name in ("context_length", "max_sub_steps", "max_nodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        num_recalled = 0 if self.recall is None else self.recall.num_recalled
        if self.recall_capacity < num_recalled or (self.recall is None and self.recall_capacity):
            raise ValueError(
                f"recall_capacity must be the older states kept to recall {num_recalled} from, as many at least and 0 "
                f"without recall, not {self.recall_capacity}"
            )

    @property
    def stored_length(self) -> int:
        """States that a context is made from, the present one included."""
        return self.context_length + self.recall_capacity

    @property
    def shown_length(self) -> int:
        """States in a context, the present one included."""
        return self.context_length + (0 if self.recall is None else self.recall.num_recalled)

    def begin(self, batch_size: int) -> Memory:
        """The hippocampi of `B` episodes before their first state."""
        memory = memory_lib.empty(self.stored_length - 1, self.cortex.kernel.state_space)
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (batch_size, *leaf.shape)), memory)

    def context(self, memories: Memory, states: Array, goals: Array) -> Context:
        """What the cortex sees of `B` episodes in the present states `[B, *S]`, asked for goals `[B, *S]`."""
        space = self.cortex.kernel.state_space
        show = partial(memory_lib.context, length=self.stored_length, space=space, encoding=self.encoding)
        return self.focus(jax.vmap(show)(memories, states), goals)

    def focus(self, contexts: Context, goals: Array) -> Context:
        """Of all that is stored, `[B, stored_length]`, what the cortex sees when asked for goals `[B, *S]`."""
        if self.recall is None:
            return contexts
        space = self.cortex.kernel.state_space
        focus = partial(recall_lib.focus, num_newest=self.context_length, space=space, encoding=self.encoding)
        return jax.vmap(partial(focus, self.recall))(contexts, goals)


@struct.dataclass
class ModelState:
    """All that a model has learned.

    Attributes:
        kernels: one pytree for each group of layers that learn together; in a group of several the layers are the
            leading axis.
        abstractions: one for each layer, bottom first.
    """

    kernels: tuple[KernelState, ...]
    abstractions: tuple[Abstraction, ...]


@dataclasses.dataclass(frozen=True)
class Model:
    """A stack of layers, bottom first, over one space of states and goals.

    Attributes:
        layers: at least one.
        space: of states and goals.
        group_layers: whether layers of equal shape share one vmapped update. It saves dispatches for small networks; a
            table is better left alone, for stacking would copy it.
    """

    layers: tuple[Layer, ...]
    space: Space
    group_layers: bool = True

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError("a model needs at least one layer")
        for number, layer in enumerate(self.layers):
            if layer.cortex.kernel.state_space != self.space:
                raise ValueError(
                    f"the kernel of layer {number} is for {layer.cortex.kernel.state_space}, not {self.space}"
                )
            if number and layer.cortex.kernel.target_space != self.space:
                raise ValueError(f"layer {number} asks for sub-goals, so its targets must be in {self.space}")

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Layers whose kernels are equal and see equal shapes; each group learns in one vmapped update."""
        members: dict[Any, list[int]] = {}
        for number, layer in enumerate(self.layers):
            shape = (layer.cortex.kernel, layer.shown_length) if self.group_layers else number
            members.setdefault(shape, []).append(number)
        return tuple(tuple(group) for group in members.values())

    def init(self, key: jax.Array, abstractions: tuple[Abstraction, ...]) -> ModelState:
        """The state before anything was learned.

        Args:
            key: consumed.
            abstractions: one for each layer, bottom first; the top one bounds how far the top layer looks ahead.

        Raises:
            ValueError: if there is not one abstraction for each layer.
        """
        if len(abstractions) != len(self.layers):
            raise ValueError(f"{len(self.layers)} layers need as many abstractions, not {len(abstractions)}")
        keys = jax.random.split(key, len(self.layers))
        kernels = []
        for members in self.groups:
            init = self.layers[members[0]].cortex.kernel.init
            kernels.append(jax.vmap(init)(keys[jnp.array(members)]) if len(members) > 1 else init(keys[members[0]]))
        return ModelState(kernels=tuple(kernels), abstractions=abstractions)

    def kernel_state(self, state: ModelState, layer: int) -> KernelState:
        """One layer's part of what was learned."""
        for members, stacked in zip(self.groups, state.kernels, strict=True):
            if layer in members:
                if len(members) == 1:
                    return stacked
                place = members.index(layer)
                return jax.tree.map(operator.itemgetter(place), stacked)
        raise ValueError(f"there is no layer {layer}; there are {len(self.layers)}")

    def learn(self, state: ModelState, examples: Mapping[int, Examples]) -> tuple[ModelState, Metrics]:
        """One update of each layer that there are examples for.

        Args:
            state: what was learned before.
            examples: a batch for each layer that is to learn, by the layer's number; equal sizes within a group. They
                are split over the devices of the mesh, if one is set; see `humain.training.sharding`.

        Returns:
            The new state and the metrics, named `layer_0/loss` and so on.

        Raises:
            ValueError: if only some layers of a group have examples.
        """
        examples = {number: sharding.split_batch(batch) for number, batch in examples.items()}
        kernels = []
        metrics: Metrics = {}
        for members, before in zip(self.groups, state.kernels, strict=True):
            present = [member for member in members if member in examples]
            if present and len(present) < len(members):
                raise ValueError(
                    f"layers {members} learn together, and only {present} have examples; group_layers=False"
                )
            if not present:
                kernels.append(before)
                continue
            learn = self.layers[members[0]].cortex.kernel.learn
            if len(members) == 1:
                learned, values = learn(before, examples[members[0]])
                metrics.update({f"layer_{members[0]}/{name}": value for name, value in values.items()})
            else:
                batches = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[examples[member] for member in members])
                learned, values = jax.vmap(learn)(before, batches)
                for name, value in values.items():
                    metrics.update({f"layer_{member}/{name}": value[at] for at, member in enumerate(members)})
            kernels.append(learned)
        return dataclasses.replace(state, kernels=tuple(kernels)), metrics

    def sample(self, experience: hindsight.Experience, key: jax.Array, batch_size: int) -> dict[int, Examples]:
        """A batch of hindsight examples for each layer; `key` is consumed."""
        keys = jax.random.split(key, len(self.layers))
        batches = {}
        for number, layer in enumerate(self.layers):
            examples = hindsight.sample(
                experience,
                keys[number],
                batch_size,
                layer=number,
                cortex=layer.cortex,
                context_length=layer.stored_length,
                space=self.space,
                encoding=layer.encoding,
            )
            batches[number] = dataclasses.replace(examples, context=layer.focus(examples.context, examples.goals))
        return batches

    @partial(jax.jit, static_argnames=("self", "batch_size"))
    def observe(
        self, state: ModelState, experience: hindsight.Experience, key: jax.Array, batch_size: int
    ) -> tuple[ModelState, Metrics]:
        """Learns from experience: one batch of hindsight examples for each layer, in one jitted call.

        Args:
            state: what was learned before.
            experience: to learn from.
            key: consumed.
            batch_size: examples for each layer.
        """
        return self.learn(state, self.sample(experience, key, batch_size))
