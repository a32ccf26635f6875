"""Testing in the environment that scores are published on: returns, and goals that are to be reached and stayed at."""

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from humain import acting
from humain.acting import Episode
from humain.environments.actions import ActionSpace
from humain.environments.environment import HostEnvironment
from humain.model import Model, ModelState
from humain.training.ahead import Ahead
from humain.types import Array
from humain.world import knowledge as knowledge_lib
from humain.world import planner
from humain.world.config import ImaginationConfig
from humain.world.knowledge import nearer, origin
from humain.world.world import World
from tasks.control.exploration import Learned

Policy = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Observations `[S, E, D]` of E episodes of each of S seeds to actions `[S, E, *V]` and sub-goals `[S, E, D]`."""


@dataclasses.dataclass(frozen=True)
class Trials:
    """What happened in E episodes of each of S seeds.

    Attributes:
        states: `[S, E, T + 1, D]`, after an episode's end its last state again.
        subgoals: `[S, E, T, D]`, what the upper layer asked for.
        actions: `[S, E, T, *V]`.
        lengths: `[S, E]`, steps of each episode.
        returns: `[S, E]`, the sum of each episode's rewards.
        terminated: `[S, E]` bool, False where the episode was cut off.
    """

    states: np.ndarray
    subgoals: np.ndarray
    actions: np.ndarray
    lengths: np.ndarray
    returns: np.ndarray
    terminated: np.ndarray


def run(policy: Policy, environment: HostEnvironment, *, num_seeds: int, num_episodes: int, seed: int) -> Trials:
    """Runs all episodes at once, each in a simulator of its own.

    Args:
        policy: says what to do.
        environment: to test in.
        num_seeds: S.
        num_episodes: E, of each seed.
        seed: of the first simulator; the others are counted up from it.
    """
    total = num_seeds * num_episodes
    shape = (num_seeds, num_episodes)
    lengths, returns, terminated = np.zeros(total, np.int32), np.zeros(total), np.zeros(total, bool)
    running = np.ones(total, bool)
    with contextlib.closing(environment.simulate(total)) as simulators:
        observations = simulators.reset([seed + at for at in range(total)], running)
        path, subgoals, actions = [observations.copy()], [], []
        while running.any():
            # Act, for ended episodes too: the policy is compiled for all of them, and they are left out of the sums.
            chosen, asked = policy(observations.reshape(*shape, -1))
            # Step.
            taken = simulators.step(chosen.reshape(total, *chosen.shape[2:]))
            # Hold still what has ended: it stays where it ended, whatever its simulator goes on to do.
            observations = np.where(running[:, None], taken.observations, observations)
            lengths += running
            returns += np.where(running, taken.rewards, 0)
            terminated |= running & taken.terminated
            running &= ~(taken.terminated | taken.truncated)
            path.append(observations)
            subgoals.append(asked)
            actions.append(chosen)
            # Reset, as a simulator must not be stepped past an end; also one whose episode ended long ago.
            over = taken.terminated | taken.truncated
            if over.any() and running.any():
                simulators.reset([None] * total, over)
    return Trials(
        states=np.stack(path, axis=1).reshape(*shape, len(path), -1),
        subgoals=np.stack(subgoals, axis=2),
        actions=np.stack(actions, axis=2),
        lengths=lengths.reshape(shape),
        returns=returns.reshape(shape),
        terminated=terminated.reshape(shape),
    )


@dataclasses.dataclass(frozen=True)
class Turns:
    """Goals that take turns within an episode, each for a span of as many steps.

    Attributes:
        goals: what is asked for, by coordinate, in its own unit; the first one again after the last.
        span_steps: length of a span.
        hold_steps: how many steps at the end of a span the agent must have been at its goal for the goal to be held.
        distance: less than this from the goal, in each of its coordinates, is at the goal.
    """

    goals: tuple[dict[int, float], ...]
    span_steps: int
    hold_steps: int
    distance: float

    def __post_init__(self) -> None:
        if not self.goals:
            raise ValueError("there must be at least one goal to take turns")
        if not 1 <= self.hold_steps <= self.span_steps:
            raise ValueError(
                f"hold_steps must be from 1 to span_steps ({self.span_steps}), not {self.hold_steps}: they are the end "
                "of a span"
            )

    def number(self, step: int) -> int:
        """Which of the goals is asked for at a step, counted from 0."""
        return step // self.span_steps % len(self.goals)


@partial(jax.jit, static_argnames=("model", "num_seeds", "num_episodes"))
def _begin(model: Model | None, *, num_seeds: int, num_episodes: int) -> Episode | Array:
    """The episodes of each of S seeds `[S, ...]` before their first state; where nothing is kept, their age."""
    begun: Episode | Array = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (num_seeds, *leaf.shape)),
        jnp.int32(0) if model is None else acting.begin(model, num_episodes),
    )
    return begun


@partial(jax.jit, static_argnames=("model", "config", "world"))
def _react(
    model: Model | None,
    config: ImaginationConfig,
    learned: Learned,
    episode: Episode | Array,
    observations: Array,
    goals: Array,
    world: World | None,
) -> tuple[Episode | Array, Array, Array]:
    """One reaction of each of S seeds `[S, ...]` in E episodes: the actions, and the sub-goals in their own units."""

    def react(learned: Learned, episode: Any, observations: Array, goal: Array) -> tuple[Any, Array, Array]:
        knowledge = learned.knowledge
        here = knowledge.normalizer.normalize(observations)
        goals = nearer(config, knowledge, here, jnp.broadcast_to(goal, here.shape))
        if model is None or not isinstance(learned.state, ModelState):
            assert world is not None and isinstance(learned.state, jax.Array)
            key = jax.random.fold_in(learned.state, episode)
            actions, asked = planner.choose(config, world, knowledge, here, goals, key)
            return episode + 1, actions, knowledge.normalizer.restore(asked)
        moved = origin(knowledge, here)
        episode, reaction = acting.react(model, learned.state, episode, here - moved, goals - moved)
        return episode, reaction.action, knowledge.normalizer.restore(reaction.goals[0] + moved)

    return jax.vmap(react)(learned, episode, observations, goals)


def policy(
    model: Model | None,
    config: ImaginationConfig,
    learned: Learned,
    *,
    goal: dict[int, float] | Turns | None = None,
    num_episodes: int,
    world: World | None = None,
) -> Policy:
    """What the trained layers do, or where there are none, what search finds best.

    Args:
        model: one layer or two, or None.
        config: that they learned by, or how to search.
        learned: by each of S seeds, a leading axis.
        goal: what is asked for, by coordinate, in its own unit, or several by turns; the target by default.
        num_episodes: E, of each seed; all of them begin together.
        world: to search; needed where there is no model.
    """
    normalizer = learned.knowledge.normalizer
    turns = goal if isinstance(goal, Turns) else Turns((goal or {},), span_steps=1, hold_steps=1, distance=1.0)
    goals = [
        np.stack(
            [
                knowledge_lib.goal_state(config, knowledge_lib.of_seed(normalizer, at), wanted)
                for at in range(_num_seeds(learned))
            ]
        )
        for wanted in turns.goals
    ]
    # No world but to search: equal programs are compiled once.
    searched = world if model is None else None
    carried = [_begin(model, num_seeds=_num_seeds(learned), num_episodes=num_episodes)]
    steps = itertools.count()

    def act(observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        observed = jnp.asarray(observations, jnp.float32)
        asked = goals[turns.number(next(steps))]
        episode, actions, subgoals = _react(model, config, learned, carried.pop(), observed, asked, searched)
        carried.append(episode)
        return np.asarray(actions), np.asarray(subgoals)

    return act


def compile_ahead(
    ahead: Ahead, model: Model, config: ImaginationConfig, learned: Learned, *, num_episodes: int
) -> None:
    """Begins to compile what a policy runs; arguments are those of `policy`."""
    num_seeds, size = _num_seeds(learned), learned.knowledge.spread.shape[-1]
    observations = jax.ShapeDtypeStruct((num_seeds, num_episodes, size), jnp.float32)
    goals = jax.ShapeDtypeStruct((num_seeds, size), jnp.float32)
    episode = jax.eval_shape(partial(_begin, model, num_seeds=num_seeds, num_episodes=num_episodes))
    ahead.begin_behind(_react, model, config, learned, episode, observations, goals, None)


def wait(ahead: Ahead) -> None:
    """Waits for all that `compile_ahead` has begun."""
    ahead.wait(_react)


def random_policy(actions: ActionSpace, seed: int) -> Policy:
    """Acts at random; its sub-goals are where it is."""
    rng = np.random.default_rng(seed)

    def act(observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return actions.sample(rng, observations.shape[:2]), observations.copy()

    return act


def reached_and_stayed(trials: Trials, wanted: dict[int, float], *, distance: float, num_steps: int) -> np.ndarray:
    """Whether each episode came within a distance of a goal and stayed for so many steps in a row: bool `[S, E]`."""
    near = _near(trials, wanted, distance)
    run = np.zeros(trials.lengths.shape, np.int64)
    longest = run.copy()
    for time in range(near.shape[2]):
        run = np.where(near[..., time], run + 1, 0)
        longest = np.maximum(longest, run)
    return longest >= num_steps


def held(trials: Trials, turns: Turns, *, num_spans: int) -> np.ndarray:
    """Whether each of the first spans of each episode ended with its goal held: bool `[S, E, num_spans]`.

    A goal is held if the agent was at it after each of the last `hold_steps` steps of its span. An episode that has
    ended holds none of the goals that were still to come.
    """
    num_steps = num_spans * turns.span_steps
    near = np.zeros((*trials.lengths.shape, num_steps), bool)
    at_each = np.stack([_near(trials, wanted, turns.distance)[..., :num_steps] for wanted in turns.goals])
    for time in range(at_each.shape[-1]):
        near[..., time] = at_each[turns.number(time), ..., time]
    spans = near.reshape(*trials.lengths.shape, num_spans, turns.span_steps)
    return np.all(spans[..., -turns.hold_steps :], axis=-1)


def summary(returns: Sequence[float] | np.ndarray) -> dict[str, float | int]:
    """Mean, standard deviation, minimum and number of returns."""
    values = np.asarray(returns, np.float64)
    return {
        "mean": float(values.mean()),
        "sd": float(values.std()),
        "min": float(values.min()),
        "episodes": len(values),
    }


def _near(trials: Trials, wanted: dict[int, float], distance: float) -> np.ndarray:
    """Whether each step of an episode led to a state that is near a goal, and no end: bool `[S, E, T]`."""
    after = trials.states[:, :, 1:]
    num_times = after.shape[2]
    near = np.arange(num_times) < trials.lengths[..., None]
    # The step that ends an episode leads to no state to be in.
    near &= ~(trials.terminated[..., None] & (np.arange(num_times) == trials.lengths[..., None] - 1))
    for coordinate, value in wanted.items():
        near &= np.abs(after[..., coordinate] - value) < distance
    return near


@partial(jax.jit, static_argnames=("num_seeds",))
def first_seeds(learned: Learned, num_seeds: int) -> Learned:
    """What the first seeds have learned, from what S seeds have, both with a leading axis of seeds."""
    first: Learned = jax.tree.map(lambda leaf: leaf[:num_seeds], learned)
    return first


def _num_seeds(learned: Learned) -> int:
    return int(learned.knowledge.num_starts.shape[0])
