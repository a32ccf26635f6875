"""Testing on Gymnasium's `CartPole-v1` itself: returns, and goals that are to be reached and held."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from humain import acting
from humain.acting import Episode
from humain.model import Model, ModelState
from humain.training.ahead import Ahead
from humain.types import Array
from humain.world.normalization import Normalizer
from tasks.control import cart_pole
from tasks.control.learner import Knowledge, Settings, nearer

Policy = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Observations `[S, E, D]` of E episodes of each of S seeds to actions `[S, E]` and sub-goals `[S, E, D]`."""


@dataclasses.dataclass(frozen=True)
class Trials:
    """What happened in E episodes of each of S seeds.

    Attributes:
        states: `[S, E, T + 1, D]`, after an episode's end its last state again.
        subgoals: `[S, E, T, D]`, what the upper layer asked for.
        actions: `[S, E, T]`.
        lengths: `[S, E]`, steps of each episode; with a reward of 1 a step, also its return.
        terminated: `[S, E]` bool, False where the episode was cut off.
    """

    states: np.ndarray
    subgoals: np.ndarray
    actions: np.ndarray
    lengths: np.ndarray
    terminated: np.ndarray


def run(policy: Policy, *, num_seeds: int, num_episodes: int, seed: int) -> Trials:
    """Runs all episodes at once, each in an environment of its own.

    Args:
        policy: says what to do.
        num_seeds: S.
        num_episodes: E, of each seed.
        seed: of the first environment; the others are counted up from it.
    """
    total = num_seeds * num_episodes
    environments: list[gymnasium.Env[Any, Any]] = [cart_pole.make() for _ in range(total)]
    observations = np.stack([environment.reset(seed=seed + at)[0] for at, environment in enumerate(environments)])
    shape = (num_seeds, num_episodes)
    path, subgoals, actions = [observations.copy()], [], []
    lengths, terminated = np.zeros(total, np.int32), np.zeros(total, bool)
    running = np.ones(total, bool)
    while running.any():
        chosen, asked = policy(observations.reshape(*shape, -1))
        chosen = chosen.reshape(total)
        for at in np.flatnonzero(running):
            observations[at], _, ended, cut, _ = environments[at].step(chosen[at])
            lengths[at] += 1
            terminated[at] = ended
            running[at] = not (ended or cut)
        path.append(observations.copy())
        subgoals.append(asked)
        actions.append(chosen.reshape(shape))
    for environment in environments:
        environment.close()
    return Trials(
        states=np.stack(path, axis=1).reshape(*shape, len(path), -1),
        subgoals=np.stack(subgoals, axis=2),
        actions=np.stack(actions, axis=2),
        lengths=lengths.reshape(shape),
        terminated=terminated.reshape(shape),
    )


@partial(jax.jit, static_argnames=("model", "num_seeds", "num_episodes"))
def _begin(model: Model, *, num_seeds: int, num_episodes: int) -> Episode:
    """The episodes of each of S seeds `[S, ...]` before their first state."""
    begun: Episode = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (num_seeds, *leaf.shape)), acting.begin(model, num_episodes)
    )
    return begun


@partial(jax.jit, static_argnames=("model", "settings"))
def _react(
    model: Model,
    settings: Settings,
    state: ModelState,
    knowledge: Knowledge,
    episode: Episode,
    observations: Array,
    goals: Array,
) -> tuple[Episode, Array, Array]:
    """One reaction of each of S seeds `[S, ...]` in E episodes: the actions, and the sub-goals in their own units."""

    def react(
        state: ModelState, knowledge: Knowledge, episode: Episode, observations: Array, goal: Array
    ) -> tuple[Episode, Array, Array]:
        here = knowledge.normalizer.normalize(observations)
        goals = nearer(settings, knowledge, here, jnp.broadcast_to(goal, here.shape))
        episode, reaction = acting.react(model, state, episode, here, goals)
        return episode, reaction.action, knowledge.normalizer.restore(reaction.goals[0])

    return jax.vmap(react)(state, knowledge, episode, observations, goals)


def policy(
    model: Model,
    settings: Settings,
    *,
    state: ModelState,
    knowledge: Knowledge,
    goal: dict[int, float] | None = None,
    num_episodes: int,
) -> Policy:
    """What the trained layers do.

    Args:
        model: the two layers.
        settings: that they learned by.
        state: what they have learned, with a leading axis of S seeds.
        knowledge: what they learned from, likewise.
        goal: what is asked for, by coordinate, in its own unit; to stay up by default.
        num_episodes: E, of each seed.
    """
    goals = np.stack([goal_state(normalizer_of(knowledge, at), goal or {}) for at in range(_num_seeds(knowledge))])
    carried = [_begin(model, num_seeds=goals.shape[0], num_episodes=num_episodes)]

    def act(observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        episode, actions, subgoals = _react(
            model, settings, state, knowledge, carried.pop(), cart_pole.as_array(observations), goals
        )
        carried.append(episode)
        return np.asarray(actions), np.asarray(subgoals)

    return act


def compile_ahead(
    ahead: Ahead, model: Model, settings: Settings, *, state: ModelState, knowledge: Knowledge, num_episodes: int
) -> None:
    """Begins to compile what a policy runs; arguments are those of `policy`."""
    num_seeds = _num_seeds(knowledge)
    observations = jax.ShapeDtypeStruct((num_seeds, num_episodes, cart_pole.STATE_SIZE), jnp.float32)
    goals = jax.ShapeDtypeStruct((num_seeds, cart_pole.STATE_SIZE), jnp.float32)
    episode = jax.eval_shape(partial(_begin, model, num_seeds=num_seeds, num_episodes=num_episodes))
    ahead.begin_behind(_react, model, settings, state, knowledge, episode, observations, goals)


def wait(ahead: Ahead) -> None:
    """Waits for all that `compile_ahead` has begun."""
    ahead.wait(_react)


def random_policy(rng: np.random.Generator) -> Policy:
    """Pushes at random; its sub-goals are where it is."""

    def act(observations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return rng.integers(0, cart_pole.NUM_ACTIONS, observations.shape[:2]), observations.copy()

    return act


def normalizer_of(knowledge: Knowledge, seed: int) -> Normalizer:
    """The normaliser of one seed, out of knowledge with a leading axis of seeds."""
    found: Normalizer = jax.tree.map(lambda leaf: leaf[seed], jax.device_get(knowledge.normalizer))
    return found


def goal_state(normalizer: Normalizer, wanted: dict[int, float]) -> np.ndarray:
    """A goal `[D]`, normalised: what is wanted by coordinate, and the middle of what was experienced in the others."""
    # On the host: an operation of JAX by itself is a program of its own to compile.
    mean, scale = np.asarray(normalizer.mean), np.asarray(normalizer.scale)
    goal = np.zeros_like(mean)
    for coordinate, value in wanted.items():
        goal[coordinate] = (np.float32(value) - mean[coordinate]) / scale[coordinate]
    return goal


def held(trials: Trials, wanted: dict[int, float], *, distance: float, num_steps: int) -> np.ndarray:
    """Whether each episode came within a distance of a goal and stayed for so many steps in a row: bool `[S, E]`."""
    num_times = trials.states.shape[2] - 1
    after = trials.states[:, :, 1:]
    near = np.arange(num_times) < trials.lengths[..., None]
    # The step that ends an episode leads to no state to be in.
    near &= ~(trials.terminated[..., None] & (np.arange(num_times) == trials.lengths[..., None] - 1))
    for coordinate, value in wanted.items():
        near &= np.abs(after[..., coordinate] - value) < distance
    run = np.zeros(trials.lengths.shape, np.int64)
    longest = run.copy()
    for time in range(num_times):
        run = np.where(near[..., time], run + 1, 0)
        longest = np.maximum(longest, run)
    return longest >= num_steps


def summary(returns: Sequence[float] | np.ndarray) -> dict[str, float | int]:
    """Mean, standard deviation, minimum and number of returns."""
    values = np.asarray(returns, np.float64)
    return {
        "mean": float(values.mean()),
        "sd": float(values.std()),
        "min": float(values.min()),
        "episodes": len(values),
    }


def _num_seeds(knowledge: Knowledge) -> int:
    return int(knowledge.num_starts.shape[0])
