"""Collecting: transitions of a policy in an environment, whichever form that has.

A policy is pure functions. In a pure environment all of collecting is one scan; in a simulator on the host the policy
is compiled, and steps are taken there, for all stores at once.
"""

import contextlib
import dataclasses
from functools import partial
from typing import Any, Protocol, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from humain.environments import transitions
from humain.environments.actions import ActionSpace
from humain.environments.environment import Environment, HostEnvironment, State
from humain.environments.transitions import Transitions
from humain.types import Array, Trajectories

Carry: TypeAlias = Any
"""What a policy remembers from one step to the next, such as its goal: a pytree that it defines."""


class Policy(Protocol):
    """Chooses actions, for one agent. It is hashable: a static argument."""

    def act(self, given: Any, carry: Carry, observation: Array, number: Array, key: jax.Array) -> tuple[Carry, Array]:
        """One action.

        Args:
            given: what it acts by and does not change, such as what was learned: a pytree.
            carry: what it remembers.
            observation: `[D]`.
            number: `[]` int32, how many steps have been collected before.
            key: consumed.

        Returns:
            What it remembers next, and the action `[*V]`.
        """


@dataclasses.dataclass(frozen=True)
class RandomPolicy:
    """Acts at random, and remembers nothing: `given` and `carry` are empty.

    Attributes:
        actions: to draw from.
    """

    actions: ActionSpace

    def act(self, given: Any, carry: Carry, observation: Array, number: Array, key: jax.Array) -> tuple[Carry, Array]:
        """Any action is equally likely."""
        del given, observation, number
        return carry, self.actions.draw(key)


@struct.dataclass
class _Progress:
    """Where collecting is: the environment, what the policy remembers, how old the episode is."""

    state: State
    carry: Carry
    age: Array


def scan(
    environment: Environment, policy: Policy, given: Any, carry: Carry, key: jax.Array, *, num_steps: int
) -> Transitions:
    """Transitions `[num_steps]` of one agent in a pure environment; for `jit`.

    Args:
        environment: to act in.
        policy: how.
        given: see `Policy.act`.
        carry: what the policy remembers at first.
        key: consumed.
        num_steps: to collect; the last of them cuts its episode off.
    """

    def step(progress: _Progress, number: Array) -> tuple[_Progress, tuple[Array, ...]]:
        # Act.
        act_key, reset_key, step_key = jax.random.split(jax.random.fold_in(key, number), 3)
        observation = environment.observation(progress.state)
        carry, action = policy.act(given, progress.carry, observation, number, act_key)
        taken = environment.step(progress.state, action, step_key)
        # Begin the next episode where this one has ended, or is as long as it may be.
        truncated = ~taken.terminated & (progress.age + 1 >= environment.max_steps)
        ended = taken.terminated | truncated
        begun = environment.reset(reset_key)
        after = _Progress(
            state=jax.tree.map(lambda new, old: jnp.where(ended, new, old), begun, taken.state),
            carry=carry,
            age=jnp.where(ended, 0, progress.age + 1),
        )
        action = action.astype(environment.actions.space.dtype)
        reward = jnp.asarray(taken.reward, jnp.float32)
        return after, (observation, action, reward, taken.observation, taken.terminated, truncated)

    begin_key, key = jax.random.split(key)
    start = _Progress(state=environment.reset(begin_key), carry=carry, age=jnp.int32(0))
    _, (states, actions, rewards, following, terminated, truncated) = jax.lax.scan(step, start, jnp.arange(num_steps))
    return Transitions(
        states=states,
        actions=actions,
        rewards=rewards,
        next_states=following,
        terminated=terminated,
        truncated=truncated.at[-1].set(~terminated[-1]),
        count=jnp.int32(num_steps),
    )


def simulate(
    environment: HostEnvironment, policy: Policy, given: Any, carries: Carry, keys: jax.Array, *, num_steps: int
) -> Transitions:
    """Transitions `[S, num_steps]` of S agents, each in a simulator of its own; not for `jit`.

    Args:
        environment: to act in.
        policy: how.
        given: see `Policy.act`; with a leading axis of S.
        carries: what the policy remembers at first; with a leading axis of S.
        keys: `[S]`, consumed.
        num_steps: to collect in each simulator; the last of them cuts its episode off.
    """
    num_agents = keys.shape[0]
    keys, seeds = _split_seeds(keys)
    ages = np.zeros(num_agents, np.int32)
    found: list[tuple[np.ndarray, ...]] = []
    with contextlib.closing(environment.simulate(num_agents)) as simulators:
        observations = simulators.reset([int(seed) for seed in seeds], np.ones(num_agents, bool))
        for number in range(num_steps):
            carries, actions = _act(policy, given, carries, observations, np.int32(number), keys)
            chosen = np.asarray(actions)
            taken = simulators.step(chosen)
            ages += 1
            truncated = ~taken.terminated & (taken.truncated | (ages >= environment.max_steps))
            # In the order of the store's fields.
            found.append((observations, chosen, taken.rewards, taken.observations, taken.terminated, truncated))
            ended = taken.terminated | truncated
            ages[ended] = 0
            observations = taken.observations
            if ended.any() and number + 1 < num_steps:
                observations = simulators.reset([None] * num_agents, ended)
    columns: dict[str, Any] = {
        name: np.stack(column, axis=1)
        for name, column in zip(transitions.FIELDS, zip(*found, strict=True), strict=True)
    }
    columns["actions"] = columns["actions"].astype(environment.actions.space.dtype)
    columns["rewards"] = columns["rewards"].astype(np.float32)
    columns["truncated"][:, -1] = ~columns["terminated"][:, -1]
    return Transitions(**columns, count=jnp.full(num_agents, num_steps, jnp.int32))


@jax.jit
def _split_seeds(keys: jax.Array) -> tuple[jax.Array, Array]:
    """For each of `[S]` keys another, and a seed that a simulator can be reset with."""
    pairs = jax.vmap(jax.random.split)(keys)
    return pairs[:, 0], jax.vmap(lambda key: jax.random.randint(key, (), 0, 2**31 - 1))(pairs[:, 1])


@partial(jax.jit, static_argnames=("policy",))
def _act(
    policy: Policy, given: Any, carries: Carry, observations: Array, number: Array, keys: jax.Array
) -> tuple[Carry, Array]:
    """What each of S agents does, `[S, *V]`."""

    def act(given: Any, carry: Carry, observation: Array, key: jax.Array) -> tuple[Carry, Array]:
        return policy.act(given, carry, observation, number, jax.random.fold_in(key, number))

    return jax.vmap(act)(given, carries, observations, keys)


@partial(jax.jit, static_argnames=("environment", "policy", "num_steps"))
def _scan_all(
    environment: Environment, policy: Policy, given: Any, carries: Carry, keys: jax.Array, *, num_steps: int
) -> Transitions:
    return jax.vmap(partial(scan, environment, policy, num_steps=num_steps))(given, carries, keys)


def collect(
    environment: Environment | HostEnvironment,
    key: jax.Array,
    *,
    num_steps: int,
    num_environments: int = 1,
    policy: Policy | None = None,
    given: Any = (),
    carry: Carry = (),
) -> Trajectories:
    """What is experienced in an environment, as trajectories to learn from.

    Args:
        environment: to act in.
        key: consumed.
        num_steps: to collect in all, a multiple of `num_environments`.
        num_environments: side by side.
        policy: how to act; at random by default.
        given: what the policy acts by, the same in all environments.
        carry: what it remembers at first, the same in all.

    Raises:
        ValueError: for numbers that do not fit.
    """
    if num_environments < 1 or num_steps < 1 or num_steps % num_environments:
        raise ValueError(
            f"num_steps ({num_steps}) must be a multiple of num_environments ({num_environments}), both at least 1"
        )
    policy = RandomPolicy(environment.actions) if policy is None else policy
    givens, carries = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (num_environments, *jnp.shape(leaf))), (given, carry)
    )
    keys = jax.random.split(key, num_environments)
    each = num_steps // num_environments
    if isinstance(environment, HostEnvironment):
        stores = simulate(environment, policy, givens, carries, keys, num_steps=each)
    else:
        stores = _scan_all(environment, policy, givens, carries, keys, num_steps=each)
    # Each environment's steps are cut off at its end, so that one behind the other they are one store.
    rows: dict[str, Any] = {name: np.concatenate(np.asarray(getattr(stores, name))) for name in transitions.FIELDS}
    return transitions.to_trajectories(Transitions(**rows, count=jnp.int32(num_steps)))
