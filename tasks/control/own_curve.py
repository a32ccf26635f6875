"""The learning curve of this repository's own layers, trained outside of a task, for `benchmark.py`."""

import time
from collections.abc import Callable
from typing import Any

from humain.training import loop
from tasks.control import curriculum, evaluation, learning_curves
from tasks.control.domain import Domain
from tasks.control.learning_curves import Point


def learner(
    config: Any,
    name: str,
    domain: Domain,
    *,
    num_episodes: int,
    test_seed: int,
    clock: Callable[[], float] = time.perf_counter,
) -> learning_curves.Learner:
    """A learner of one set, one seed at a time, as the task trains it.

    It is tested before its first step, when all it can do is what its first stage does, act at random, and after each
    stage. Every training compiles anew and counts that; what the tests take, compilation included, does not count.

    Args:
        config: see `configs/rl_cart_pole.py`.
        name: of the set.
        domain: to learn in.
        num_episodes: of a test.
        test_seed: of the environment of a test's first episode; the others are counted up from it.
        clock: in seconds.

    Returns:
        From a seed to the points of its curve.
    """

    def test(policy: evaluation.Policy) -> float:
        trials = evaluation.run(policy, domain.tested_in, num_seeds=1, num_episodes=num_episodes, seed=test_seed)
        return float(trials.returns.mean())

    def train(seed: int) -> list[tuple[int, float, float]]:
        points: list[tuple[int, float, float]] = [
            Point(0, test(evaluation.random_policy(domain.environment.actions, seed)), 0.0)
        ]
        started = clock()
        trained = curriculum.build_trainer(config, domain)
        for stage in curriculum.run(
            trained, name, config.sets[name], seed=seed, num_seeds=1, train=_train_with(loop.Executables())
        ):
            paused = clock()
            policy = evaluation.policy(trained.model, trained.config, stage.learned, num_episodes=num_episodes)
            points.append(Point(stage.env_steps, test(policy), paused - started))
            started += clock() - paused
        return points

    return train


def _train_with(executables: loop.Executables) -> curriculum.Train:
    """Training without checkpoints, that can't be interrupted and says nothing."""
    host = loop.Host(executables=executables)

    def train(
        name: str, state: Any, *, chunk: loop.Chunk, data: Any, num_steps: int, chunk_steps: int
    ) -> loop.TrainResult:
        return loop.train(state, chunk, data=data, num_steps=num_steps, chunk_steps=chunk_steps, name=name, host=host)

    return train
