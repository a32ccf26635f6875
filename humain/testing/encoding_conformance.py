"""What every encoding must do, with every kernel that it acts on.

//humain/hippocampus:encoding_conformance_test runs it.

An episode is a path of four states that have places; a layer with its kernel is queried as a model queries it.
"""

import dataclasses
from collections.abc import Callable
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np

from humain.abstraction.skip import Skip
from humain.cortex import hindsight
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.hippocampus import memory as memory_lib
from humain.hippocampus.location import Places, Scales
from humain.hippocampus.routing import Location, Routing, route
from humain.kernels.kernel import Kernel
from humain.layer import Layer
from humain.spaces import Space
from humain.types import Array, Context, Examples, Trajectories

NUM_STATES = 4
CONTEXT_LENGTH = 6
_PATH = (0, 3, 1, 2, 1, 3)


class MakeRoutedKernel(Protocol):
    """Makes a kernel for contexts of `CONTEXT_LENGTH` states, with states and targets in the encoding's space."""

    def __call__(self, routing: Routing) -> Kernel:
        """Returns the kernel."""


@dataclasses.dataclass(frozen=True)
class EncodingCase:
    """An encoding, the kernel that uses it, and the states that are encoded.

    Attributes:
        name: the encoding's name.
        make: makes the kernel.
        space: the space of states and goals.
        elements: `[NUM_STATES, *S]`, the states of the toy world.
        places: their coordinates.
        tells_order: whether the order of the states before the present one changes the kernel's answer.
    """

    name: str
    make: MakeRoutedKernel
    space: Space
    elements: tuple[int, ...] | tuple[tuple[float, ...], ...]
    places: Places
    tells_order: bool

    @property
    def routing(self) -> Routing:
        """The encoding under test."""
        return route(self.name, self.space, location=Location(self.places, Scales(8.0, 2)))

    @property
    def layer(self) -> Layer:
        """A layer with the encoding."""
        cortex = Cortex(self.make(self.routing), Linear(8), lookahead=8)
        return Layer(cortex, context_length=CONTEXT_LENGTH, encoding=self.routing.added)

    def states(self, path: tuple[int, ...]) -> Array:
        """Returns the states `[T, *S]` of a path of indices."""
        return jnp.asarray(np.array(self.elements)[np.array(path)], self.routing.space.dtype)

    def remembered(self, path: tuple[int, ...]) -> Context:
        """Returns a batch of one context, that at the end of a path."""
        layer = self.layer
        memories, states = layer.begin(1), self.states(path)
        for state in states[:-1]:
            memories = jax.vmap(memory_lib.append)(memories, state[None])
        return layer.context(memories, states[-1:], states[-1:])

    def examples(self) -> Examples:
        """Returns a batch of hindsight examples."""
        return hindsight.sample(self.experience(), self.layer, number=0, key=jax.random.key(1), batch_size=16)

    def experience(self) -> hindsight.Experience:
        """Returns one walk along the path."""
        return hindsight.gather(
            Trajectories(states=self.states(_PATH)[None], lengths=jnp.array([len(_PATH)])), (Skip(8),)
        )


def features_are_float32_and_of_the_space_s_length(case: EncodingCase) -> None:
    """The features have the shape that a kernel made for the space expects."""
    context = case.remembered(_PATH)
    expected = (1, CONTEXT_LENGTH, case.routing.space.num_features)
    assert (context.features.shape, context.features.dtype) == (expected, jnp.float32)
    goals = case.routing.space.encode(case.states((2,)))
    assert (goals.shape, goals.dtype) == ((1, expected[2]), jnp.float32)
    assert np.all(np.isfinite(context.features))


def hindsight_shows_what_an_agent_would_have_seen(case: EncodingCase) -> None:
    """The context sampled from a walk equals that of a memory to which the walk's states were appended."""
    layer, zero = case.layer, jnp.zeros(1, jnp.int32)
    for time in (0, 3):
        shown = hindsight.contexts(case.experience(), layer, number=0, walks=zero, times=zero + time, kept=zero + time)
        lived = case.remembered(_PATH[: time + 1])
        np.testing.assert_array_equal(shown.mask, lived.mask)
        np.testing.assert_allclose(shown.features[shown.mask], lived.features[lived.mask], atol=1e-6)


def jit_changes_nothing(case: EncodingCase) -> None:
    """Jitted or not, the answer is the same."""
    kernel = case.layer.cortex.kernel
    state = kernel.init(jax.random.key(0))
    asked = case.remembered(_PATH), case.states((2,))
    _assert_close(kernel.recall(state, *asked), jax.jit(kernel.recall)(state, *asked))


def vmap_gives_what_each_context_gives_alone(case: EncodingCase) -> None:
    """A batch under vmap gives the answers of its entries."""
    kernel = case.layer.cortex.kernel
    state, goals = kernel.init(jax.random.key(0)), case.states((2,))
    contexts = [case.remembered(_PATH[:length]) for length in (1, 4)]
    together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *contexts)
    slots = jax.vmap(kernel.recall, in_axes=(None, 0, None))(state, together, goals)
    for number, context in enumerate(contexts):
        alone = kernel.recall(state, context, goals)
        _assert_close(alone, jax.tree.map(lambda leaf, at=number: leaf[at], slots))


def gradients_are_finite_and_change_something(case: EncodingCase) -> None:
    """One update on hindsight examples, with contexts of all lengths, changes the parameters and stays finite."""
    kernel = case.layer.cortex.kernel
    before = kernel.init(jax.random.key(0))
    after, metrics = jax.jit(kernel.learn)(before, case.examples())
    assert all(np.isfinite(value) for value in metrics.values())
    leaves = list(zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True))
    assert all(np.all(np.isfinite(new)) for _, new in leaves)
    assert any(np.any(old != new) for old, new in leaves)


def order_is_told_by_those_that_tell_it(case: EncodingCase) -> None:
    """The same past states in another order give another answer exactly if `tells_order`."""
    kernel = case.layer.cortex.kernel
    state, goals = kernel.init(jax.random.key(0)), case.states((2,))
    first, second = (kernel.recall(state, case.remembered(path), goals).scores for path in ((0, 3, 1), (3, 0, 1)))
    difference = np.abs(first - second).max()
    assert difference > 1e-4 if case.tells_order else difference < 1e-5, difference


def what_is_masked_does_not_count(case: EncodingCase) -> None:
    """Positions count from the oldest unmasked state, and masked states make no difference."""
    kernel = case.layer.cortex.kernel
    state, goals = kernel.init(jax.random.key(0)), case.states((2,))
    context = case.remembered(_PATH[:3])
    other = jnp.where(context.mask[..., None], context.features, 7.0)
    changed = dataclasses.replace(context, features=other)
    _assert_close(kernel.recall(state, context, goals), kernel.recall(state, changed, goals))


CHECKS: tuple[Callable[[EncodingCase], None], ...] = (
    features_are_float32_and_of_the_space_s_length,
    hindsight_shows_what_an_agent_would_have_seen,
    jit_changes_nothing,
    vmap_gives_what_each_context_gives_alone,
    gradients_are_finite_and_change_something,
    order_is_told_by_those_that_tell_it,
    what_is_masked_does_not_count,
)


def _assert_close(first: object, second: object) -> None:
    for left, right in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)
