"""Evaluation is upstream's: the same steps, the same flag of success, and episodes that don't touch each other."""

from typing import Any

import numpy as np
import pytest

from tasks.mazes import baselines, evaluation, layout
from tasks.mazes.evaluation import Decision, PlayedEpisode, Question


class _Straight:
    """Straight towards the goal, by an action longer than is allowed."""

    def __init__(self):
        self.seen = []

    def begin(self, num_agents):
        return 0

    def act(self, memory, observations, goals):
        self.seen.append(observations.copy())
        return memory + 1, Decision(10 * (goals - observations), goals[:, None])


def test_an_episode_is_what_the_environment_itself_does():
    (episode,) = evaluation.run("medium", _Straight(), [Question(1, (3, 1, 0))], max_steps=60)
    environment = layout.make("medium")
    environment.reset(seed=0, options={"task_id": 1})
    inner: Any = environment.unwrapped
    inner.set_goal(goal_xy=episode.goal.astype(float))
    inner.set_xy(episode.path[0].astype(float))
    at, success = episode.path[0], 0.0
    for number in range(60):
        action = np.clip(10 * (episode.goal - np.asarray(at, np.float32)), -1, 1)
        at, _, _, _, info = environment.step(action.astype(float))
        success = info["success"]
        # The start is stored as float32, and the walls multiply what that leaves off.
        np.testing.assert_allclose(episode.path[number + 1], at, atol=1e-3)
    assert episode.success == bool(success) is False
    assert episode.subgoals is not None and episode.subgoals.shape == (60, 1, 2)
    # Task 1 leads from cell (1, 1), whose centre is (0, 0), to cell (6, 6) at (20, 20), each with noise of up to 1.
    assert np.all(np.abs(episode.path[0]) <= 1)
    assert np.all(np.abs(episode.goal - 20) <= 1)


def test_the_goal_is_reached_where_the_environment_says_so():
    near = Question(1, (0,), start=(0.0, 0.0), goal=(1.5, 0.0))
    (episode,) = evaluation.run("medium", _Straight(), [near])
    # Steps of 0.2 from 1.5 away; at 0.9 it is within the radius of 1: after 3 of them.
    assert episode.success
    assert len(episode.path) == 4
    np.testing.assert_allclose(episode.path[:, 0], [0, 0.2, 0.4, 0.6], atol=1e-6)


def test_episodes_depend_neither_on_each_other_nor_on_what_was_drawn_before():
    asked = [Question(3, (0, 3, 0)), Question(3, (0, 3, 1))]
    # From (16, 4) towards the goal, which leads by way of a teleporter or not, as the walls have it.
    together = evaluation.run("teleport", _Straight(), asked, max_steps=40)
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state(legacy=False)["state"]["key"].copy()  # noqa: NPY002
    (alone,) = evaluation.run("teleport", _Straight(), asked[1:], max_steps=40)
    np.testing.assert_array_equal(together[1].path, alone.path)
    assert not np.array_equal(together[0].path[0], together[1].path[0])
    np.testing.assert_array_equal(np.random.get_state(legacy=False)["state"]["key"], before)  # noqa: NPY002


def test_who_comes_near_a_teleporter_is_moved_and_sees_it_a_step_later():
    # Entry (4, 6) of the map is at (20, 12), its radius 1.5.
    policy = _Straight()
    (episode,) = evaluation.run(
        "teleport", policy, [Question(1, (5,), start=(20.0, 14.0), goal=(20.0, 12.0))], max_steps=5
    )
    moved = np.flatnonzero(np.linalg.norm(np.diff(episode.path, axis=0), axis=1) > 1)
    # From 2.0 away, steps of 0.2: after three it is 1.4 away, and gone.
    assert moved.tolist() == [2]
    teleporters = layout.load("teleport").teleporters
    assert teleporters is not None
    assert np.abs(teleporters.exits - episode.path[3]).max(axis=1).min() < 1e-6
    np.testing.assert_allclose(policy.seen[3][0], [20, 13.4], atol=1e-5)


def test_noise_is_on_what_is_seen_and_not_on_where_it_is():
    policy = _Straight()
    asked = [Question(1, (2, 1, number), start=(0.0, 0.0), goal=(0.0, 8.0)) for number in range(100)]
    episodes = evaluation.run("medium", policy, asked, noise=0.1, max_steps=8)
    errors = np.stack(policy.seen, axis=1) - np.stack([episode.path[:-1] for episode in episodes])
    # 1,600 draws: their deviation errs by 0.1 / sqrt(3,200) = 0.0018.
    assert errors.shape == (100, 8, 2)
    assert 0.09 < errors.std() < 0.11
    assert all(np.array_equal(episode.path[0], [0, 0]) for episode in episodes)


def test_the_map_leads_to_every_task():
    asked = evaluation.questions(0, num_episodes=1)
    policy = baselines.Oracle(layout.make("medium").unwrapped)
    rates = evaluation.success_rates(evaluation.run("medium", policy, asked))
    assert rates == {"mean": 1.0, "per_task": [1.0] * 5, "episodes": 5}


def test_rates_are_means_over_tasks():
    path, goal = np.zeros((2, 2), np.float32), np.zeros(2, np.float32)
    episodes = [PlayedEpisode(task, path, goal, None, success) for task, success in ((1, True), (1, False), (2, True))]
    # Task 1: 1 of 2; task 2: 1 of 1; their mean 0.75.
    assert evaluation.success_rates(episodes) == {"mean": 0.75, "per_task": [0.5, 1.0], "episodes": 3}


def test_questions_are_those_of_the_benchmark():
    asked = evaluation.questions(4)
    assert len(asked) == 250
    assert [question.task for question in asked[::50]] == [1, 2, 3, 4, 5]
    assert len({question.seed for question in asked}) == 250


def test_a_check_can_stop_a_run():
    def check(step):
        if step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluation.run("medium", _Straight(), [Question(1, (0,))], check=check)
