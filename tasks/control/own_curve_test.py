"""The points of a curve, with stages and clock by hand; and a small training."""

import types

import numpy as np

from humain.environments.actions import DiscreteActions
from tasks.control import cart_pole, evaluation, learning_curves, own_curve
from tasks.control.small_config import small_config

DOMAIN = cart_pole.domain()
CONFIG = small_config({"few": (40, 20)})


def test_seconds_are_those_of_the_stages_and_not_of_the_tests(monkeypatch):
    now = [100.0]
    tests = []

    def run_stages(learner, name, stage_steps, *, seed, num_seeds, train):
        del learner, train
        assert (name, tuple(stage_steps), seed, num_seeds) == ("few", (40, 20), 7, 1)
        # The stages take 5 and 3 seconds.
        for env_steps, seconds in ((40, 5.0), (60, 3.0)):
            now[0] += seconds
            yield types.SimpleNamespace(env_steps=env_steps, learned=None)

    def run(policy, environment, *, num_seeds, num_episodes, seed):
        assert environment is DOMAIN.tested_in
        assert (num_seeds, num_episodes, seed) == (1, 2, 11)
        # Each test takes 1000 seconds; its episodes last 10 and 20 steps, then 20 and 30, then 30 and 40.
        now[0] += 1000.0
        tests.append(policy)
        lengths = 10 * len(tests) + np.array([[0, 10]])
        return types.SimpleNamespace(returns=lengths)

    monkeypatch.setattr(own_curve.curriculum, "run", run_stages)
    monkeypatch.setattr(own_curve.evaluation, "run", run)
    monkeypatch.setattr(own_curve.evaluation, "policy", lambda *_, **arguments: arguments["num_episodes"])
    train = own_curve.learner(CONFIG, "few", DOMAIN, num_episodes=2, test_seed=11, clock=lambda: now[0])
    assert train(7) == [(0, 15.0, 0.0), (40, 25.0, 5.0), (60, 35.0, 8.0)]
    # What is tested: pushing at random, then what came of the stages.
    assert callable(tests[0])
    assert tests[1:] == [2, 2]


def test_a_small_curve_begins_with_random_pushes_and_has_a_point_a_stage():
    points = own_curve.learner(CONFIG, "few", DOMAIN, num_episodes=3, test_seed=11)(7)
    # The first is that of random pushes on the same episodes.
    pushes = evaluation.random_policy(DiscreteActions(2), 7)
    random = evaluation.run(pushes, DOMAIN.tested_in, num_seeds=1, num_episodes=3, seed=11)
    assert points[0] == (0, random.returns.mean(), 0.0)
    assert [point[0] for point in points] == [0, 40, 60]
    assert all(1 <= mean <= 500 for _, mean, _ in points)
    assert learning_curves.to_curve("few", points) == points
    assert 0 < points[1][2] < points[2][2]
