"""A config that is small enough for tests."""

import dataclasses
from collections.abc import Mapping

from ml_collections import ConfigDict

from configs import rl_cart_pole
from humain.world.config import ImaginationConfig

SMALL = ImaginationConfig(
    pool_size=4,
    num_branches=4,
    num_judged=2,
    branch_steps=4,
    num_pushes=2,
    subgoal_steps=2,
    action_examples=2,
    discount=0.9,
    explore=0.1,
    restart=0.1,
    goal_share=0.5,
    goal_coordinates=(0,),
    goal_distance=2.5,
    goal_weights=(1.0, 0.3, 0.3, 0.3),
    closeness_width=1.5,
    reach=0.8,
    stretch=1.5,
    averaging=0.1,
)


def small_config(stage_steps: Mapping[str, tuple[int, ...]]) -> ConfigDict:
    """The task's config with these settings, linear kernels, six updates a stage, and sets of these steps a stage."""
    config = rl_cart_pole.get_config("smoke")
    config.sets = dict(stage_steps)
    config.model.kernel.name = "linear"
    config.model.kernel.num_keys = 8
    config.num_updates, config.chunk_steps = 6, 2
    learning = {**dataclasses.asdict(SMALL), "goal_coordinates": ("x",)}
    del learning["target"]
    config.learning = learning
    return config
