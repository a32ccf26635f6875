"""A maze with one corner, for tests: small enough to be learned in seconds."""

import pathlib

import ml_collections
import numpy as np
from absl import flags

from configs import point_maze
from humain.training import interruption, metrics, progress
from humain.types import Trajectories
from tasks.harness import context, workdir


def task(path: pathlib.Path) -> context.TaskContext:
    """A run of the smoke config with finer places."""
    defined = flags.FlagValues()
    defined.mark_as_parsed()
    config = point_maze.get_config("smoke")
    config.model.update({"place_radius": 2.0, "num_steps": 8, "imagine_steps": 4})
    return context.TaskContext(
        task="point_maze",
        config=ml_collections.FrozenConfigDict(config),
        seed=0,
        workdir=path,
        flags=defined,
        identity=workdir.Identity("point_maze", config.to_dict(), 0),
        interruption=interruption.Interruption(),
        metrics=metrics.MetricsWriter(path, tensorboard=False),
        progress=progress.NoProgress(),
    )


def walks(*, jumps: bool = False) -> Trajectories:
    """Walks on an L, from (0, 0) by way of (4, 0) to (4, 4), one way only; at (4, 2) some jump to (9, 9)."""
    rng = np.random.default_rng(0)
    states, actions = [], []
    for number in range(40):
        at, path, taken = np.array([0.0, 0.0]), [], []
        for step in range(42):
            path.append(at.copy())
            towards = np.array([4.0, 0.0]) if step < 20 else np.array([4.0, 4.0])
            action = np.clip((towards - at) / 0.2, -0.9, 0.9) + rng.uniform(-0.1, 0.1, 2)
            taken.append(action)
            at = at + 0.2 * action
            if jumps and number % 4 == 0 and step == 31:
                at = np.array([9.0, 9.0]) + 0.2 * action
        states.append(path)
        actions.append(taken)
    return Trajectories.from_arrays(np.array(states), actions=np.array(actions))
