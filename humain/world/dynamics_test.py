"""The linear model of a world: worked out by hand, on a known linear system, and far from experience."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.world import dynamics


def system(num_steps, seed=0, num_actions=None):
    """Steps of a known linear system of three coordinates: states, actions, next states.

    Actions are two numbers, or one-hot ids where their number is given.
    """
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(num_steps, 3))
    if num_actions is None:
        actions = rng.normal(size=(num_steps, 2))
    else:
        actions = np.eye(num_actions)[rng.integers(0, num_actions, num_steps)]
    by_action = np.array([[0.5, 0.0, -0.25], [0.0, 1.0, 0.125], [0.25, -0.5, 0.0]])[: actions.shape[1]]
    by_state = np.array([[-0.5, 0.25, 0.0], [0.0, -0.25, 0.5], [0.125, 0.0, -1.0]])
    following = states + states @ by_state + actions @ by_action + np.array([1.0, -2.0, 0.5])
    return jnp.float32(states), jnp.float32(actions), jnp.float32(following)


def fitted(steps):
    states, actions, following = steps
    return dynamics.fit(states, actions, following, jnp.ones(len(states), bool))


def exact_leverage(experienced, states, actions):
    """The definition, in float64 on the host."""
    rows, asked = (
        np.concatenate([np.asarray(s, float), np.asarray(a, float), np.ones((len(s), 1))], axis=1)
        for s, a in (experienced[:2], (states, actions))
    )
    moments = rows.T @ rows + 1e-4 * np.eye(rows.shape[1])
    return np.einsum("nf,fg,ng->n", asked, np.linalg.inv(moments), asked)


def test_a_line_by_hand():
    # One coordinate, no action: at -1, 0, 1 the state changes by 1, 2, 3, which is 1 * state + 2.
    states = jnp.array([[-1.0], [0.0], [1.0]])
    actions = jnp.zeros((3, 0))
    model = fitted((states, actions, states + jnp.array([[1.0], [2.0], [3.0]])))
    np.testing.assert_allclose(model.weights, [[1], [2]], atol=2e-4)
    np.testing.assert_allclose(model.step(jnp.array([4.0]), jnp.zeros(0)), [4 + 6], atol=2e-3)
    # Second moments diag(2, 3): the leverage of a state is state**2 / 2 + 1 / 3.
    np.testing.assert_allclose(model.covariance, np.diag([1 / 2, 1 / 3]), atol=1e-4)
    np.testing.assert_allclose(model.leverage(states, actions), [5 / 6, 1 / 3, 5 / 6], atol=1e-4)
    np.testing.assert_allclose(model.leverage(jnp.array([4.0]), jnp.zeros(0)), 8 + 1 / 3, rtol=1e-4)


@pytest.mark.parametrize("num_actions", [None, 3])
def test_a_linear_system_is_recovered_to_float_error(num_actions):
    model = fitted(system(200, num_actions=num_actions))
    states, actions, following = system(50, seed=1, num_actions=num_actions)
    # The ridge moves the weights by about 1e-4 / 200.
    np.testing.assert_allclose(model.step(states, actions), following, atol=1e-5)
    assert model.step(states[0], actions[0]).shape == (3,)


def test_the_mean_leverage_of_experience_is_its_number_of_features_over_its_number_of_steps():
    # The leverages of experience are the diagonal of X (X'X)^-1 X', whose trace is that of (X'X)^-1 X'X, the identity
    # of F = 3 + 2 + 1 features. With one-hot actions one of 3 + 3 + 1 depends on the others, which leaves a rank of 6.
    for num_actions in (None, 3):
        steps = system(300, num_actions=num_actions)
        leverage = fitted(steps).leverage(*steps[:2])
        np.testing.assert_allclose(leverage.mean(), 6 / 300, rtol=1e-4)
        assert np.all((leverage > 0) & (leverage < 1))


@pytest.mark.parametrize("num_steps", [200, 20_000])
def test_leverage_is_the_same_as_in_double_precision_for_dependent_features(num_steps):
    # In float32 the ridge vanishes in the sum of 20,000 ones: second moments would be singular.
    steps = system(num_steps, num_actions=2)
    states, actions, _ = system(64, seed=1, num_actions=2)
    model = fitted(steps)
    np.testing.assert_allclose(model.leverage(states, actions), exact_leverage(steps, states, actions), rtol=1e-3)
    np.testing.assert_allclose(model.step(*steps[:2]), steps[2], atol=1e-5)
    # An undecided action, half of each, lies between the two.
    undecided = jnp.full((64, 2), 0.5)
    np.testing.assert_allclose(model.leverage(states, undecided), exact_leverage(steps, states, undecided), rtol=1e-3)


def test_leverage_grows_with_the_square_of_the_distance():
    steps = system(300)
    model = fitted(steps)
    # Away from the mean m of all features the leverage is h(m) + d**2 * c: its growth is 1 : 4 : 9.
    middle, direction = (jnp.asarray(part) for part in (steps[0].mean(0), np.array([1.0, -1.0, 0.5], np.float32)))
    along = middle[None] + jnp.arange(4.0)[:, None] * direction[None]
    leverage = np.asarray(model.leverage(along, jnp.broadcast_to(steps[1].mean(0), (4, 2))))
    np.testing.assert_allclose(leverage[0], 1 / 300, rtol=1e-3)  # only the constant, of variance 1 / N, is left
    growth = leverage[1:] - leverage[0]
    np.testing.assert_allclose(growth / growth[0], [1, 4, 9], rtol=1e-3)
    assert growth[0] > 0


def test_a_coordinate_that_never_varied_is_unknown_elsewhere():
    states, actions, following = (part.at[:, 2].set(0.0) if part.shape[1] == 3 else part for part in system(300))
    model = fitted((states, actions, following))
    question = jnp.array([0.0, 0.0, 0.1])
    # Nothing but the ridge holds it: 0.1**2 / 1e-4 = 100, on top of what the rest has.
    leverage = model.leverage(question, jnp.zeros(2)) - model.leverage(jnp.zeros(3), jnp.zeros(2))
    np.testing.assert_allclose(leverage, 100, rtol=1e-3)


def test_masked_steps_might_as_well_not_be_there():
    steps = system(60)
    mask = jnp.arange(60) < 40
    states, actions, following = (jnp.where(mask[:, None], part, jnp.nan) for part in steps)
    masked, without = dynamics.fit(states, actions, following, mask), fitted(tuple(part[:40] for part in steps))
    np.testing.assert_allclose(masked.weights, without.weights, atol=1e-5)
    np.testing.assert_allclose(masked.covariance, without.covariance, atol=1e-5)


def test_without_experience_nothing_changes_and_nothing_is_known():
    states, actions, following = steps = system(5)
    nothing = (dynamics.fit(states, actions, following, jnp.zeros(5, bool)), fitted(tuple(part[:0] for part in steps)))
    for model in nothing:
        np.testing.assert_array_equal(model.step(*steps[:2]), steps[0])
        # Only the ridge is left: the features' square, at least 1 for the constant, over 1e-4.
        assert np.all(model.leverage(*steps[:2]) > 0.999e4)


def test_one_step_is_answered_as_it_was():
    states, actions, following = system(1)
    model = fitted((states, actions, following))
    np.testing.assert_allclose(model.step(states, actions), following, atol=1e-3)
    np.testing.assert_allclose(model.leverage(states, actions), [1], atol=1e-3)  # of rank 1 over 1 step


def test_jit_and_vmap_change_nothing():
    seeds = [system(200, seed=seed, num_actions=2) for seed in range(3)]
    together = jax.tree.map(lambda *parts: jnp.stack(parts), *seeds)
    models = jax.jit(jax.vmap(dynamics.fit))(*together, jnp.ones((3, 200), bool))
    stepped = jax.vmap(dynamics.LinearDynamics.step)(models, *together[:2])
    leverages = jax.jit(jax.vmap(dynamics.LinearDynamics.leverage))(models, *together[:2])
    for at, steps in enumerate(seeds):
        alone = fitted(steps)
        np.testing.assert_allclose(stepped[at], alone.step(*steps[:2]), atol=1e-5)
        np.testing.assert_allclose(leverages[at], alone.leverage(*steps[:2]), rtol=1e-4)
    covariance = jax.vmap(lambda model: model.covariance)(models)
    np.testing.assert_allclose(models.covariance, covariance, rtol=1e-6)


def test_gradients_are_finite():
    steps = system(50)
    model = fitted(steps)
    slopes = jax.grad(lambda state: model.leverage(state, jnp.zeros(2)))(jnp.ones(3))
    assert np.all(np.isfinite(slopes))
    # The state's own share and the known system's: the sum of what each coordinate makes of all.
    through = jax.grad(lambda state: jnp.sum(model.step(state, jnp.zeros(2))))(jnp.ones(3))
    np.testing.assert_allclose(through, [1 - 0.5 + 0.25, 1 - 0.25 + 0.5, 1 + 0.125 - 1], atol=1e-5)
