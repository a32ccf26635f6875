"""Acrobot: a double pendulum whose joint is driven, to be swung up; Gymnasium's `Acrobot-v1`, as it is."""

import numpy as np

from humain.environments import gymnasium_adapter
from tasks.control.domain import Domain


def describe(observation: np.ndarray) -> str:
    """A state in words, with units; the first angle is from hanging, the second from the first rod."""
    cos_1, sin_1, cos_2, sin_2, speed_1, speed_2 = (float(value) for value in observation)
    first, second = (np.degrees(np.arctan2(sin, cos)) for sin, cos in ((sin_1, cos_1), (sin_2, cos_2)))
    speeds = f"{np.degrees(speed_1):+.0f} and {np.degrees(speed_2):+.0f} deg/s"
    return f"rods {first:+.0f} and {second:+.0f} deg, {speeds}"


def domain() -> Domain:
    """Coordinates are cosines and sines of both angles, and radians a second; the target is upright and at rest."""
    environment = gymnasium_adapter.adapt("Acrobot-v1")
    return Domain(
        title="Swinging up",
        noun="an acrobot",
        environment=environment,
        tested_in=environment,
        coordinates=("cos_1", "sin_1", "cos_2", "sin_2", "speed_1", "speed_2"),
        target=(("cos_1", -1.0), ("sin_1", 0.0), ("cos_2", 1.0), ("sin_2", 0.0), ("speed_1", 0.0), ("speed_2", 0.0)),
        target_name="stand upright",
        describe=describe,
        describe_action=lambda action: ("torque -1", "no torque", "torque +1")[int(action)],
    )
