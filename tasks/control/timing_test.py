"""An action's time is that of the fastest round, divided by the actions in it."""

import numpy as np
import pytest

from tasks.control import timing


class Clock:
    """Advances when a policy acts."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def policy(self, seconds):
        """One whose calls take these times in turn, then the last of them; and the shapes that it was asked with."""
        left, shapes = list(seconds), []

        def act(observations):
            shapes.append(observations.shape)
            self.now += left.pop(0) if len(left) > 1 else left[0]
            return observations, observations

        return act, shapes


def test_the_fastest_round_counts_and_the_first_call_does_not():
    clock = Clock()
    # Compilation takes 9 s. Rounds of two calls: 3 + 2 s, 1 + 2 s, 2 + 2 s; for 6 actions a call the fastest one says
    # 3 s / 12. The other takes 0.6 s at each call: 1.2 s / 12.
    slow, shapes = clock.policy([9.0, 3.0, 2.0, 1.0, 2.0, 2.0])
    fast, _ = clock.policy([0.6])
    found = timing.microseconds_per_action(
        {"slow": slow, "fast": fast}, np.zeros((2, 3, 4)), num_rounds=3, num_calls=2, clock=clock
    )
    assert found == {"slow": pytest.approx(250_000), "fast": pytest.approx(100_000)}
    assert shapes == [(2, 3, 4)] * 7


def test_policies_take_turns():
    calls: list[str] = []

    def policy(name):
        def act(observations):
            calls.append(name)
            return observations, observations

        return act

    timing.microseconds_per_action(
        {name: policy(name) for name in "ab"}, np.zeros((1, 1, 1)), num_rounds=2, num_calls=1
    )
    assert "".join(calls) == "ababab"
