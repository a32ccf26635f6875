"""Seeds side by side: one compiled call trains a model on each seed's own experience."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp

from humain.abstraction.abstraction import Abstraction
from humain.cortex.hindsight import Experience
from humain.model import Model, ModelState
from humain.types import Array


def stack(experiences: Sequence[Experience]) -> Experience:
    """Experiences of equal shape as one, seeds first; places beyond the smallest number of them are left out."""
    num_places = min(experience.walks.shape[0] for experience in experiences)
    cut = [
        dataclasses.replace(experience, walks=experience.walks[:num_places], times=experience.times[:num_places])
        for experience in experiences
    ]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *cut)


def keys(seed: int, num_seeds: int) -> jax.Array:
    """A key for each of the seeds `seed`, `seed + 1`, ..."""
    return jax.vmap(jax.random.key)(seed + jnp.arange(num_seeds))


@partial(jax.jit, static_argnames=("model", "num_updates", "batch_size", "ask"))
def learn(
    model: Model,
    abstractions: tuple[Abstraction, ...],
    experience: Experience,
    keys: jax.Array,
    *,
    num_updates: int,
    batch_size: int,
    ask: Callable[[Array], Array] | None = None,
) -> ModelState:
    """What a model has learned by hindsight, for each of N seeds.

    Args:
        model: the stack.
        abstractions: one for each layer.
        experience: from `stack`, `[N, ...]`.
        keys: `[N]`, consumed.
        num_updates: from a batch each.
        batch_size: of a seed.
        ask: what a reached state `[B, *S]` is asked for by, where that is less than the whole of it.
    """

    def learn_one(experience: Experience, key: jax.Array) -> ModelState:
        init_key, root_key = jax.random.split(key)

        def update(state: ModelState, step: jax.Array) -> tuple[ModelState, None]:
            examples = model.sample(experience, jax.random.fold_in(root_key, step), batch_size)
            if ask is not None:
                examples = {at: dataclasses.replace(batch, goals=ask(batch.goals)) for at, batch in examples.items()}
            return model.learn(state, examples)[0], None

        state = model.init(init_key, abstractions)
        return jax.lax.scan(update, state, jnp.arange(num_updates))[0]

    return jax.vmap(learn_one)(experience, keys)
