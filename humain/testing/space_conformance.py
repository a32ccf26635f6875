"""What every space must do. `CHECKS` are run by //humain:tests over all of them."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from humain.spaces import Space
from humain.types import Array


@dataclasses.dataclass(frozen=True)
class SpaceCase:
    """A space and what it is tried on.

    Attributes:
        space: to try.
        make: makes it again, equal.
        elements: `[N, *shape]`, no two of them equal; they are decoded from `targets`.
        targets: `[N, num_outputs]`, predictions that stand for them.
    """

    space: Space
    make: Callable[[], Space]
    elements: Array
    targets: Array


def shapes_and_types(case: SpaceCase) -> None:
    """Elements, features, predictions and losses have the shapes and types that the space says."""
    space, shape = case.space, case.elements.shape[1:]
    assert shape == space.shape
    features = space.encode(case.elements)
    assert (features.shape, features.dtype) == ((len(case.elements), space.num_features), jnp.float32)
    decoded = space.decode(case.targets)
    assert (decoded.shape, decoded.dtype) == (case.elements.shape, space.dtype)
    assert space.loss(case.targets, case.elements).shape == (len(case.elements),)


def predictions_come_back_as_elements(case: SpaceCase) -> None:
    """What stands for an element is decoded as it, and as no other."""
    decoded = case.space.decode(case.targets)
    same = case.space.equal(decoded[:, None], case.elements[None])
    np.testing.assert_array_equal(same, np.eye(len(case.elements), dtype=bool))


def the_right_element_has_the_least_loss(case: SpaceCase) -> None:
    """Losses are at least 0, and least for the element that a prediction stands for."""
    losses = case.space.loss(case.targets[:, None], case.elements[None])
    assert np.all(losses >= 0)
    np.testing.assert_array_equal(np.argmin(losses, axis=1), np.arange(len(case.elements)))


def gradients_are_finite(case: SpaceCase) -> None:
    """Of the loss, by the prediction."""
    gradients = jax.grad(lambda predictions: jnp.sum(case.space.loss(predictions, case.elements)))(case.targets + 0.1)
    assert np.all(np.isfinite(gradients))
    assert np.any(gradients != 0)


def jit_and_vmap_change_nothing(case: SpaceCase) -> None:
    """A space is static, and its functions are pure."""

    @jax.jit
    def use(elements: Array, targets: Array) -> tuple[Array, ...]:
        space = case.space
        return space.encode(elements), space.decode(targets), space.loss(targets, elements)

    for one, other in zip(use(case.elements, case.targets), jax.vmap(use)(case.elements, case.targets), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def spaces_made_alike_are_equal(case: SpaceCase) -> None:
    """And hash alike, so that nothing is compiled twice."""
    again, traced = case.make(), []

    def use(space: Space, targets: Array) -> Array:
        traced.append(space)
        return space.decode(targets)

    jitted = jax.jit(use, static_argnames="space")
    jitted(case.space, case.targets)
    jitted(again, case.targets)
    assert (again, hash(again)) == (case.space, hash(case.space))
    assert len(traced) == 1


CHECKS: tuple[Callable[[SpaceCase], None], ...] = (
    shapes_and_types,
    predictions_come_back_as_elements,
    the_right_element_has_the_least_loss,
    gradients_are_finite,
    jit_and_vmap_change_nothing,
    spaces_made_alike_are_equal,
)
