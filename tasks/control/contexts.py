"""What the layers see of a cart pole: the present state alone, as the model's encoding shows it."""

import jax.numpy as jnp

from humain.model import Model
from humain.types import Array, Context


def present(model: Model, states: Array) -> Context:
    """Contexts of one state each, for states `[B, D]`; all layers of the model see the same."""
    added = model.layers[0].encoding(jnp.zeros((states.shape[0], 1), jnp.int32), model.space.num_features)
    features = model.space.encode(states)[:, None] + added
    return Context(states=states[:, None], features=features, mask=jnp.ones((states.shape[0], 1), bool))
