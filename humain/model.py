"""The stack of layers: what a model is, what it has learned, and learning from experience."""

import dataclasses
import itertools
import operator
from collections.abc import Collection, Mapping
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
    """A stack of layers, bottom first.

    Each layer sees, is asked for and answers states of its own space (`Layer.space`). It is that of the layer below
    unless the abstraction between them lifts into another one, as vectors to the numbers of places.

    Attributes:
        layers: at least one.
        space: of the user's states and goals, which is that of the bottom layer.
        group_layers: whether layers of equal shape share one vmapped update. It saves dispatches for small networks; a
            table is better left alone, for stacking would copy it.
    """

    layers: tuple[Layer, ...]
    space: Space
    group_layers: bool = True

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError("a model needs at least one layer")
        if self.layers[0].space != self.space:
            raise ValueError(f"the kernel of layer 0 is for {self.layers[0].space}, not {self.space}")
        for number, layer in enumerate(self.layers):
            if number and not layer.answers_states:
                raise ValueError(f"layer {number} asks for sub-goals, so its targets must be in {layer.space}")

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
            ValueError: if there is not one abstraction for each layer, or one does not lead from its layer's space to
                that of the layer above.
        """
        guards.check_number(len(self.layers), len(abstractions))
        guards.check_lifts([layer.space for layer in self.layers], abstractions)
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

    def above(self, number: int) -> "Model":
        """The stack from a layer up as a model of its own, over that layer's space of states and goals.

        It plans, acts and learns as the whole stack does from that layer up. `state_above` is what it has learned.

        Args:
            number: of the layer that is its bottom, from 0.

        Raises:
            ValueError: if there is no such layer.
        """
        self._check_layer(number)
        return dataclasses.replace(self, layers=self.layers[number:], space=self.layers[number].space)

    def state_above(self, state: ModelState, number: int) -> ModelState:
        """What the stack from a layer up has learned: the state of `above(number)`.

        Args:
            state: of the whole stack.
            number: of the layer, from 0.

        Raises:
            ValueError: if there is no such layer.
        """
        above = self.above(number)
        kernels = []
        for members in above.groups:
            own = [self.kernel_state(state, number + member) for member in members]
            kernels.append(_together(own))
        return ModelState(kernels=tuple(kernels), abstractions=state.abstractions[number:])

    def with_above(self, state: ModelState, number: int, learned: ModelState) -> ModelState:
        """The state of the whole stack with what `above(number)` has learned in its place.

        Args:
            state: of the whole stack.
            number: of the layer, from 0.
            learned: of `above(number)`.

        Raises:
            ValueError: if there is no such layer, or the state is of another number of layers.
        """
        above = self.above(number)
        guards.check_number(len(above.layers), len(learned.abstractions))
        kernels = []
        for members in self.groups:
            own = [
                self.kernel_state(state, member) if member < number else above.kernel_state(learned, member - number)
                for member in members
            ]
            kernels.append(_together(own))
        return ModelState(kernels=tuple(kernels), abstractions=(*state.abstractions[:number], *learned.abstractions))

    def _check_layer(self, number: int) -> None:
        if not 0 <= number < len(self.layers):
            raise ValueError(f"there is no layer {number}; there are {len(self.layers)}, numbered from 0")

    def gather(self, state: ModelState, trajectories: Trajectories) -> Experience:
        """Trajectories as experience that the stack can learn from. Not for jit: it looks at them.

        Args:
            state: whose abstractions say what each layer sees of them.
            trajectories: to learn from; of arrays, NumPy's or JAX's, or lists.

        Raises:
            ValueError: naming what is wrong with them: ids outside the space, actions where the bottom layer answers
                states and none where it answers actions, a wrong type, shape or length, NaN, no step at all, or states
                that are lifted out of the space of the layer above.
        """
        guards.check_number(len(self.layers), len(state.abstractions))
        bottom = self.layers[0]
        answered = self.space if bottom.answers_states else bottom.cortex.kernel.target_space
        checked = guards.trajectories(trajectories, space=self.space, target_space=answered)
        experience = hindsight.gather(checked, state.abstractions, self.layers)
        for number, (below, layer) in enumerate(itertools.pairwise(self.layers), start=1):
            if layer.space != below.space:
                guards.check_lifted(number, layer.space, experience.states[number], checked.lengths)
        return experience

    def check_taught(self, numbers: Collection[int]) -> None:
        """Refuses to teach only some layers of a group.

        Args:
            numbers: of the layers that are to learn in one call of `learn`.

        Raises:
            ValueError: naming the group, and those of it that there would be examples for.
        """
        for members in self.groups:
            present = [member for member in members if member in numbers]
            if present and len(present) < len(members):
                raise ValueError(
                    f"layers {members} learn together, and only {present} have examples; group_layers=False keeps "
                    "them apart"
                )

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
        self.check_taught(examples)
        examples = {number: sharding.split_batch(batch) for number, batch in examples.items()}
        kernels = []
        metrics: Metrics = {}
        for members, before in zip(self.groups, state.kernels, strict=True):
            if members[0] not in examples:
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


def _together(kernels: list[KernelState]) -> KernelState:
    """What the layers of a group have learned, as a group holds it."""
    if len(kernels) == 1:
        return kernels[0]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *kernels)
