"""Seeds side by side come to what each comes to alone."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.kernels.linear import LinearConfig
from humain.layer import Layer
from humain.model import Model
from humain.spaces import Discrete
from humain.types import Trajectories
from tasks.ablations import seeds

_SPACE = Discrete(3)
_KERNEL = LinearConfig(num_slots=1, num_keys=4).build(_SPACE, _SPACE, optimizer=optax.sgd(0.1))
_MODEL = Model((Layer(Cortex(_KERNEL, Linear(4))),), _SPACE)
_SKIP = (Skip(2),)


def _experience(*lengths):
    states = jnp.broadcast_to(jnp.array([0, 1, 2]), (len(lengths), 3))
    return seeds.gather(_MODEL, _SKIP, Trajectories(states=states, lengths=jnp.array(lengths)))


def test_walks_are_checked():
    walks = Trajectories(states=jnp.array([[0, 1, 3]]), lengths=jnp.array([3]))
    with pytest.raises(ValueError, match="states hold 3"):
        seeds.gather(_MODEL, _SKIP, walks)


def test_a_seed_learns_what_it_learns_alone():
    experiences = [_experience(3, 2), _experience(3, 3)]
    stacked = seeds.stack(experiences)
    # 3 places and 4: the smaller number is kept.
    assert stacked.walks.shape == (2, 3)
    keys = seeds.keys(5, 2)
    together = seeds.learn(_MODEL, _SKIP, stacked, keys, num_updates=3, batch_size=4)
    cut = [
        dataclasses.replace(experience, walks=experience.walks[:3], times=experience.times[:3])
        for experience in experiences
    ]
    for number, experience in enumerate(cut):
        init_key, root_key = jax.random.split(jax.random.key(5 + number))
        state = _MODEL.init(init_key, _SKIP)
        for step in range(3):
            state, _ = _MODEL.observe(state, experience, jax.random.fold_in(root_key, step), 4)
        alone = jax.tree.leaves(state.kernels)
        for one, all_of_them in zip(alone, jax.tree.leaves(together.kernels), strict=True):
            np.testing.assert_allclose(one, all_of_them[number], atol=1e-5)


def test_what_is_asked_for_is_what_is_learned():
    def learned(ask):
        experience = seeds.stack([_experience(3, 3)])
        state = seeds.learn(_MODEL, _SKIP, experience, seeds.keys(0, 1), num_updates=2, batch_size=4, ask=ask)
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(state.kernels)])

    np.testing.assert_array_equal(learned(lambda goals: goals), learned(None))
    assert not np.array_equal(learned(jnp.zeros_like), learned(None))
