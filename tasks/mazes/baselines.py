"""What the model is compared with: the maze's own map, the nearest stored trajectory, and plain search over places."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from humain.replay.steps import Steps
from humain.types import Trajectories
from tasks.mazes.evaluation import Decision

Inverse: TypeAlias = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From states `[B, 2]` and next states `[B, 2]` to actions `[B, 2]`."""


class Oracle:
    """Goes from cell to cell by the maze's own map, which no learner is given; it takes no heed of teleporters."""

    def __init__(self, environment: Any):
        self._environment = environment

    def begin(self, num_agents: int) -> None:
        """Nothing is remembered."""

    def act(self, memory: None, observations: np.ndarray, goals: np.ndarray) -> tuple[None, Decision]:
        """Towards the centre of the next cell of the shortest way, and within the goal's cell towards the goal."""
        aims = np.empty_like(observations)
        for number, (here, goal) in enumerate(zip(observations, goals, strict=True)):
            cells = [self._environment.xy_to_ij(xy) for xy in (here, goal)]
            aims[number] = goal if cells[0] == cells[1] else self._environment.get_oracle_subgoal(here, goal)[0]
        offsets = aims - observations
        return None, Decision(offsets / np.maximum(np.linalg.norm(offsets, axis=1, keepdims=True), 0.2), aims[:, None])


@dataclasses.dataclass
class Following:
    """The stored stretch that each of `B` agents follows.

    Attributes:
        walk: `[B]` the trajectory.
        at: `[B]` the time on it where the agent is.
        last: `[B]` the time on it where the stretch ends.
        steps: `[B]` steps since it was chosen.
        asked: `[B, 2]` the state that it was chosen for.
    """

    walk: np.ndarray
    at: np.ndarray
    last: np.ndarray
    steps: np.ndarray
    asked: np.ndarray


class NearestTrajectory:
    """Follows the stored trajectory that passes nearest to the state and, later, nearest to the goal.

    It goes from one stored state to those after it by the same inverse model as the model's bottom layer. Where it has
    come to the stretch's end and not to the goal, or has followed it for long, it chooses anew.
    """

    def __init__(
        self,
        trajectories: Trajectories,
        inverse: Inverse,
        *,
        ahead: int = 3,
        patience: int = 400,
        pause: int = 20,
    ):
        """Remembers the trajectories.

        Args:
            trajectories: with states `[W, T, 2]`.
            inverse: of the bottom layer.
            ahead: it aims for the stored state so many steps ahead.
            patience: steps after which it chooses anew, though it has not come to the end.
            pause: steps at least between two choices.
        """
        self._states = np.asarray(trajectories.states, np.float32)
        times = np.arange(self._states.shape[1])
        self._padding = np.where(times < np.asarray(trajectories.lengths)[:, None], 0, np.inf).astype(np.float32)
        self._inverse, self._ahead, self._patience, self._pause = inverse, ahead, patience, pause

    def begin(self, num_agents: int) -> Following:
        """Nobody follows anything yet."""
        nowhere = np.zeros(num_agents, np.int64)
        steps = np.full(num_agents, self._patience)
        return Following(nowhere, nowhere, nowhere, steps, np.full((num_agents, 2), np.nan, np.float32))

    def act(self, memory: Following, observations: np.ndarray, goals: np.ndarray) -> tuple[Following, Decision]:
        """One step along the stretch, and from its end towards the goal."""
        following = Following(*(getattr(memory, field.name).copy() for field in dataclasses.fields(memory)))
        following.steps += 1
        lost = following.steps > self._patience
        lost |= (following.at >= following.last) & (following.steps >= self._pause)
        # Who stands where it has asked already would get the same answer: episodes that are over stand still.
        for number in np.flatnonzero(lost & (observations != following.asked).any(axis=1)):
            walk, first, last = self.stretch(observations[number], goals[number])
            following.walk[number], following.at[number], following.last[number] = walk, first, last
            following.steps[number], following.asked[number] = 0, observations[number]
        # Where on the stretch is it? At the nearest of the next few states.
        window = np.minimum(following.at[:, None] + np.arange(2 * self._ahead), following.last[:, None])
        passing = self._states[following.walk[:, None], window]
        nearest = np.linalg.norm(passing - observations[:, None], axis=-1).argmin(axis=1)
        following.at = window[np.arange(len(window)), nearest]
        ahead = np.minimum(following.at + self._ahead, following.last)
        over = following.at >= following.last
        aims = np.where(over[:, None], goals, self._states[following.walk, ahead])
        return following, Decision(self._inverse(observations, aims), aims[:, None])

    def stretch(self, state: np.ndarray, goal: np.ndarray) -> tuple[int, int, int]:
        """The stored stretch that begins nearest to a state and ends nearest to a goal.

        Args:
            state: `[2]`.
            goal: `[2]`.

        Returns:
            The trajectory, and the first and the last time on it; the sum of both squared distances is the least.
        """
        from_state = np.sum((self._states - state) ** 2, axis=-1) + self._padding
        to_goal = np.sum((self._states - goal) ** 2, axis=-1) + self._padding
        both = np.minimum.accumulate(from_state, axis=1) + to_goal
        walk, last = np.unravel_index(np.argmin(both), both.shape)
        return int(walk), int(np.argmin(from_state[walk, : last + 1])), int(last)


class Search:
    """Dijkstra's algorithm over the places and steps that the model has learned, anew for each question; no layers.

    From a place it goes towards the centre of the next place of the cheapest way, by the same inverse model as the
    model's bottom layer. Where steps of a place may end elsewhere, a shortest way can't tell how that goes on: these
    steps are charged with what they risk.
    """

    def __init__(
        self,
        centers: np.ndarray,
        steps: Steps,
        inverse: Inverse,
        assign: Callable[[np.ndarray], np.ndarray],
        *,
        risk: float,
    ):
        """Takes what was learned.

        Args:
            centers: `[K, 2]` of the places.
            steps: between them.
            inverse: of the bottom layer.
            assign: the places `[B]` of states `[B, 2]`.
            risk: what a step costs that certainly ends elsewhere.
        """
        aims, costs = np.asarray(steps.aims), np.asarray(steps.costs)
        elsewhere = np.asarray(steps.successors) != aims[..., None]
        hazards = np.sum(np.asarray(steps.probabilities) * elsewhere, axis=-1)
        sources, columns = np.nonzero(np.isfinite(costs))
        prices = costs[sources, columns] + risk * hazards[sources, columns]
        targets = aims[sources, columns]
        # Backwards, since all ways to a goal are asked for.
        self._backward = sparse.csr_matrix((prices, (targets, sources)), shape=(len(centers), len(centers)))
        self._centers, self._inverse, self._assign = centers, inverse, assign

    def begin(self, num_agents: int) -> dict[int, np.ndarray]:
        """No goal has been asked for."""
        return {}

    def act(
        self, memory: dict[int, np.ndarray], observations: np.ndarray, goals: np.ndarray
    ) -> tuple[dict[int, np.ndarray], Decision]:
        """Towards the next place, and within the goal's place towards the goal."""
        here, wanted = self._assign(observations), self._assign(goals)
        aims = goals.copy()
        for number in np.flatnonzero(here != wanted):
            goal = int(wanted[number])
            if goal not in memory:
                memory[goal] = self.next_places(goal)[0]
            following = memory[goal][here[number]]
            if following >= 0 and following != goal:
                aims[number] = self._centers[following]
        return memory, Decision(self._inverse(observations, aims), aims[:, None])

    def next_places(self, goal: int) -> tuple[np.ndarray, np.ndarray]:
        """For each place the next one on the cheapest way to a goal, negative where there is none; and its costs."""
        costs, following = csgraph.dijkstra(self._backward, indices=goal, return_predecessors=True)
        return following, costs

    def way(self, start: int, goal: int) -> list[int]:
        """The places of the cheapest way, the start first; empty if there is none."""
        following, _ = self.next_places(goal)
        places = [start]
        while places[-1] != goal:
            if following[places[-1]] < 0:
                return []
            places.append(int(following[places[-1]]))
        return places
