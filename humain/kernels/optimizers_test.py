"""Optimisers as values against Optax's own."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from humain.kernels.optimizers import Adam


@pytest.mark.parametrize("num_updates", [None, 4])
def test_it_does_what_optax_does(num_updates):
    rate = 0.1 if num_updates is None else optax.cosine_decay_schedule(0.1, num_updates)
    reference, optimizer = optax.adam(rate), Adam(0.1, num_updates)
    params = {"w": jnp.array([1.0, -2.0])}
    states = [reference.init(params), optimizer.init(params)]
    for step in range(6):
        gradients = {"w": jnp.array([step - 2.0, 0.5])}
        updates = []
        for number, chosen in enumerate((reference, optimizer)):
            update, states[number] = chosen.update(gradients, states[number], params)
            updates.append(np.asarray(update["w"]))
        np.testing.assert_array_equal(updates[0], updates[1])


def test_the_first_step_is_the_learning_rate_against_the_gradient_s_sign():
    optimizer = Adam(0.25)
    update, _ = optimizer.update(jnp.array([3.0, -0.5]), optimizer.init(jnp.zeros(2)))
    np.testing.assert_allclose(update, [-0.25, 0.25], rtol=1e-5)


def test_equal_values_are_equal_optimisers():
    assert Adam(0.1, 10) == Adam(0.1, 10) != Adam(0.1, 20)
    assert len({Adam(0.1), Adam(0.1)}) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be a number above 0, not 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number above 0, not nan"),
        ({"num_updates": 0}, "num_updates must be at least 1, or None, not 0"),
    ],
)
def test_what_cannot_be_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Adam(**settings)


def test_the_defaults():
    assert Adam() == Adam(learning_rate=1e-3, num_updates=None)
    assert Adam(num_updates=1).num_updates == 1
