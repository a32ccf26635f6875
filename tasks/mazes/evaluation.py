"""Evaluation as OGBench does it: its own environments, five tasks a maze, its own flag of success and its horizon.

Source: Park, Frans, Eysenbach and Levine, OGBench: Benchmarking Offline Goal-Conditioned RL (2024). Start and goal are
drawn about the centres of a task's two cells; an episode is a success when the environment says so, within 1,000 steps;
actions are clipped to [-1, 1]. What differs: all episodes go on at the same time, so that a policy is asked for all of
them at once, and each has randomness of its own, so that its start, goal and teleports do not depend on the others, nor
on the policy.
"""

import contextlib
import copy
import dataclasses
import os
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any, Protocol

import numpy as np
from gymnasium.wrappers import TimeLimit

from tasks.mazes import layout

MAX_STEPS = 1000
"""The horizon of OGBench's point mazes."""
NUM_TASKS = 5
"""Tasks of each maze."""
_NEAR_ENTRY = 3.0


@dataclasses.dataclass(frozen=True)
class Decision:
    """What a policy does, for `B` agents.

    Attributes:
        actions: `[B, 2]`; those beyond [-1, 1] are clipped.
        subgoals: `[B, L, 2]` where it goes to now, the nearest first, of each of L layers; or None if it has none.
    """

    actions: np.ndarray
    subgoals: np.ndarray | None = None


class Decider(Protocol):
    """Acts for a batch of agents."""

    def begin(self, num_agents: int) -> Any:
        """What is remembered of the agents' episodes before their first step."""

    def act(self, memory: Any, observations: np.ndarray, goals: np.ndarray) -> tuple[Any, Decision]:
        """One action for each agent.

        Args:
            memory: from `begin` or the last call.
            observations: `[B, 2]` float32.
            goals: `[B, 2]` float32.

        Returns:
            What is remembered from now on, and the decision. Those of agents whose episode is over are not looked at.
        """


@dataclasses.dataclass(frozen=True)
class PlayedEpisode:
    """One episode.

    Attributes:
        task: its number, from 1.
        path: `[T + 1, 2]` float32, where the agent was, the start first.
        goal: `[2]` float32.
        subgoals: `[T, L, 2]` float32, of each step, or None if the policy had none.
        success: whether the environment said that the goal was reached.
    """

    task: int
    path: np.ndarray
    goal: np.ndarray
    subgoals: np.ndarray | None
    success: bool


@dataclasses.dataclass(frozen=True)
class Question:
    """Where an episode starts and what it is to reach; a task of the maze, or a pair of the user's own.

    Attributes:
        task: number of the task, from 1; of a user's own pair it matters to nothing but the name.
        seed: words that all of its randomness is derived from.
        start: `[2]`, or None for the task's own.
        goal: `[2]`, or None for the task's own.
    """

    task: int
    seed: tuple[int, ...]
    start: tuple[float, float] | None = None
    goal: tuple[float, float] | None = None


def questions(seed: int, *, num_episodes: int = 50) -> list[Question]:
    """OGBench's evaluation of one maze: so many episodes of each of the five tasks."""
    return [Question(task, (seed, task, number)) for task in range(1, NUM_TASKS + 1) for number in range(num_episodes)]


def run(
    size: str,
    policy: Decider,
    asked: list[Question],
    *,
    noise: float = 0.0,
    max_steps: int = MAX_STEPS,
    check: Callable[[int], None] | None = None,
) -> list[PlayedEpisode]:
    """Lets a policy act in upstream's environments.

    Args:
        size: of the maze, as in upstream's names: `medium`, `large`, `giant` or `teleport`.
        policy: what to act by.
        asked: an episode each.
        noise: standard deviation of what is added to each observation, per coordinate; the goal is given as it is.
        max_steps: of an episode.
        check: called before each step with the number of the step; may raise to stop.

    Returns:
        The episodes, in the order of the questions.
    """
    first = layout.make(size).unwrapped
    world = [_Agent(first, question, noise, max_steps) for question in asked]
    memory = policy.begin(len(world))
    goals = np.stack([agent.goal for agent in world])
    num_threads = os.cpu_count() or 1
    with futures.ThreadPoolExecutor(num_threads) as pool:
        for step in range(max_steps):
            if check is not None:
                check(step)
            working = [(number, agent) for number, agent in enumerate(world) if not agent.done]
            if not working:
                break
            memory, decision = policy.act(memory, np.stack([agent.observation for agent in world]), goals)

            # Who may be teleported draws from randomness that all share; the others go on side by side.
            def move(agents: list[tuple[int, _Agent]], decision: Decision = decision) -> None:
                for number, agent in agents:
                    subgoals = None if decision.subgoals is None else decision.subgoals[number]
                    agent.step(decision.actions[number], subgoals)

            apart = [pair for pair in working if not pair[1].near_entry]
            list(pool.map(move, [apart[at::num_threads] for at in range(num_threads)]))
            move([pair for pair in working if pair[1].near_entry])
    return [agent.episode() for agent in world]


def success_rates(episodes: list[PlayedEpisode]) -> dict[str, Any]:
    """The share of successes: of each task, their mean, and how many episodes that were."""
    tasks = sorted({episode.task for episode in episodes})
    rates = [float(np.mean([episode.success for episode in episodes if episode.task == task])) for task in tasks]
    return {"mean": float(np.mean(rates)), "per_task": rates, "episodes": len(episodes)}


class _Agent:
    """One episode under way, in an environment of its own."""

    def __init__(self, first: Any, question: Question, noise: float, max_steps: int):
        # The model of the maze is never written to but for the picture of the goal; all else is the copy's own.
        # Upstream copies by making a new environment, which takes half a second.
        own = object.__new__(type(first))
        own.__dict__.update(first.__dict__)
        own.data = copy.copy(first.data)
        self._env = TimeLimit(own, max_steps)
        self._question, self._noise = question, noise
        self._random = np.random.default_rng(question.seed)
        info = own._teleport_info
        self._entries = None if info is None else np.array(info["teleport_in_xys"])
        seed = int(self._random.integers(2**31))
        own.action_space = copy.deepcopy(first.action_space)
        own.action_space.seed(seed)
        with _global_randomness(seed):
            state, told = self._env.reset(seed=seed, options={"task_id": question.task})
        self.goal = np.asarray(told["goal"], np.float32)
        if question.goal is not None:
            own.set_goal(goal_xy=np.array(question.goal))
            self.goal = np.asarray(question.goal, np.float32)
        if question.start is not None:
            own.set_xy(np.array(question.start))
            state = own.get_ob()
        self.done = self._success = False
        self._inner = own
        self._path = [np.asarray(own.get_xy(), np.float32)]
        self._subgoals: list[np.ndarray] = []
        self._observe(state)

    def step(self, action: np.ndarray, subgoal: np.ndarray | None) -> None:
        action = np.clip(np.asarray(action, float), -1, 1)
        if self.near_entry:
            with _global_randomness(int(self._random.integers(2**31))):
                state, _, terminated, truncated, info = self._env.step(action)
        else:
            state, _, terminated, truncated, info = self._env.step(action)
        self.done, self._success = terminated or truncated, bool(info["success"])
        self._path.append(np.asarray(self._inner.get_xy(), np.float32))
        if subgoal is not None:
            self._subgoals.append(np.asarray(subgoal, np.float32))
        self._observe(state)

    @property
    def near_entry(self) -> bool:
        """Whether the next step may end at an entry, which is reached from 1.5 away; a step is at most 0.3 long."""
        return self._entries is not None and bool(
            (np.linalg.norm(self._entries - self._path[-1], axis=1) < _NEAR_ENTRY).any()
        )

    def _observe(self, state: np.ndarray) -> None:
        if self._noise:
            state = state + self._random.normal(scale=self._noise, size=state.shape)
        self.observation = np.asarray(state, np.float32)

    def episode(self) -> PlayedEpisode:
        return PlayedEpisode(
            task=self._question.task,
            path=np.stack(self._path),
            goal=self.goal,
            subgoals=np.stack(self._subgoals) if self._subgoals else None,
            success=self._success,
        )


@contextlib.contextmanager
def _global_randomness(seed: int) -> Iterator[None]:
    """Lets NumPy's global randomness, which upstream draws from, begin at a seed; afterwards it is as it was."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002
