"""Training a set of the cart pole within a task: courses of collecting and learning, all seeds at once."""

import dataclasses
import time
import zlib
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from humain.model import Model, ModelState
from humain.training import loop
from humain.training.loop import Update
from humain.types import Array
from tasks.control import cart_pole, collection, datasets, learner, sets, steps
from tasks.control.collection import Exploration
from tasks.control.learner import Knowledge, Learner, Settings
from tasks.control.steps import Steps
from tasks.harness.context import TaskContext


@dataclasses.dataclass(frozen=True)
class Pupil:
    """What all sets of a run share: the layers, how they learn, and the compiled chunk.

    Attributes:
        model: the two layers.
        settings: how they learn.
        exploration: how collecting departs from what they do.
        chunk: of updates, over a leading axis of seeds.
        recorded: the user's own steps, or None.
        capacity: steps that there is room for.
    """

    model: Model
    settings: Settings
    exploration: Exploration
    chunk: loop.Chunk
    recorded: Steps | None
    capacity: int


@dataclasses.dataclass(frozen=True)
class Course:
    """What came of one course; all arrays have a leading axis of seeds.

    Attributes:
        state: what the layers have learned.
        knowledge: what they learned it from.
        store: all that was experienced.
        env_steps: environment steps so far, of each seed.
        collect_seconds: so far, to collect for all seeds together.
        learn_seconds: so far, to learn.
        compile_seconds: so far, to compile both.
    """

    state: ModelState
    knowledge: Knowledge
    store: Steps
    env_steps: int
    collect_seconds: float
    learn_seconds: float
    compile_seconds: float


def build_pupil(task: TaskContext) -> Pupil:
    """Builds what the sets share from the task's config."""
    config = task.config
    settings = sets.build_settings(config.learning)
    recorded = _recorded(task)
    model = sets.build_model(config.model, config.num_updates)
    return Pupil(
        model=model,
        settings=settings,
        exploration=sets.build_exploration(config.exploration),
        chunk=loop.make_chunk(_over_seeds(learner.build_update(settings, model)), config.chunk_steps),
        recorded=recorded,
        capacity=max(sum(course_steps) for course_steps in config.sets.values())
        + (0 if recorded is None else int(recorded.count)),
    )


def courses(task: TaskContext, pupil: Pupil, name: str, *, num_seeds: int) -> list[Course]:
    """Trains a set, or goes on where an earlier process stopped, or restores it where it was finished.

    Args:
        task: the run.
        pupil: what all sets share.
        name: of the set.
        num_seeds: S; seed i's randomness is that of the run's seed plus i.

    Returns:
        What came of each course, in order.
    """
    keys = jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed), _name_code(name)))(
        task.seed + jnp.arange(num_seeds)
    )
    store = _stacked(steps.empty(pupil.capacity, cart_pole.STATE_SIZE), num_seeds=num_seeds)
    done: list[Course] = []
    collect_seconds = learn_seconds = compile_seconds = 0.0
    env_steps = num_first = 0
    for number, num_steps in enumerate(task.config.sets[name]):
        task.interruption.check()
        course_keys = _fold_in(keys, number)
        arguments: tuple[Any, ...]
        if number:
            arguments = (done[-1].state, done[-1].knowledge, _fold_in(course_keys, 0))
            collect = jax.jit(partial(_collect, pupil, num_steps=num_steps))
        elif pupil.recorded is not None:
            num_steps = int(pupil.recorded.count)
            arguments, collect = (pupil.recorded,), jax.jit(partial(_stacked, num_seeds=num_seeds))
        else:
            arguments = (_fold_in(course_keys, 0),)
            collect = jax.jit(jax.vmap(partial(collection.collect_at_random, num_steps=num_steps)))
        started = time.monotonic()
        compiled = collect.lower(*arguments).compile()
        compile_seconds += time.monotonic() - started
        started = time.monotonic()
        new = jax.block_until_ready(compiled(*arguments))
        collect_seconds += time.monotonic() - started
        store = jax.vmap(steps.append)(store, new)
        num_first = num_first or num_steps
        env_steps += num_steps
        knowledge = _know(pupil.settings, store, num_first)
        before = done[-1].state if done else None
        begin = _begin(pupil.settings, pupil.model, knowledge, _fold_in(course_keys, 1), before)
        result = task.train(
            f"{name}_{number}",
            begin,
            chunk=pupil.chunk,
            data=knowledge,
            num_steps=task.config.num_updates,
            chunk_steps=task.config.chunk_steps,
        )
        learn_seconds += result.run_seconds
        compile_seconds += result.compile_seconds
        done.append(
            Course(
                state=result.state.model,
                knowledge=knowledge,
                store=store,
                env_steps=env_steps,
                collect_seconds=collect_seconds,
                learn_seconds=learn_seconds,
                compile_seconds=compile_seconds,
            )
        )
    return done


def save_dataset(task: TaskContext, course: Course) -> None:
    """Writes what the first seed experienced as a Minari dataset, if --save_dataset asks for it."""
    path = task.flags.save_dataset
    if path is None:
        return
    store = jax.tree.map(lambda leaf: np.asarray(leaf[0]), course.store)
    datasets.save(task.resolve(path), steps.episodes(store))


def _recorded(task: TaskContext) -> Steps | None:
    """The user's own steps, which stand for those that the first course would collect at random."""
    path = task.flags.dataset
    return None if path is None else steps.from_episodes(datasets.load(task.resolve(path)))


def _over_seeds(update: Update) -> Update:
    """The update of one seed as one of S; metrics are means over the seeds."""
    each = jax.vmap(update, in_axes=(0, 0, None))

    def updates(state: Learner, data: Knowledge, step: Array) -> tuple[Learner, dict[str, Array]]:
        state, metrics = each(state, data, step)
        return state, {name: jnp.mean(values) for name, values in metrics.items()}

    return updates


@partial(jax.jit, static_argnames=("settings", "num_first"))
def _know(settings: Settings, store: Steps, num_first: int) -> Knowledge:
    return jax.vmap(lambda one: learner.know(settings, one, num_first))(store)


@partial(jax.jit, static_argnames=("settings", "model"))
def _begin(
    settings: Settings, model: Model, knowledge: Knowledge, keys: jax.Array, before: ModelState | None
) -> Learner:
    return jax.vmap(partial(learner.begin, settings, model))(knowledge, keys, before)


def _fold_in(keys: jax.Array, number: int) -> jax.Array:
    return jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)


def _collect(pupil: Pupil, state: ModelState, knowledge: Knowledge, keys: jax.Array, *, num_steps: int) -> Steps:
    def collect(state: ModelState, knowledge: Knowledge, key: jax.Array) -> Steps:
        return collection.collect(
            pupil.model,
            state,
            knowledge=knowledge,
            key=key,
            settings=pupil.settings,
            exploration=pupil.exploration,
            num_steps=num_steps,
        )

    return jax.vmap(collect)(state, knowledge, keys)


def _stacked(tree: Any, *, num_seeds: int) -> Any:
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_seeds, *jnp.shape(leaf))), tree)


def _name_code(name: str) -> int:
    """A number for a set's name that does not depend on which other sets there are."""
    return zlib.crc32(name.encode())
