"""Rivals do what they say: on stretches and graphs small enough to follow by hand."""

import numpy as np

from humain.replay.steps import make_steps
from humain.types import Trajectories
from tasks.mazes import baselines


def _inverse(states, following):
    return np.clip((following - states) / 0.2, -1, 1)


def test_the_nearest_stretch_begins_near_the_state_and_ends_near_the_goal():
    # One trajectory goes right along y = 0 and back; another along y = 5.
    first = [(x, 0.0) for x in (0, 1, 2, 3, 2, 1, 0)]
    second = [(x, 5.0) for x in (0, 1, 2)]
    nearest = baselines.NearestTrajectory(Trajectories.from_arrays([np.array(first), np.array(second)]), _inverse)
    # From (2.9, 0.1) to (0.2, 0): it passes (3, 0) at time 3 and (0, 0) at time 6, after it.
    assert nearest.stretch(np.array([2.9, 0.1]), np.array([0.2, 0.0])) == (0, 3, 6)
    # From left to right it is the way out, and not the way back.
    assert nearest.stretch(np.array([0.0, 0.2]), np.array([3.0, 0.0])) == (0, 0, 3)
    # Padding behind the short trajectory is no state of it: (0, 0) is on the first one alone.
    assert nearest.stretch(np.array([0.0, 5.0]), np.array([2.0, 5.0])) == (1, 0, 2)


def test_the_stretch_is_followed_to_the_goal():
    path = np.array([(0.2 * step, 0.0) for step in range(21)] + [(4.0, 0.2 * step) for step in range(1, 21)])
    nearest = baselines.NearestTrajectory(Trajectories.from_arrays([path]), _inverse)
    at, goal = np.array([[0.0, 0.1]], np.float32), np.array([[4.0, 3.9]], np.float32)
    memory = nearest.begin(1)
    for _ in range(60):
        memory, decision = nearest.act(memory, at, goal)
        at = at + 0.2 * np.clip(decision.actions, -1, 1).astype(np.float32)
    np.testing.assert_allclose(at, goal, atol=0.05)


def test_search_takes_the_cheapest_way_and_shuns_risk():
    # 0 -> 1 -> 3 costs 2, but one of two departures from 1 is a jump to 4, from where nothing leads on; 0 -> 2 -> 3
    # costs 6.
    sources, aims, costs = [0, 1, 0, 2], [1, 3, 2, 3], [1.0, 1.0, 3.0, 3.0]
    successors = np.array([[1, 0], [3, 4], [2, 0], [3, 0]])
    probabilities = np.array([[1, 0], [0.5, 0.5], [1, 0], [1, 0]])
    steps = make_steps(5, sources, aims, costs, successors=successors, probabilities=probabilities)
    centers = np.array([(0, 0), (1, 1), (1, -1), (2, 0), (9, 9)], np.float32)

    def assign(rows):
        return np.linalg.norm(rows[:, None] - centers, axis=-1).argmin(axis=1)

    bold = baselines.Search(centers, steps, _inverse, assign, risk=0.0)
    wary = baselines.Search(centers, steps, _inverse, assign, risk=100.0)
    assert bold.way(0, 3) == [0, 1, 3]
    assert wary.way(0, 3) == [0, 2, 3]
    assert wary.next_places(3)[1][0] == 6
    assert wary.way(4, 3) == []
    goals = np.array([[2.1, 0.2], [2.1, 0.2], [2.1, 0.2]], np.float32)
    states = np.array([[0, 0], [2, 0], [9, 9]], np.float32)
    _, decision = wary.act(wary.begin(3), states, goals)
    # Towards the next place; in the goal's place, and where nothing is known, towards the goal.
    assert decision.subgoals is not None
    np.testing.assert_allclose(decision.subgoals[:, 0], [centers[2], goals[1], goals[2]])
