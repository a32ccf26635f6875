"""What the tasks are told of the acrobot is so."""

from typing import Any

import numpy as np
import pytest

from tasks.control import acrobot


def test_a_state_in_words_by_hand():
    # Hanging, the second rod bent by 90 degrees; 1 rad are 57.3 degrees.
    assert acrobot.describe(np.array([1, 0, 0, 1, 1, -2])) == "rods +0 and +90 deg, +57 and -115 deg/s"


def test_the_target_is_where_an_episode_is_won():
    domain = acrobot.domain()
    assert (domain.environment.max_steps, domain.environment.actions.num_features) == (500, 3)
    target = dict(domain.target)
    assert list(target) == list(domain.coordinates)
    with domain.tested_in.make() as made:
        made.reset(seed=0)
        # Angles from the target's cosines and sines.
        first = np.arctan2(target["sin_1"], target["cos_1"])
        second = np.arctan2(target["sin_2"], target["cos_2"])
        simulator: Any = made.unwrapped
        simulator.state = np.array([first, second, 0.0, 0.0])
        observation, _, terminated, _, _ = made.step(1)
    assert terminated
    np.testing.assert_allclose(observation, [value for _, value in domain.target], atol=0.05)


def test_actions_have_words():
    domain = acrobot.domain()
    assert [domain.describe_action(np.array(action)) for action in range(3)] == ["torque -1", "no torque", "torque +1"]
    with pytest.raises(ValueError, match="'x' is not a coordinate of an acrobot; there are cos_1, sin_1"):
        domain.coordinate("x")
