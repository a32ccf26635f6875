"""The courses of a set: collecting and learning in turn, for several seeds at once."""

import dataclasses
import time
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from humain.model import Model, ModelState
from humain.training import ahead as ahead_lib
from humain.training import loop
from humain.training.loop import Update
from humain.types import Array
from tasks.control import cart_pole, collection, learner, sets, steps
from tasks.control.collection import Exploration
from tasks.control.learner import Knowledge, Learner, Settings
from tasks.control.steps import Steps


@dataclasses.dataclass(frozen=True)
class Pupil:
    """What all sets of a run share: the layers, how they learn, and the compiled chunk.

    Attributes:
        model: the two layers.
        settings: how they learn.
        exploration: how collecting departs from what they do.
        chunk: of updates, over a leading axis of seeds.
        chunk_steps: updates in a chunk.
        num_updates: of a course, a multiple of `chunk_steps`.
        recorded: the user's own steps, which stand for those that the first course would collect at random; or None.
        capacity: steps that there is room for.
        most_first: steps of the longest first course.
    """

    model: Model
    settings: Settings
    exploration: Exploration
    chunk: loop.Chunk
    chunk_steps: int
    num_updates: int
    recorded: Steps | None
    capacity: int
    most_first: int


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
        compile_seconds: so far, to compile what collects and learns.
    """

    state: ModelState
    knowledge: Knowledge
    store: Steps
    env_steps: int
    collect_seconds: float
    learn_seconds: float
    compile_seconds: float


class Train(Protocol):
    """Trains one learner; see `tasks.harness.context.TaskContext.train` and `humain.training.loop.train`."""

    def __call__(
        self, name: str, state: Any, *, chunk: loop.Chunk, data: Any, num_steps: int, chunk_steps: int
    ) -> loop.TrainResult:
        """The state after `num_steps` updates, and where the time went; `name` is unique within the run."""


def build_pupil(config: Any, recorded: Steps | None = None) -> Pupil:
    """Builds what the sets share.

    Args:
        config: see `configs/rl_cart_pole.py`.
        recorded: see `Pupil`.
    """
    settings = sets.build_settings(config.learning)
    model = sets.build_model(config.model, config.num_updates)
    return Pupil(
        model=model,
        settings=settings,
        exploration=sets.build_exploration(config.exploration),
        chunk=loop.make_chunk(_over_seeds(learner.build_update(settings, model)), config.chunk_steps),
        chunk_steps=config.chunk_steps,
        num_updates=config.num_updates,
        recorded=recorded,
        capacity=max(sum(course_steps) for course_steps in config.sets.values())
        + (0 if recorded is None else int(recorded.count)),
        most_first=max(course_steps[0] for course_steps in config.sets.values()),
    )


def compile_ahead(ahead: ahead_lib.Ahead, pupil: Pupil, *, num_seeds: int) -> None:
    """Begins to compile what a first course runs, in the order in which it does.

    Args:
        ahead: where it is compiled.
        pupil: what all sets share.
        num_seeds: S.
    """
    shared: dict[str, Any] = {"model": pupil.model, "settings": pupil.settings}
    keys = jax.eval_shape(lambda: _keys("", 0, num_seeds))
    if pupil.recorded is None:
        ahead.begin(_collect_at_random, keys, num_steps=pupil.most_first)
    store = jax.eval_shape(lambda: _for_seeds(steps.empty(pupil.capacity, cart_pole.STATE_SIZE), num_seeds=num_seeds))
    num_first = jax.ShapeDtypeStruct((), jnp.int32)
    ahead.begin(_know, store, num_first, settings=pupil.settings)
    knowledge = jax.eval_shape(partial(_know, settings=pupil.settings), store, num_first)
    ahead.begin(_begin, knowledge, keys, **shared)
    begun = jax.eval_shape(partial(_begin, **shared), knowledge, keys)
    ahead.begin(loop.jit_chunk(pupil.chunk), begun, knowledge, np.int32(0), named=pupil.chunk)


def follow(
    pupil: Pupil,
    name: str,
    course_steps: Sequence[int],
    *,
    seed: int,
    num_seeds: int,
    train: Train,
    ahead: ahead_lib.Ahead | None = None,
) -> Iterator[Course]:
    """Gives the courses of a set, one after the other; what is done between two of them counts nowhere.

    Args:
        pupil: what all sets share.
        name: of the set.
        course_steps: environment steps of each course: the first at random, the others as learned so far.
        seed: of the first seed's randomness; the others are counted up from it.
        num_seeds: S.
        train: trains the learner of a course, named `<set>_<number of the course>`.
        ahead: where the programs of a later course are compiled while the first one learns, and others may be already;
            without, each is compiled when it is needed.

    Yields:
        What came of each course.
    """
    keys = _keys(name, seed, num_seeds)
    shared = {"model": pupil.model, "settings": pupil.settings}
    store = _for_seeds(steps.empty(pupil.capacity, cart_pole.STATE_SIZE), num_seeds=num_seeds)
    collecting, learning = _Stopwatch(ahead), _Stopwatch(ahead)
    env_steps = num_first = 0
    before: Course | None = None
    for number, num_steps in enumerate(course_steps):
        course_keys = _fold_in(keys, number)
        if before is not None:
            arguments = before.state, before.knowledge, _fold_in(course_keys, 0)
            new = collecting.run(_collect, *arguments, **shared, exploration=pupil.exploration, num_steps=num_steps)
        elif pupil.recorded is not None:
            num_steps = int(pupil.recorded.count)
            new = collecting.run(_for_seeds, pupil.recorded, num_seeds=num_seeds)
        else:
            # As many as the longest first course has, so that all sets have one program: each step has its own key.
            new = collecting.run(_collect_at_random, _fold_in(course_keys, 0), num_steps=pupil.most_first)
            new = _first(new, num_steps)
        env_steps += num_steps
        num_first = num_first or num_steps
        store = learning.run(_append, store, new)
        knowledge = learning.run(_know, store, jnp.int32(num_first), settings=pupil.settings)
        begun = learning.run(_begin, knowledge, _fold_in(course_keys, 1), **shared)
        if before is not None:
            begun = learner.go_on(pupil.model, begun, before.state)
        elif ahead is not None and len(course_steps) > 1:
            arguments = begun.model, knowledge, keys
            ahead.begin_behind(_collect, *arguments, **shared, exploration=pupil.exploration, num_steps=course_steps[1])
        result = train(
            f"{name}_{number}",
            begun,
            chunk=pupil.chunk,
            data=knowledge,
            num_steps=pupil.num_updates,
            chunk_steps=pupil.chunk_steps,
        )
        learning.run_seconds += result.run_seconds
        learning.compile_seconds += result.compile_seconds
        before = Course(
            state=result.state.model,
            knowledge=knowledge,
            store=store,
            env_steps=env_steps,
            collect_seconds=collecting.run_seconds,
            learn_seconds=learning.run_seconds,
            compile_seconds=collecting.compile_seconds + learning.compile_seconds,
        )
        yield before


class _Stopwatch:
    """Runs jitted functions, and keeps apart the time that it takes to compile them, or to wait until they are.

    Attributes:
        compile_seconds: so far; what was compiled before for arguments that are alike takes none.
        run_seconds: so far.
    """

    def __init__(self, ahead: ahead_lib.Ahead | None) -> None:
        self._ahead = ahead
        self.compile_seconds = 0.0
        self.run_seconds = 0.0

    def run(self, function: jax.stages.Wrapped, *arguments: Any, **static: Any) -> Any:
        """The function's result, waited for."""
        started = time.monotonic()
        if self._ahead is not None:
            self._ahead.wait(function)
        compiled = function.lower(*arguments, **static).compile()
        compiled_at = time.monotonic()
        result = jax.block_until_ready(compiled(*arguments))
        self.compile_seconds += compiled_at - started
        self.run_seconds += time.monotonic() - compiled_at
        return result


def _over_seeds(update: Update) -> Update:
    """The update of one seed as one of S; metrics are means over the seeds."""
    each = jax.vmap(update, in_axes=(0, 0, None))

    def updates(state: Learner, data: Knowledge, step: Array) -> tuple[Learner, dict[str, Array]]:
        state, metrics = each(state, data, step)
        return state, {name: jnp.mean(values) for name, values in metrics.items()}

    return updates


@partial(jax.jit, static_argnames=("num_steps",))
def _collect_at_random(keys: jax.Array, *, num_steps: int) -> Steps:
    return jax.vmap(partial(collection.collect_at_random, num_steps=num_steps))(keys)


@partial(jax.jit, static_argnames=("model", "settings", "exploration", "num_steps"))
def _collect(
    state: ModelState,
    knowledge: Knowledge,
    keys: jax.Array,
    *,
    model: Model,
    settings: Settings,
    exploration: Exploration,
    num_steps: int,
) -> Steps:
    def collect(state: ModelState, knowledge: Knowledge, key: jax.Array) -> Steps:
        return collection.collect(
            model,
            state,
            knowledge=knowledge,
            key=key,
            settings=settings,
            exploration=exploration,
            num_steps=num_steps,
        )

    return jax.vmap(collect)(state, knowledge, keys)


@jax.jit
def _append(store: Steps, new: Steps) -> Steps:
    return jax.vmap(steps.append)(store, new)


@partial(jax.jit, static_argnames=("settings",))
def _know(store: Steps, num_first: Array, *, settings: Settings) -> Knowledge:
    return jax.vmap(lambda one: learner.know(settings, one, num_first))(store)


@partial(jax.jit, static_argnames=("model", "settings"))
def _begin(knowledge: Knowledge, keys: jax.Array, *, model: Model, settings: Settings) -> Learner:
    return jax.vmap(partial(learner.begin, settings, model))(knowledge, keys)


@partial(jax.jit, static_argnames=("num_seeds",))
def _for_seeds(store: Steps, *, num_seeds: int) -> Steps:
    """One and the same store for each of S seeds."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_seeds, *leaf.shape)), store)


def _first(new: Steps, num_steps: int) -> Steps:
    """The first steps of a store that is full, the last of them cut off if its episode does not end there."""
    fields = ("states", "actions", "next_states", "terminated", "truncated")
    cut: dict[str, Any] = {field: np.array(getattr(new, field))[:, :num_steps] for field in fields}
    cut["truncated"][:, -1] = ~cut["terminated"][:, -1]
    cut["count"] = np.full_like(new.count, num_steps)
    return Steps(**cut)


def _keys(name: str, seed: int, num_seeds: int) -> jax.Array:
    """The keys `[S]` of a set."""
    return _seed_keys(np.int32(seed), np.uint32(_name_code(name)), num_seeds=num_seeds)


# As one program each: their parts, called one by one, would be as many, and are the first that a run needs.
@partial(jax.jit, static_argnames=("num_seeds",))
def _seed_keys(seed: Array, name_code: Array, *, num_seeds: int) -> jax.Array:
    numbers = seed + jnp.arange(num_seeds)
    return jax.vmap(lambda number: jax.random.fold_in(jax.random.key(number), name_code))(numbers)


@jax.jit
def _fold_in(keys: jax.Array, number: int) -> jax.Array:
    return jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)


def _name_code(name: str) -> int:
    """A number for a set's name that does not depend on which other sets there are."""
    return zlib.crc32(name.encode())
