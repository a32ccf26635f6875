"""Layers that learn by imagining reach places on a line in hardly more steps than the fewest that there are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain import acting
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric
from humain.environments import collecting, transitions
from humain.kernels.transformer import TransformerConfig
from humain.layer import Layer
from humain.model import Model
from humain.testing import point
from humain.testing.point import PointWorld
from humain.training import loop
from humain.world import knowledge as knowledge_lib
from humain.world import learning
from humain.world.config import ImaginationConfig
from humain.world.linear import LinearWorld

CONFIG = ImaginationConfig(
    pool_size=32,
    num_branches=32,
    num_judged=4,
    branch_steps=8,
    num_pushes=2,
    subgoal_steps=4,
    action_examples=6,
    discount=0.95,
    explore=0.1,
    restart=0.1,
    goal_share=0.7,
    goal_coordinates=(0,),
    goal_distance=2.5,
    goal_weights=(1.0, 0.0),
    closeness_width=1.0,
    reach=1.0,
    stretch=1.5,
    averaging=0.1,
)
NUM_UPDATES = 300
NEAR = 2 * point.LONGEST_STEP
"""A place this near counts as reached."""


@pytest.mark.parametrize("actions", [point.DISCRETE, point.BOX], ids=("discrete", "box"))
def test_places_are_reached_in_few_steps_and_stayed_at(actions):
    environment = PointWorld(actions)
    world = LinearWorld(actions, max_leverage=0.2)
    store = transitions.from_trajectories(collecting.collect(environment, jax.random.key(0), num_steps=400))
    knowledge = knowledge_lib.fit(CONFIG, world, store, 400, jax.random.key(1))
    space = environment.observation_space
    kernel = TransformerConfig(
        num_slots=1, num_blocks=1, num_heads=2, width=16, hidden=16, relative=True, offset=1.0, learning_rate=5e-3
    )
    layers = (Layer(Cortex(kernel.build(space, target), Geometric(0.9))) for target in (actions.space, space))
    model = Model(layers=tuple(layers), space=space)
    chunk = loop.make_chunk(learning.build_update(CONFIG, model, world), NUM_UPDATES)
    begun = learning.begin(CONFIG, model, knowledge, jax.random.key(2))
    learned = loop.train(begun, chunk, data=knowledge, num_steps=NUM_UPDATES, chunk_steps=NUM_UPDATES, name="point")

    starts = jnp.array([[-1.0, 0], [-0.5, 0], [0.5, 0], [1.0, 0]])
    step = jax.jit(jax.vmap(lambda state, action: environment.step(state, action, jax.random.key(0)).state))
    for goal in (-1.0, 0.0, 1.0):
        episode, states = acting.begin(model, 4), starts
        wanted = jnp.asarray(knowledge_lib.goal_state(CONFIG, knowledge.normalizer, {0: goal}))
        away = []
        for _ in range(20):
            here = knowledge.normalizer.normalize(states)
            goals = knowledge_lib.nearer(CONFIG, knowledge, here, jnp.broadcast_to(wanted, here.shape))
            episode, reaction = acting.react(model, learned.state.model, episode, here, goals)
            states = step(states, reaction.action)
            away.append(np.abs(np.asarray(states[:, 0]) - goal))
        # In at most twice as many steps as are needed it is there, and stays there.
        for number, start in enumerate(starts[:, 0].tolist()):
            fewest = point.fewest_steps(start, goal, within=NEAR)
            assert max(row[number] for row in away[2 * fewest :]) <= NEAR, (start, goal)
