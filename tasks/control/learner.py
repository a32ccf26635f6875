"""What is learned from experience of the cart pole, and how: the layers learn from imagining what might follow.

From each of a pool of imagined states many sequences of random pushes branch off. The best one says what the upper
layer should have asked for (the state some steps along it), and how good that is: the average value of the states to
come, the upper layer's own scores standing for all beyond the branch. Every branch, good or bad, is an example for the
bottom layer: whatever it came to was reached by its actions. This is hindsight, on trajectories that were imagined.

A goal is a state. The value of a state is its closeness to the goal, in units of how much states varied before anything
was learned; "stay up" asks for the middle of what was experienced then.
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from humain.abstraction.skip import Skip
from humain.kernels.network import NetworkState
from humain.model import Model, ModelState
from humain.training import sharding
from humain.training.loop import Update
from humain.types import Array, Examples
from humain.world import imagination, normalization
from humain.world.imagination import Coordinates
from tasks.control.cart_pole import NUM_ACTIONS
from tasks.control.contexts import present
from tasks.control.steps import Steps

_ROUNDING = 0.5
"""Distance below which closeness is rounded off."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """How the layers learn; times are in steps.

    Attributes:
        pool_size: imagined states, B.
        num_branches: futures of each, J; a multiple of `num_judged`.
        num_judged: futures of each for which the upper layer judges what lies beyond.
        branch_steps: length of a future, T; a multiple of `num_pushes`.
        num_pushes: parts of a future, each with a tendency to one action.
        subgoal_steps: how far ahead the upper layer's sub-goal lies; less than `branch_steps`.
        action_examples: examples of the bottom layer for each imagined state.
        discount: of the values of states to come.
        explore: share of the pool that follows a random branch in place of the best.
        restart: share of the pool that begins anew at an experienced state.
        goal_share: share of new goals that are drawn at random; the rest are to stay up.
        goal_coordinates: which coordinates of a goal are drawn.
        goal_distance: a goal is asked for piecemeal where it is farther away than this many times the state's spread.
        goal_weights: what each coordinate counts in closeness.
        closeness_width: distance at which closeness is a half.
        max_leverage: what has more is not known.
        reach: share of the known range that goals are drawn from.
        stretch: how far goals may lie, as a multiple of how far states have been.
        averaging: share of the upper layer that enters the slow average which judges what lies beyond a branch.
    """

    pool_size: int
    num_branches: int
    num_judged: int
    branch_steps: int
    num_pushes: int
    subgoal_steps: int
    action_examples: int
    discount: float
    explore: float
    restart: float
    goal_share: float
    goal_coordinates: tuple[int, ...]
    goal_distance: float
    goal_weights: tuple[float, ...]
    closeness_width: float
    max_leverage: float
    reach: float
    stretch: float
    averaging: float

    def __post_init__(self) -> None:
        for name in (
            "pool_size",
            "num_branches",
            "num_judged",
            "branch_steps",
            "num_pushes",
            "subgoal_steps",
            "action_examples",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        for whole, part in (("branch_steps", "num_pushes"), ("num_branches", "num_judged")):
            if getattr(self, whole) % getattr(self, part):
                raise ValueError(
                    f"{whole} must be a multiple of {part}, and {getattr(self, whole)} is none of {getattr(self, part)}"
                )
        if self.subgoal_steps >= self.branch_steps:
            raise ValueError(
                f"subgoal_steps must be less than branch_steps, {self.branch_steps}, and is {self.subgoal_steps}"
            )
        if not 0 < self.discount < 1:
            raise ValueError(f"discount must lie between 0 and 1, not {self.discount}")
        for name in ("explore", "restart", "goal_share", "reach", "averaging"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], not {getattr(self, name)}")
        for name in ("goal_distance", "closeness_width", "max_leverage", "stretch"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)}")
        if not all(weight >= 0 for weight in self.goal_weights):
            raise ValueError(f"goal_weights must be 0 or more, not {self.goal_weights}")


@struct.dataclass
class Knowledge:
    """What experience says, all in normalised units but the normaliser itself.

    Attributes:
        world: fitted to all steps.
        normalizer: of states.
        spread: `[D]`, how much states varied before anything was learned.
        starts: `[N, D]`, experienced states.
        num_starts: `[]` int32, how many of these there are, from the front.
        lowest: `[D]`, the farthest goals below the middle that are known well enough.
        highest: `[D]`, those above it.
    """

    world: imagination.World
    normalizer: normalization.Normalizer
    spread: Array
    starts: Array
    num_starts: Array
    lowest: Array
    highest: Array


@struct.dataclass
class Learner:
    """What training carries.

    Attributes:
        model: what the layers have learned.
        slow: a slow average of the upper layer's parameters.
        states: `[B, D]`, the pool of imagined states.
        goals: `[B, D]`, what is asked for in each.
        key: root of all randomness.
    """

    model: ModelState
    slow: Any
    states: Array
    goals: Array
    key: jax.Array


def know(settings: Settings, steps: Steps, num_first: int | Array) -> Knowledge:
    """What experience says.

    Args:
        settings: see `Settings`.
        steps: all that was experienced.
        num_first: how many of the steps, from the front, were made before anything was learned. They give the units of
            distances: afterwards an agent that stands still would make every movement look large.
    """
    first = normalization.fit(steps.states, steps.mask & (jnp.arange(steps.states.shape[0]) < num_first))
    whole = normalization.fit(steps.states, steps.mask)
    normalizer = normalization.Normalizer(mean=first.mean, scale=jnp.maximum(first.scale, whole.scale))
    states = normalizer.normalize(steps.states)
    world = imagination.fit(
        states,
        jax.nn.one_hot(steps.actions, NUM_ACTIONS),
        normalizer.normalize(steps.next_states),
        steps.terminated,
        steps.mask,
        max_leverage=settings.max_leverage,
    )
    # Along one coordinate from the middle, leverage grows with the square of the distance.
    size = steps.states.shape[1]
    curvature = jnp.diagonal(world.dynamics.covariance)[:size]
    known = jnp.sqrt(jnp.maximum(settings.max_leverage - 1 / jnp.maximum(steps.count, 1), 0) / curvature)
    # Goals go beyond what was experienced by a little more each time.
    there = steps.mask[:, None]
    lowest = settings.stretch * jnp.min(jnp.where(there, states, jnp.inf), axis=0)
    highest = settings.stretch * jnp.max(jnp.where(there, states, -jnp.inf), axis=0)
    known, limits = settings.reach * known, world.limits
    return Knowledge(
        world=world,
        normalizer=normalizer,
        spread=first.scale / normalizer.scale,
        starts=states,
        num_starts=steps.count,
        lowest=jnp.maximum(lowest, jnp.maximum(-known, settings.reach * limits.lower)),
        highest=jnp.minimum(highest, jnp.minimum(known, settings.reach * limits.upper)),
    )


def nearer(settings: Settings, knowledge: Knowledge, states: Array, goals: Array) -> Array:
    """Goals `[..., D]`, those that are far from the states `[..., D]` moved near, coordinate by coordinate."""
    away = goals - states
    farthest = jnp.broadcast_to(settings.goal_distance * knowledge.spread, away.shape)
    return states + jnp.clip(away, -farthest, farthest)


def closeness(settings: Settings, knowledge: Knowledge, states: Array, goals: Array) -> Array:
    """Values `[...]` in `(0, 1]` of states `[..., D]` for goals `[..., D]`: 1 at the goal, a half at the width."""
    size = knowledge.spread.shape[0]
    split = (tuple(vectors[..., at] for at in range(size)) for vectors in (states, goals))
    return _closeness(settings, knowledge, *split)


def _closeness(settings: Settings, knowledge: Knowledge, states: Coordinates, goals: Coordinates) -> Array:
    """The same, by coordinates."""
    distance: Array = jnp.float32(0)
    for state, goal, weight, spread in zip(states, goals, settings.goal_weights, knowledge.spread, strict=True):
        away = weight / spread * jnp.abs(state - goal)
        # Rounded off at the goal, so that what is near enough is as good.
        distance += jnp.where(away < _ROUNDING, jnp.square(away) / (2 * _ROUNDING), away - _ROUNDING / 2)
    return 1 / (1 + distance / settings.closeness_width)


def begin(settings: Settings, model: Model, knowledge: Knowledge, key: jax.Array) -> Learner:
    """The state before the first update.

    Args:
        settings: see `Settings`.
        model: the two layers.
        knowledge: of all that was experienced so far.
        key: consumed.
    """
    model_key, pool_key, root_key = jax.random.split(key, 3)
    skip = Skip(settings.subgoal_steps)
    state = model.init(model_key, tuple(skip for _ in model.layers))
    states, goals = _begin(settings, knowledge, pool_key)
    return Learner(model=state, slow=_upper(model, state).params, states=states, goals=goals, key=root_key)


def go_on(model: Model, begun: Learner, before: ModelState) -> Learner:
    """The state before a later course's first update; nothing is computed.

    Args:
        model: the two layers.
        begun: the state before a first update; its optimisers begin anew.
        before: what the layers have learned in the courses before, to go on from.
    """
    state = dataclasses.replace(
        begun.model,
        kernels=tuple(
            dataclasses.replace(new, params=old.params)
            for new, old in zip(begun.model.kernels, before.kernels, strict=True)
        ),
    )
    return dataclasses.replace(begun, model=state, slow=_upper(model, state).params)


def build_update(settings: Settings, model: Model) -> Update:
    """One update of both layers from one step of imagination."""
    bottom, top = (layer.cortex for layer in model.layers)
    pool, ahead, behind = settings.pool_size, settings.subgoal_steps, settings.branch_steps - settings.subgoal_steps

    def update(learner: Learner, knowledge: Knowledge, step: jax.Array) -> tuple[Learner, Mapping[str, jax.Array]]:
        keys = jax.random.split(jax.random.fold_in(learner.key, step), 8)
        learner = dataclasses.replace(
            learner, states=sharding.split_batch(learner.states), goals=sharding.split_batch(learner.goals)
        )
        world = knowledge.world
        branches = imagination.branch(world, learner.states, _pushes(settings, keys[0], keys[1]), NUM_ACTIONS)
        goals = tuple(learner.goals[:, at, None] for at in range(learner.goals.shape[1]))
        value = partial(_closeness, settings, knowledge, goals=goals)
        near, final, alive = imagination.judge(world, branches, value, discount=settings.discount)
        far = settings.discount**settings.branch_steps
        rows = jnp.arange(pool)
        column = rows[:, None]
        # The upper layer judges what lies beyond the most promising branch of each group, the one that is best if all
        # goes on as it ends.
        promise = (near + far * final).reshape(pool, settings.num_judged, -1)
        judged = jnp.argmax(promise, axis=2) + (promise.shape[2] * jnp.arange(settings.num_judged))[None]
        ends = branches.states(column, judged, settings.branch_steps)
        slow = dataclasses.replace(_upper(model, learner.model), params=learner.slow)
        beyond = top.answer(
            slow, present(model, _rows(ends)), _rows(jnp.broadcast_to(learner.goals[:, None], ends.shape))
        ).score.reshape(judged.shape)
        returns = near[column, judged] + far * jnp.where(alive[column, judged], jnp.clip(beyond, 0, 1), 0)
        best_return = jnp.max(returns, axis=1)
        best = judged[rows, jnp.argmax(returns, axis=1)]
        everything = jnp.ones(pool, bool)
        wanted = Examples(
            context=present(model, learner.states),
            goals=learner.goals,
            targets=branches.states(rows, best, ahead),
            scores=best_return,
            mask=everything,
        )
        # Hindsight: what lies some steps ahead on any branch was reached by the action that was taken.
        shape = (pool, settings.action_examples)
        which = jax.random.randint(keys[2], shape, 0, settings.num_branches)
        times = jax.random.randint(keys[3], shape, 0, behind)
        distances = jax.random.randint(keys[4], shape, 1, ahead + 1)
        done = Examples(
            context=present(model, _rows(branches.states(column, which, times))),
            goals=_rows(branches.states(column, which, times + distances)),
            targets=branches.actions[which, times].reshape(-1),
            scores=bottom.score_rule.score(distances.reshape(-1)),
            mask=jnp.ones(shape, bool).reshape(-1),
        )
        state, metrics = model.learn(learner.model, {0: done, 1: wanted})
        params = jax.tree.map(
            lambda old, new: old + settings.averaging * (new - old), learner.slow, _upper(model, state).params
        )
        explores, restarts = (
            jax.random.bernoulli(key, share, (pool,))
            for key, share in ((keys[5], settings.explore), (keys[6], settings.restart))
        )
        # The sequences are drawn anew each time: any will do.
        followed = jnp.where(explores, 0, best)
        alive = jnp.all(world.known(branches.states(column, followed[:, None], jnp.arange(1, ahead + 1))), axis=1)
        new_states, new_goals = _begin(settings, knowledge, keys[7])
        anew = (restarts | ~alive)[:, None]
        metrics |= {"return": jnp.mean(best_return), "alive": jnp.mean(alive)}
        return Learner(
            model=state,
            slow=params,
            states=jnp.where(anew, new_states, branches.states(rows, followed, ahead)),
            goals=jnp.where(anew, new_goals, learner.goals),
            key=learner.key,
        ), metrics

    return update


def _begin(settings: Settings, knowledge: Knowledge, key: jax.Array) -> tuple[Array, Array]:
    """States that were experienced, half of them moved to where goals may lie, and goals for them: `[B, D]` each."""
    start_key, move_key, place_key, share_key, goal_key = jax.random.split(key, 5)
    pool = settings.pool_size
    states = knowledge.starts[jax.random.randint(start_key, (pool,), 0, knowledge.num_starts)]
    coordinates = jnp.zeros(states.shape[1], bool).at[jnp.array(settings.goal_coordinates, jnp.int32)].set(True)
    drawn, low, high, farthest = (
        jnp.broadcast_to(row, states.shape)
        for row in (coordinates, knowledge.lowest, knowledge.highest, settings.goal_distance * knowledge.spread)
    )
    places = jnp.where(drawn, low + (high - low) * jax.random.uniform(place_key, states.shape), states)
    states = jnp.where(jax.random.bernoulli(move_key, 0.5, (pool, 1)), places, states)
    near = states + farthest * jax.random.uniform(goal_key, states.shape, minval=-1.0)
    some = jax.random.bernoulli(share_key, settings.goal_share, (pool, 1))
    goals = jnp.where(drawn & some, near, nearer(settings, knowledge, states, jnp.zeros_like(states)))
    # The coordinates that are never drawn are always asked to be in the middle.
    goals = jnp.where(drawn, jnp.clip(goals, jnp.where(drawn, low, 0), jnp.where(drawn, high, 0)), 0)
    return states, goals


def _pushes(settings: Settings, tendency_key: jax.Array, action_key: jax.Array) -> Array:
    """Random actions `[J, T]`; within each part of a sequence one of the two is more likely, or both are alike."""
    shape = (settings.num_branches, settings.branch_steps)
    tendencies = jax.random.uniform(tendency_key, (shape[0], settings.num_pushes))
    tendencies = jnp.repeat(tendencies, settings.branch_steps // settings.num_pushes, axis=1)
    return (jax.random.uniform(action_key, shape) < tendencies).astype(jnp.int32)


def _rows(vectors: Array) -> Array:
    """`[A, B, D]` as `[A * B, D]`."""
    return vectors.reshape(-1, vectors.shape[-1])


def _upper(model: Model, state: ModelState) -> NetworkState:
    upper = model.kernel_state(state, 1)
    assert isinstance(upper, NetworkState)
    return upper
