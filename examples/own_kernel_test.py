"""The kernel by hand, and its plans beside the table's."""

import jax
import jax.numpy as jnp
import numpy as np

import humain as hm
from examples import own_kernel
from humain.types import Context, Examples


def test_it_answers_by_the_mean_of_what_it_has_met():
    kernel = own_kernel.Mean(hm.Discrete(3), hm.Discrete(2))
    here = Context(states=jnp.full((4, 1), 1), features=jnp.zeros((4, 1, 3)), mask=jnp.ones((4, 1), bool))
    examples = Examples(
        context=here,
        goals=jnp.full(4, 2),
        targets=jnp.array([0, 0, 1, 1]),
        scores=jnp.array([1.0, 0.5, 0.625, 0.25]),
        mask=jnp.array([True, True, True, False]),
    )
    state, _ = kernel.learn(kernel.init(jax.random.key(0)), examples)
    slots = kernel.recall(state, here, jnp.array([2, 2, 2, 0]))
    # Answer 0: (1 + 0.5) / 2; answer 1: 0.625, as the other one is masked. Nothing is known of goal 0.
    np.testing.assert_array_equal(slots.scores, [[0.75, 0.625]] * 3 + [[-np.inf, -np.inf]])
    np.testing.assert_array_equal(slots.values, [[0, 1]] * 4)


def test_both_kernels_plan_between_most_pairs():
    for model in own_kernel.models().values():
        found = own_kernel.lengths(model, steps=100)
        assert np.sum(found > 0) > 0.9 * 24 * 23
