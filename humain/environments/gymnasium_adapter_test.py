"""Environments of Gymnasium are adapted as they are, and what can't be is refused."""

import contextlib

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from humain.environments import gymnasium_adapter
from humain.environments.actions import BoxActions, DiscreteActions
from humain.environments.environment import Environment, HostEnvironment
from humain.spaces import Continuous
from humain.testing.point import PointWorld


class _Made(gymnasium.Env):
    """An environment that gives the action back, and ends after as many steps as its seed says."""

    def __init__(self, observation_space, action_space):
        self.observation_space, self.action_space = observation_space, action_space
        self.left = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 3 if seed is None else seed
        return np.zeros(self.observation_space.shape or (), np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.left -= 1
        seen = np.full(self.observation_space.shape or (), np.sum(action), np.float32)
        return seen, float(self.left), self.left == 0, False, {}


def made(observation_space, action_space, **arguments):
    return gymnasium_adapter.adapt(lambda: _Made(observation_space, action_space), max_steps=9, **arguments)


BOX = spaces.Box(-5, 5, (2, 2), np.float32)


def test_environments_are_of_one_form_or_the_other():
    adapted: Environment | HostEnvironment = gymnasium_adapter.adapt("Acrobot-v1")
    assert isinstance(adapted, HostEnvironment)
    assert not isinstance(PointWorld(), HostEnvironment)


def test_what_an_environment_says_of_itself():
    acrobot = gymnasium_adapter.adapt("Acrobot-v1")
    assert (acrobot.name, acrobot.observation_space, acrobot.actions) == (
        "Acrobot-v1",
        Continuous(6),
        DiscreteActions(3),
    )
    assert acrobot.max_steps == 500
    car = gymnasium_adapter.adapt("MountainCarContinuous-v0", max_steps=50)
    assert (car.actions, car.max_steps) == (BoxActions((-1.0,), (1.0,)), 50)


def test_simulators_are_made_in_this_process_unless_asked_otherwise():
    makings = []

    def make():
        makings.append("here")
        return gymnasium.make("CartPole-v1")

    environment = gymnasium_adapter.adapt(make)
    with contextlib.closing(environment.simulate(3)):
        # One to look at, and three to act in.
        assert makings == ["here"] * 4


@pytest.mark.parametrize("in_processes", [False, True])
def test_simulators_step_and_are_reset_apart(in_processes):
    environment = gymnasium_adapter.adapt("CartPole-v1", in_processes=in_processes)
    with contextlib.closing(environment.simulate(2)) as simulators, environment.make() as alone:
        first = simulators.reset([5, 6], np.array([True, True]))
        np.testing.assert_array_equal(first[1], alone.reset(seed=6)[0])
        for action in (1, 0, 1):
            step = simulators.step(np.array([1, action]))
            expected, reward, terminated, truncated, _ = alone.step(action)
            np.testing.assert_array_equal(step.observations[1], expected)
            assert (step.rewards[1], step.terminated[1], step.truncated[1]) == (reward, terminated, truncated)
        # Only the first begins anew.
        both = simulators.reset([5, None], np.array([True, False]))
        np.testing.assert_array_equal(both, [first[0], step.observations[1]])


def test_ends_are_told_apart_for_each():
    environment = made(BOX, spaces.Discrete(2))
    with contextlib.closing(environment.simulate(2)) as simulators:
        simulators.reset([1, 2], np.array([True, True]))
        step = simulators.step(np.array([0, 1]))
        np.testing.assert_array_equal(step.terminated, [True, False])
        simulators.reset([2, None], np.array([True, False]))
        step = simulators.step(np.array([0, 1]))
        np.testing.assert_array_equal(step.terminated, [False, True])
        np.testing.assert_array_equal(step.rewards, [1, 0])


def test_spaces_of_any_shape_are_flattened_and_ids_begin_at_0():
    # The environment itself asserts that each action is one of its own.
    environment = made(BOX, spaces.Discrete(3, start=4))
    with contextlib.closing(environment.simulate(1)) as simulators:
        assert simulators.reset([9], np.array([True])).shape == (1, 4)
        np.testing.assert_array_equal(simulators.step(np.array([2])).observations, [[6, 6, 6, 6]])
    environment = made(BOX, BOX)
    assert environment.actions == BoxActions((-5.0,) * 4, (5.0,) * 4)
    with contextlib.closing(environment.simulate(1)) as simulators:
        simulators.reset([9], np.array([True]))
        # Beyond the bounds the nearest action is taken: 5 + 5 - 5 + 1.
        step = simulators.step(np.array([[9.0, 5.0, -9.0, 1.0]]))
        np.testing.assert_array_equal(step.observations, [[6, 6, 6, 6]])


@pytest.mark.parametrize(
    ("observations", "actions", "message"),
    [
        (spaces.Discrete(3), spaces.Discrete(2), "_Made has observations of Discrete.3.; expected a Box"),
        (BOX, spaces.MultiBinary(2), "_Made has actions of MultiBinary.2.; expected Discrete or Box"),
        (BOX, spaces.Box(-np.inf, np.inf, (1,)), "every bound must be finite"),
    ],
)
def test_other_spaces_are_refused(observations, actions, message):
    with pytest.raises(ValueError, match=message):
        made(observations, actions)


def test_a_cap_is_kept_where_an_environment_has_none():
    environment = gymnasium_adapter.adapt(lambda: _Made(BOX, BOX), max_steps=3)
    assert environment.max_steps == 3
    with contextlib.closing(environment.simulate(2)) as simulators:
        simulators.reset([9, 3], np.array([True, True]))
        steps = [simulators.step(np.zeros((2, 4))) for _ in range(3)]
        assert [step.truncated.tolist() for step in steps] == [[False, False], [False, False], [True, False]]
        assert steps[-1].terminated.tolist() == [False, True]
        # The steps of the next episode are counted anew.
        simulators.reset([9, 9], np.array([True, True]))
        assert not simulators.step(np.zeros((2, 4))).truncated.any()


def test_a_cap_is_kept_in_processes_too():
    # Without its wrappers the car drives on for ever.
    environment = gymnasium_adapter.adapt(
        lambda: gymnasium.make("MountainCarContinuous-v0").unwrapped, max_steps=2, in_processes=True
    )
    with contextlib.closing(environment.simulate(1)) as simulators:
        simulators.reset([0], np.array([True]))
        assert [simulators.step(np.zeros((1, 1))).truncated.tolist() for _ in range(2)] == [[False], [True]]


@pytest.mark.parametrize("max_steps", [0, -1])
def test_a_cap_of_no_steps_is_refused(max_steps):
    with pytest.raises(ValueError, match=f"max_steps must be at least 1, not {max_steps}"):
        gymnasium_adapter.adapt("CartPole-v1", max_steps=max_steps)


def test_without_a_cap_one_must_be_given():
    with pytest.raises(ValueError, match="_Made does not say after how many steps an episode is cut off; give max_st"):
        gymnasium_adapter.adapt(lambda: _Made(BOX, BOX))


def test_the_defaults():
    assert gymnasium_adapter.adapt.__kwdefaults__ == {"max_steps": None, "in_processes": False}
    made = gymnasium_adapter.adapt("CartPole-v1")
    plain = gymnasium_adapter.GymnasiumEnvironment("it", made.make, made.observation_space, made.actions, 9)
    assert (plain.first_action, plain.in_processes) == (0, False)
    assert gymnasium_adapter.adapt("CartPole-v1", max_steps=1).max_steps == 1
