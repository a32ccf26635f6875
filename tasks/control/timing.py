"""How long an action takes, which is what search pays and layers save."""

import time
from collections.abc import Callable, Mapping

import numpy as np

from tasks.control.evaluation import Policy

_NUM_ROUNDS = 20
_NUM_CALLS = 10


def microseconds_per_action(
    policies: Mapping[str, Policy],
    observations: np.ndarray,
    *,
    num_rounds: int = _NUM_ROUNDS,
    num_calls: int = _NUM_CALLS,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """The wall time of one action of each policy, side by side.

    Policies take turns, round by round, so that what else the machine does meets all of them; the fastest round counts,
    since other work only adds to it. Each is called once before, which compiles it.

    Args:
        policies: by name; all for as many seeds and episodes.
        observations: `[S, E, D]`; each call asks for `S * E` actions.
        num_rounds: at least 1.
        num_calls: in a round, at least 1.
        clock: in seconds.
    """
    for policy in policies.values():
        policy(observations)
    fastest = dict.fromkeys(policies, float("inf"))
    for _ in range(num_rounds):
        for name, policy in policies.items():
            started = clock()
            for _ in range(num_calls):
                policy(observations)
            fastest[name] = min(fastest[name], clock() - started)
    num_actions = num_calls * observations.shape[0] * observations.shape[1]
    return {name: 1e6 * seconds / num_actions for name, seconds in fastest.items()}
