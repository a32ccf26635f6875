"""Worlds of rooms of which an agent sees only a look, and the best that a policy can reach in them."""

import dataclasses
from collections import deque

import numpy as np

UNREACHABLE = np.iinfo(np.int32).max
"""The number of steps to an unreachable goal."""


@dataclasses.dataclass(frozen=True)
class Rooms:
    """A deterministic world with N rooms, A actions and G goals.

    The state of the world, such as which doors are open, is part of the room; different rooms may have the same look.

    Attributes:
        following: `[N, A]` int32, the room that each action leads to.
        looks: `[N]` int32, the look of each room.
        num_looks: the number of looks.
        start: the room in which every episode begins.
        goals: `[G]` int32, looks to reach, not including that of the start.
    """

    following: np.ndarray
    looks: np.ndarray
    num_looks: int
    start: int
    goals: np.ndarray

    def shortest(self) -> np.ndarray:
        """Returns `[G]` int32, the steps of the shortest way from the start to each goal, by breadth-first search."""
        steps = np.full(self.num_looks, UNREACHABLE, np.int32)
        distances = {self.start: 0}
        waiting = deque([self.start])
        while waiting:
            room = waiting.popleft()
            look = self.looks[room]
            steps[look] = min(steps[look], distances[room])
            for there in self.following[room].tolist():
                if there not in distances:
                    distances[there] = distances[room] + 1
                    waiting.append(there)
        return steps[self.goals]

    def walks(
        self, rng: np.random.Generator, *, num_walks: int, num_steps: int, action_shares: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draws random walks from the start.

        Args:
            rng: the random generator; its state changes.
            num_walks: W, the number of walks.
            num_steps: T - 1, the number of steps of a walk.
            action_shares: `[A]`, the probability of each action.

        Returns:
            Looks `[W, T]` int32 and the actions taken in them `[W, T]` int32; the last action is not carried out.
        """
        actions = rng.choice(len(action_shares), size=(num_walks, num_steps + 1), p=action_shares).astype(np.int32)
        rooms = np.full((num_walks, num_steps + 1), self.start, np.int32)
        for time in range(num_steps):
            rooms[:, time + 1] = self.following[rooms[:, time], actions[:, time]]
        return self.looks[rooms], actions

    def best_by_looks(self) -> float:
        """Returns the best result of a policy that maps looks to actions: the mean share of the optimum over goals.

        For each goal, all assignments of actions to looks are tried, as far as they make a difference.
        """
        shares = []
        for goal, shortest in zip(self.goals.tolist(), self.shortest().tolist(), strict=True):
            taken = self._fewest_by_looks(goal, self.start, {}, frozenset())
            shares.append(0.0 if taken is None else shortest / taken)
        return float(np.mean(shares))

    def _fewest_by_looks(self, goal: int, room: int, chosen: dict[int, int], passed: frozenset[int]) -> int | None:
        """Returns the fewest steps from a room to the goal, given the actions chosen; None if not reached."""
        look = int(self.looks[room])
        if look == goal:
            return 0
        if room in passed:
            # The same room again with the same choices: it would go round for ever.
            return None
        actions = [chosen[look]] if look in chosen else range(self.following.shape[1])
        found = [
            self._fewest_by_looks(goal, int(self.following[room, action]), chosen | {look: action}, passed | {room})
            for action in actions
        ]
        arrived = [steps for steps in found if steps is not None]
        return 1 + min(arrived) if arrived else None
