"""The learning curve of this repository's own layers, trained outside of a task, for `benchmark.py`."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from humain.training import loop
from tasks.control import courses, evaluation, learning_curves
from tasks.control.learning_curves import Point


def learner(
    config: Any, name: str, *, num_episodes: int, test_seed: int, clock: Callable[[], float] = time.perf_counter
) -> learning_curves.Learner:
    """A learner of one set, one seed at a time, as the task trains it.

    It is tested before its first step, when all it can do is what its first course does, push at random, and after each
    course. Every training compiles anew and counts that; what the tests take, compilation included, does not count.

    Args:
        config: see `configs/rl_cart_pole.py`.
        name: of the set.
        num_episodes: of a test.
        test_seed: of the environment of a test's first episode; the others are counted up from it.
        clock: in seconds.

    Returns:
        From a seed to the points of its curve.
    """

    def test(policy: evaluation.Policy) -> float:
        trials = evaluation.run(policy, num_seeds=1, num_episodes=num_episodes, seed=test_seed)
        return float(trials.lengths.mean())

    def train(seed: int) -> list[tuple[int, float, float]]:
        points: list[tuple[int, float, float]] = [
            Point(0, test(evaluation.random_policy(np.random.default_rng(seed))), 0.0)
        ]
        started = clock()
        pupil = courses.build_pupil(config)
        for course in courses.follow(
            pupil, name, config.sets[name], seed=seed, num_seeds=1, train=_train_with(loop.Executables())
        ):
            paused = clock()
            policy = evaluation.policy(
                pupil.model,
                pupil.settings,
                state=course.state,
                knowledge=course.knowledge,
                num_episodes=num_episodes,
            )
            points.append(Point(course.env_steps, test(policy), paused - started))
            started += clock() - paused
        return points

    return train


def _train_with(executables: loop.Executables) -> courses.Train:
    """Training without checkpoints, that can't be interrupted and says nothing."""
    host = loop.Host(executables=executables)

    def train(
        name: str, state: Any, *, chunk: loop.Chunk, data: Any, num_steps: int, chunk_steps: int
    ) -> loop.TrainResult:
        return loop.train(state, chunk, data=data, num_steps=num_steps, chunk_steps=chunk_steps, name=name, host=host)

    return train
