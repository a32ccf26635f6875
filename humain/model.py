"""The stack of layers: what a model is, what it has learned, and learning from experience."""

import dataclasses
import operator
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from humain import guards
from humain.abstraction.abstraction import Abstraction
from humain.cortex import hindsight
from humain.cortex.hindsight import Draws, Experience
from humain.kernels.kernel import KernelState, Metrics
from humain.layer import Layer
from humain.spaces import Space
from humain.training import sharding
from humain.types import Examples, Trajectories


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
            if number and not layer.answers_states:
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
        guards.check_number(len(self.layers), len(abstractions))
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

    def gather(self, state: ModelState, trajectories: Trajectories) -> Experience:
        """Trajectories as experience that the stack can learn from. Not for jit: it looks at them.

        Args:
            state: whose abstractions say what each layer sees of them.
            trajectories: to learn from; of arrays, NumPy's or JAX's, or lists.

        Raises:
            ValueError: naming what is wrong with them: ids outside the space, actions where the bottom layer answers
                states and none where it answers actions, a wrong type, shape or length, NaN, or no step at all.
        """
        guards.check_number(len(self.layers), len(state.abstractions))
        bottom = self.layers[0]
        answered = self.space if bottom.answers_states else bottom.cortex.kernel.target_space
        checked = guards.trajectories(trajectories, space=self.space, target_space=answered)
        return hindsight.gather(checked, state.abstractions, self.layers)

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

    def sample(self, experience: Experience, key: jax.Array, batch_size: int) -> dict[int, Examples]:
        """A batch of hindsight examples for each layer; `key` is consumed.

        Raises:
            ValueError: if the experience was gathered for fewer layers.
        """
        draws = self.draw(experience, key, batch_size)
        return {number: self.examples_at(experience, number, places) for number, places in draws.items()}

    def draw(self, experience: Experience, key: jax.Array, batch_size: int) -> dict[int, Draws]:
        """Where a batch of hindsight examples lies, for each layer; `key` is consumed.

        Raises:
            ValueError: if the experience was gathered for fewer layers.
        """
        if len(experience.states) < len(self.layers):
            raise ValueError(
                f"the experience was gathered for {len(experience.states)} layers, and there are {len(self.layers)}; "
                "gather it with this model"
            )
        keys = jax.random.split(key, len(self.layers))
        return {
            number: hindsight.draw(experience, layer, number=number, key=keys[number], batch_size=batch_size)
            for number, layer in enumerate(self.layers)
        }

    def examples_at(self, experience: Experience, number: int, draws: Draws) -> Examples:
        """The hindsight examples of a layer, by its number, that lie where `draw` says."""
        return hindsight.examples_at(experience, self.layers[number], draws, number=number)

    @partial(jax.jit, static_argnames=("self", "batch_size"))
    def observe(
        self, state: ModelState, experience: Experience, key: jax.Array, batch_size: int
    ) -> tuple[ModelState, Metrics]:
        """Learns from experience: one batch of hindsight examples for each layer, in one jitted call.

        Args:
            state: what was learned before.
            experience: to learn from.
            key: consumed.
            batch_size: examples for each layer.
        """
        return self.learn(state, self.sample(experience, key, batch_size))
