"""How layers learn from imagination, small enough for tests."""

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
