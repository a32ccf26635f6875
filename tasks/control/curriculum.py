"""The stages of a set: collecting and learning in turn, for several seeds at once."""

import dataclasses
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from humain.environments import collecting, transitions
from humain.environments.collecting import RandomPolicy
from humain.environments.environment import Environment, HostEnvironment
from humain.environments.transitions import Transitions
from humain.model import Model, ModelState
from humain.spaces import Space
from humain.training import ahead as ahead_lib
from humain.training import loop
from humain.training.loop import Update
from humain.types import Array, Trajectories
from humain.world import knowledge as knowledge_lib
from humain.world import learning
from humain.world.config import ImaginationConfig
from humain.world.knowledge import Knowledge
from humain.world.learning import ImaginationState
from humain.world.world import World
from tasks.control import sets
from tasks.control.domain import Domain
from tasks.control.exploration import Learned, ToAndFro


@dataclasses.dataclass(frozen=True)
class Trainer:
    """What sets with equally many layers share: the layers, how they learn, and the compiled chunk.

    Attributes:
        domain: the environment that they learn in.
        explorer: acts as they have learned; it holds the model, the world, and how they learn.
        chunk: of updates, over a leading axis of seeds; None where there are no layers.
        chunk_steps: updates in a chunk.
        num_updates: of a stage, a multiple of `chunk_steps`.
        recorded: the user's own transitions, which stand for those that the first stage would collect at random; or
            None.
        capacity: transitions that there is room for.
        most_first: steps of the longest first stage.
    """

    domain: Domain
    explorer: ToAndFro
    chunk: loop.Chunk | None
    chunk_steps: int
    num_updates: int
    recorded: Transitions | None
    capacity: int
    most_first: int

    @property
    def model(self) -> Model | None:
        """One layer or two, or None where the world is searched without any."""
        return self.explorer.model

    @property
    def config(self) -> ImaginationConfig:
        """How they learn."""
        return self.explorer.config

    @property
    def world(self) -> World:
        """What they imagine in."""
        return self.explorer.world

    @property
    def spaces(self) -> tuple[Space, Space]:
        """Of observations and of actions."""
        environment = self.domain.environment
        return environment.observation_space, environment.actions.space


@dataclasses.dataclass(frozen=True)
class Stage:
    """What came of one stage; all arrays have a leading axis of seeds.

    Attributes:
        state: what the layers have learned; where there are none, keys `[S]` to search by.
        knowledge: what they learned it from.
        store: all that was experienced.
        env_steps: environment steps so far, of each seed.
        collect_seconds: so far, to collect for all seeds together.
        learn_seconds: so far, to learn.
        compile_seconds: so far, to compile what collects and learns.
    """

    state: ModelState | jax.Array
    knowledge: Knowledge
    store: Transitions
    env_steps: int
    collect_seconds: float
    learn_seconds: float
    compile_seconds: float

    @property
    def learned(self) -> Learned:
        """What is acted by."""
        return Learned(state=self.state, knowledge=self.knowledge)


class Train(Protocol):
    """Trains one learner; see `tasks.harness.context.TaskContext.train` and `humain.training.loop.train`."""

    def __call__(
        self, name: str, state: Any, *, chunk: loop.Chunk, data: Any, num_steps: int, chunk_steps: int
    ) -> loop.TrainResult:
        """The state after `num_steps` updates, and where the time went; `name` is unique within the run."""


def build_trainer(config: Any, domain: Domain, recorded: Trajectories | None = None, *, name: str = "") -> Trainer:
    """Builds what a set trains with, and all others with as many layers that learn alike.

    Args:
        config: see `configs/rl_cart_pole.py`.
        domain: to learn in.
        recorded: the user's own, which stand for what the first stage would collect at random.
        name: of the set; those that `ablations` does not name have two layers.
    """
    imagination = sets.build_imagination(config.learning, domain, sets.ablation(config, name).learning)
    num_layers = sets.ablation(config, name).num_layers
    model = None
    if num_layers > 0:
        model = sets.build_model(config.model, config.num_updates, domain, num_layers=num_layers)
    world = sets.build_world(config.world, domain)
    given = None if recorded is None else transitions.from_trajectories(recorded)
    chunk = None
    if model is not None:
        update = learning.build_update(imagination, model, world)
        chunk = loop.make_chunk(_over_seeds(update), config.chunk_steps)
    return Trainer(
        domain=domain,
        explorer=ToAndFro(model, imagination, world, sets.build_exploration(config.exploration)),
        chunk=chunk,
        chunk_steps=config.chunk_steps,
        num_updates=config.num_updates,
        recorded=given,
        capacity=max(sum(stage_steps) for stage_steps in config.sets.values())
        + (0 if given is None else int(given.count)),
        most_first=max(stage_steps[0] for stage_steps in config.sets.values()),
    )


def compile_ahead(ahead: ahead_lib.Ahead, trainer: Trainer, *, num_seeds: int) -> None:
    """Begins to compile what a first stage runs, in the order in which it does.

    Args:
        ahead: where it is compiled.
        trainer: what all sets share.
        num_seeds: S.
    """
    fits, begins = _static(trainer)
    environment = trainer.domain.environment
    keys = jax.eval_shape(lambda: _keys("", 0, num_seeds))
    if trainer.recorded is None and not isinstance(environment, HostEnvironment):
        ahead.begin(_collect_at_random, keys, environment=environment, num_steps=trainer.most_first)
    store = jax.eval_shape(
        lambda: _for_seeds(transitions.empty(trainer.capacity, *trainer.spaces), num_seeds=num_seeds)
    )
    num_first = jax.ShapeDtypeStruct((), jnp.int32)
    ahead.begin(_fit, store, num_first, keys, **fits)
    if trainer.chunk is None:
        return
    knowledge = jax.eval_shape(partial(_fit, **fits), store, num_first, keys)
    ahead.begin(_begin, knowledge, keys, **begins)
    begun = jax.eval_shape(partial(_begin, **begins), knowledge, keys)
    ahead.begin(loop.jit_chunk(trainer.chunk), begun, knowledge, np.int32(0), named=trainer.chunk)


def run(
    trainer: Trainer,
    name: str,
    stage_steps: Sequence[int],
    *,
    seed: int,
    num_seeds: int,
    train: Train,
    ahead: ahead_lib.Ahead | None = None,
) -> Iterator[Stage]:
    """Gives the stages of a set, one after the other; what is done between two of them counts nowhere.

    Args:
        trainer: what all sets share.
        name: of the set.
        stage_steps: environment steps of each stage: the first at random, the others as learned so far.
        seed: of the first seed's randomness; the others are counted up from it.
        num_seeds: S.
        train: trains the learner of a stage, named `<set>_<number of the stage>`.
        ahead: where the programs of a later stage are compiled while the first one learns, and others may be already;
            without, each is compiled when it is needed.

    Yields:
        What came of each stage.
    """
    keys = _keys(name, seed, num_seeds)
    environment = trainer.domain.environment
    fits, begins = _static(trainer)
    store = _for_seeds(transitions.empty(trainer.capacity, *trainer.spaces), num_seeds=num_seeds)
    collecting_watch, learning_watch = _Stopwatch(ahead), _Stopwatch(ahead)
    env_steps = num_first = 0
    before: Stage | None = None
    for number, num_steps in enumerate(stage_steps):
        stage_keys = _fold_in(keys, number)
        # Collect: as learned so far, or what was recorded, or at random.
        if before is not None:
            new = _explore(collecting_watch, trainer, before.learned, _fold_in(stage_keys, 0), num_steps)
        elif trainer.recorded is not None:
            num_steps = int(trainer.recorded.count)
            new = collecting_watch.run(_for_seeds, trainer.recorded, num_seeds=num_seeds)
        else:
            # As many as the longest first stage has, so that all sets have one program: each step has its own key.
            new = _act_at_random(collecting_watch, environment, _fold_in(stage_keys, 0), trainer.most_first)
            new = transitions.first(new, num_steps)
        env_steps += num_steps
        num_first = num_first or num_steps
        # Fit the world to all that was experienced. Units come from the first stage's part throughout: an agent that
        # has learned to stand still must not set them.
        store = learning_watch.run(_append, store, new)
        knowledge = learning_watch.run(_fit, store, jnp.int32(num_first), _fold_in(stage_keys, 2), **fits)
        # Learn in it, from where the stage before has ended. Without layers there is nothing else to learn.
        learned: ModelState | jax.Array = _fold_in(stage_keys, 1)
        if trainer.chunk is not None:
            begun = learning_watch.run(_begin, knowledge, learned, **begins)
            if before is not None:
                assert trainer.model is not None and isinstance(before.state, ModelState)
                begun = learning.go_on(trainer.model, begun, before.state)
            elif ahead is not None and len(stage_steps) > 1 and not isinstance(environment, HostEnvironment):
                ahead.begin_behind(
                    _collect,
                    Learned(state=begun.model, knowledge=knowledge),
                    keys,
                    environment=environment,
                    explorer=trainer.explorer,
                    num_steps=stage_steps[1],
                )
            result = train(
                f"{name}_{number}",
                begun,
                chunk=trainer.chunk,
                data=knowledge,
                num_steps=trainer.num_updates,
                chunk_steps=trainer.chunk_steps,
            )
            learned = result.state.model
            learning_watch.run_seconds += result.run_seconds
            learning_watch.compile_seconds += result.compile_seconds
        # Give the stage: the next one collects as learned here, and goes on from this state.
        before = Stage(
            state=learned,
            knowledge=knowledge,
            store=store,
            env_steps=env_steps,
            collect_seconds=collecting_watch.run_seconds,
            learn_seconds=learning_watch.run_seconds,
            compile_seconds=collecting_watch.compile_seconds + learning_watch.compile_seconds,
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

    def run_on_host(self, function: Callable[..., Transitions], *arguments: Any, **static: Any) -> Transitions:
        """The result of a function that runs on the host; what it compiles on the way counts as its own time."""
        started = time.monotonic()
        result = function(*arguments, **static)
        self.run_seconds += time.monotonic() - started
        return result


def _over_seeds(update: Update) -> Update:
    """The update of one seed as one of S; metrics are means over the seeds."""
    each = jax.vmap(update, in_axes=(0, 0, None))

    def updates(state: ImaginationState, data: Knowledge, step: Array) -> tuple[ImaginationState, dict[str, Array]]:
        state, metrics = each(state, data, step)
        return state, {name: jnp.mean(values) for name, values in metrics.items()}

    return updates


def _static(trainer: Trainer) -> tuple[dict[str, Any], dict[str, Any]]:
    """The static arguments of `_fit` and of `_begin`."""
    return (
        {"config": trainer.config, "world": trainer.world},
        {"config": trainer.config, "model": trainer.model},
    )


def _act_at_random(
    watch: "_Stopwatch", environment: Environment | HostEnvironment, keys: jax.Array, num_steps: int
) -> Transitions:
    """Transitions `[S, num_steps]` of random actions."""
    if isinstance(environment, HostEnvironment):
        return watch.run_on_host(
            collecting.simulate, environment, RandomPolicy(environment.actions), (), (), keys, num_steps=num_steps
        )
    collected: Transitions = watch.run(_collect_at_random, keys, environment=environment, num_steps=num_steps)
    return collected


def _explore(watch: "_Stopwatch", trainer: Trainer, learned: Learned, keys: jax.Array, num_steps: int) -> Transitions:
    """Transitions `[S, num_steps]` of what the layers have learned."""
    environment, explorer = trainer.domain.environment, trainer.explorer
    if isinstance(environment, HostEnvironment):
        goals, rest = watch.run(_first_goals, learned, keys, explorer=explorer)
        return watch.run_on_host(collecting.simulate, environment, explorer, learned, goals, rest, num_steps=num_steps)
    collected: Transitions = watch.run(
        _collect, learned, keys, environment=environment, explorer=explorer, num_steps=num_steps
    )
    return collected


@partial(jax.jit, static_argnames=("environment", "num_steps"))
def _collect_at_random(keys: jax.Array, *, environment: Environment, num_steps: int) -> Transitions:
    policy = RandomPolicy(environment.actions)
    return jax.vmap(lambda key: collecting.scan(environment, policy, (), (), key, num_steps=num_steps))(keys)


@partial(jax.jit, static_argnames=("explorer",))
def _first_goals(learned: Learned, keys: jax.Array, *, explorer: ToAndFro) -> tuple[Array, jax.Array]:
    """The goals `[S, D]` that exploring begins with, and keys `[S]` for the rest."""

    def first(learned: Learned, key: jax.Array) -> tuple[Array, jax.Array]:
        side_key, key = jax.random.split(key)
        return explorer.first_goal(learned, side_key), key

    return jax.vmap(first)(learned, keys)


@partial(jax.jit, static_argnames=("environment", "explorer", "num_steps"))
def _collect(
    learned: Learned, keys: jax.Array, *, environment: Environment, explorer: ToAndFro, num_steps: int
) -> Transitions:
    goals, rest = _first_goals(learned, keys, explorer=explorer)
    return jax.vmap(partial(collecting.scan, environment, explorer, num_steps=num_steps))(learned, goals, rest)


@jax.jit
def _append(store: Transitions, new: Transitions) -> Transitions:
    return jax.vmap(transitions.append)(store, new)


@partial(jax.jit, static_argnames=("config", "world"))
def _fit(
    store: Transitions, num_first: Array, keys: jax.Array, *, config: ImaginationConfig, world: World
) -> Knowledge:
    return jax.vmap(lambda one, key: knowledge_lib.fit(config, world, one, num_first, key))(store, keys)


@partial(jax.jit, static_argnames=("config", "model"))
def _begin(knowledge: Knowledge, keys: jax.Array, *, config: ImaginationConfig, model: Model) -> ImaginationState:
    return jax.vmap(partial(learning.begin, config, model))(knowledge, keys)


@partial(jax.jit, static_argnames=("num_seeds",))
def _for_seeds(store: Transitions, *, num_seeds: int) -> Transitions:
    """One and the same store for each of S seeds."""
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (num_seeds, *leaf.shape)), store)


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
