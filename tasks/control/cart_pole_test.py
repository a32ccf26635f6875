"""The pure cart pole against Gymnasium's `CartPole-v1`, step by step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.envs.phys2d import cartpole

from humain.testing.environment_conformance import CHECKS, PURE_CHECKS
from tasks.control import cart_pole
from tasks.control.cart_pole import CartPole

CART_POLE = CartPole()
DOMAIN = cart_pole.domain()
KEY = jax.random.key(0)
"""No step uses it."""


def to_next(state, action):
    """The next state, and whether it ends the episode."""
    step = CART_POLE.step(state, action, KEY)
    return step.state, step.terminated


STEP = jax.jit(to_next)


@pytest.fixture(scope="module")
def environment():
    with DOMAIN.tested_in.make() as made:
        yield made


def reference(environment, state, action):
    """Gymnasium's next state and whether it ends there, from a float32 state."""
    environment.unwrapped.state = np.asarray(state, np.float64)
    environment.unwrapped.steps_beyond_terminated = None
    following, _, terminated, _, _ = environment.unwrapped.step(action)
    return following, terminated


def test_a_step_by_hand():
    # At rest and upright, a push of 10 on 1.1 kg: 10 / 1.1 = 9.0909. The pole turns back by
    # 9.0909 / (0.5 * (4/3 - 0.1 / 1.1)) = 14.6341 a second squared, which pushes the cart on by
    # 0.1 * 0.5 * 14.6341 / 1.1 = 0.6652, to 9.7561. In 0.02 s velocities change, and places do not yet.
    state, terminated = to_next(jnp.zeros(4), jnp.int32(1))
    np.testing.assert_allclose(state, [0, 0.02 * 9.756098, 0, -0.02 * 14.634146], rtol=1e-6)
    assert state.dtype == jnp.float32
    assert not terminated
    # To the left it is the mirror image.
    np.testing.assert_allclose(to_next(jnp.zeros(4), jnp.int32(0))[0], -state)


@pytest.mark.parametrize("seed", range(5))
def test_each_step_of_a_random_episode_is_that_of_gymnasium(environment, seed):
    rng = np.random.default_rng(seed)
    state, _ = environment.reset(seed=seed)
    terminated, num_steps = False, 0
    while not terminated:
        action = int(rng.integers(2))
        ours, ended = STEP(state, action)
        state, terminated = reference(environment, state, action)
        np.testing.assert_allclose(ours, state, rtol=0, atol=1e-5)
        assert bool(ended) == terminated
        num_steps += 1
    assert 5 < num_steps < CART_POLE.max_steps


def test_steps_from_anywhere_are_those_of_gymnasium(environment):
    # Fast, far out, and bent: much farther than random episodes come, to either side of all bounds.
    rng = np.random.default_rng(0)
    states = rng.uniform([-3, -5, -0.3, -5], [3, 5, 0.3, 5], (200, 4)).astype(np.float32)
    actions = rng.integers(0, 2, 200)
    ours, ended = jax.jit(jax.vmap(to_next))(states, actions)
    expected = [reference(environment, state, int(action)) for state, action in zip(states, actions, strict=True)]
    np.testing.assert_allclose(ours, [state for state, _ in expected], rtol=0, atol=1e-5)
    np.testing.assert_array_equal(ended, [terminated for _, terminated in expected])
    assert 20 < np.sum(ended) < 180


def test_a_whole_episode_ends_after_the_same_number_of_steps(environment):
    # Each goes on from its own states.
    state, _ = environment.reset(seed=0)
    for action in np.random.default_rng(0).integers(0, 2, CART_POLE.max_steps).tolist():
        theirs, _, terminated, _, _ = environment.step(action)
        state, ended = STEP(state, action)
        assert bool(ended) == terminated
        np.testing.assert_allclose(state, theirs, rtol=0, atol=1e-4)
        if ended:
            return
    raise AssertionError("a pole that is pushed at random falls")


def test_the_functional_environment_needs_its_parameter_put_right(environment):
    # If this fails, Gymnasium has mended it: use its parameters as they are.
    rng = np.random.default_rng(0)
    states = rng.uniform(-0.05, 0.05, (20, 4)).astype(np.float32)
    functional, params = cartpole.CartPoleFunctional(), cartpole.CartPoleParams()
    for state in states:
        theirs, _ = reference(environment, state, 1)
        # Pole mass and length make 0.1 + 0.5 there, twelve times 0.1 * 0.5: the cart's acceleration is
        # 9.09 + 12 * 0.67 in place of 9.76, and in 0.02 s its velocity is 0.15 off.
        off = np.asarray(functional.transition(state, 1, None, params)) - theirs
        np.testing.assert_allclose(off, [0, 0.146, 0, 0], atol=0.01)


def test_the_bounds_themselves_are_survived():
    # The state after the step decides: x of 2.4 is no end, the next larger float32 is one. Without velocity x stays.
    bound = np.float32(2.4)
    angle = np.float32(12 * 2 * np.pi / 360)
    for place, limit in ((0, bound), (2, angle)):
        for sign in (1, -1):
            state = np.zeros(4, np.float32)
            state[place] = sign * limit
            assert not STEP(state, 0)[1]
            state[place] = sign * np.nextafter(limit, np.float32(9))
            assert STEP(state, 0)[1]


def test_episodes_begin_near_the_middle():
    # Uniform in [-0.05, 0.05]: of 1,000 the largest is below 0.049 with probability (0.99 ** 1,000) < 1e-4.
    states = jax.vmap(CART_POLE.reset)(jax.random.split(jax.random.key(0), 1000))
    assert states.shape == (1000, CART_POLE.observation_space.size)
    assert states.dtype == jnp.float32
    assert np.all(np.abs(states) <= 0.05)
    assert np.all(states.max(0) > 0.049)
    assert np.all(states.min(0) < -0.049)
    np.testing.assert_allclose(np.corrcoef(states.T), np.eye(4), atol=0.15)


def test_what_it_says_of_itself_is_so_of_gymnasium_s(environment):
    adapted = DOMAIN.tested_in
    assert (CART_POLE.name, CART_POLE.max_steps) == (adapted.name, adapted.max_steps)
    assert (CART_POLE.observation_space, CART_POLE.actions) == (adapted.observation_space, adapted.actions)
    # Also the last step, which ends it, is rewarded.
    environment.reset(seed=0)
    assert {environment.step(1)[1] for _ in range(8)} == {
        float(CART_POLE.step(jnp.full(4, 9.0), jnp.int32(1), KEY).reward)
    }


@pytest.mark.parametrize("check", [*CHECKS, *PURE_CHECKS], ids=lambda check: check.__name__)
def test_it_is_an_environment(check):
    check(CART_POLE)


def test_coordinates_have_names():
    assert [DOMAIN.coordinate(name) for name in ("x", "x_dot", "theta", "theta_dot")] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="'angle' is not a coordinate of a cart pole; there are x, x_dot, theta, thet"):
        DOMAIN.coordinate("angle")


def test_a_state_and_an_action_in_words_by_hand():
    # 0.1 rad are 5.7 degrees, -0.2 rad 11.5.
    assert DOMAIN.describe(np.array([0.5, -1.0, 0.1, -0.2])) == "x +0.50 m, -1.00 m/s; pole +5.7 deg, -11 deg/s"
    assert DOMAIN.describe(np.zeros(4)) == "x +0.00 m, +0.00 m/s; pole +0.0 deg, +0 deg/s"
    assert [DOMAIN.describe_action(np.array(action)) for action in (0, 1)] == ["left", "right"]
