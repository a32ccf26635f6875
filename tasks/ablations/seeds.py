"""Seeds side by side: one compiled call trains a model on each seed's own experience."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp

from humain import learning
from humain.abstraction.abstraction import Abstraction
from humain.cortex.hindsight import Experience
from humain.learning import Learner, LearningConfig, Lessons
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
    how = LearningConfig(batch_size=batch_size)
    update = learning.build_update(model, how, ask=ask)

    def learn_one(experience: Experience, key: jax.Array) -> ModelState:
        def step(learner: Learner, number: Array) -> tuple[Learner, None]:
            return update(learner, Lessons(experience), number)[0], None

        learner = learning.begin(model, how, abstractions, key)
        return jax.lax.scan(step, learner, jnp.arange(num_updates))[0].state

    return jax.vmap(learn_one)(experience, keys)
