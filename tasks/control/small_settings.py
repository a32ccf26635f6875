"""Settings that are small enough for tests."""

import dataclasses
from collections.abc import Mapping

from ml_collections import ConfigDict

from configs import rl_cart_pole
from tasks.control import learner

SETTINGS = learner.Settings(
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
    max_leverage=0.2,
    reach=0.8,
    stretch=1.5,
    averaging=0.1,
)


def small_config(course_steps: Mapping[str, tuple[int, ...]]) -> ConfigDict:
    """The task's config with these settings, linear kernels, six updates a course, and sets of these steps a course."""
    config = rl_cart_pole.get_config("smoke")
    config.sets = dict(course_steps)
    config.model.kernel.name = "linear"
    config.model.kernel.num_keys = 8
    config.num_updates, config.chunk_steps = 6, 2
    config.learning = {**dataclasses.asdict(SETTINGS), "goal_coordinates": ("x",)}
    return config
