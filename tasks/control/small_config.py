"""A config that is small enough for tests."""

import dataclasses
from collections.abc import Mapping

from ml_collections import ConfigDict

from configs import rl_cart_pole
from humain.testing.imagining import SMALL


def small_config(stage_steps: Mapping[str, tuple[int, ...]]) -> ConfigDict:
    """The task's config with these settings, linear kernels, six updates a stage, and sets of these steps a stage."""
    config = rl_cart_pole.get_config("smoke")
    config.sets = dict(stage_steps)
    config.ablations, config.moving = {}, {}
    config.model.kernel.name = "linear"
    config.model.kernel.num_keys = 8
    config.num_updates, config.chunk_steps = 6, 2
    learning = {**dataclasses.asdict(SMALL), "goal_coordinates": ("x",)}
    del learning["target"]
    config.learning = learning
    return config
