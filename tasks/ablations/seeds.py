"""Training of several seeds in parallel: one compiled call trains a model on each seed's own experience."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp

from humain import learning
from humain.abstraction.abstraction import Abstraction
from humain.cortex.hindsight import Experience
from humain.learning import Learner, LearningConfig, TrainingData
from humain.model import Model, ModelState
from humain.types import Array


def stack(experiences: Sequence[Experience]) -> Experience:
    """Stacks the seeds' experiences on a new first axis, all shortened to the smallest number of places."""
    num_places = min(experience.walks.shape[0] for experience in experiences)
    cut = [
        dataclasses.replace(experience, walks=experience.walks[:num_places], times=experience.times[:num_places])
        for experience in experiences
    ]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *cut)


def keys(seed: int, num_seeds: int) -> jax.Array:
    """Returns a key for each of the seeds `seed`, `seed + 1`, ..."""
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
    """Returns what a model learns by hindsight, for each of N seeds.

    Args:
        model: the model to train.
        abstractions: one for each layer.
        experience: the seeds' experience `[N, ...]`, from `stack`.
        keys: `[N]`, one per seed; consumed.
        num_updates: the number of updates, of one batch each.
        batch_size: examples per update, of each seed.
        ask: maps reached states `[B, *S]` to the goals of their examples, if goals leave a part of a state open.
    """
    how = LearningConfig(batch_size=batch_size)
    update = learning.build_update(model, how, ask=ask)

    def learn_one(experience: Experience, key: jax.Array) -> ModelState:
        def step(learner: Learner, number: Array) -> tuple[Learner, None]:
            return update(learner, TrainingData(experience), number)[0], None

        learner = learning.begin(model, how, abstractions, key)
        return jax.lax.scan(step, learner, jnp.arange(num_updates))[0].state

    return jax.vmap(learn_one)(experience, keys)
