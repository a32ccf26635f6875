"""The inverse model by hand: which action leads from a state to the next one, in worlds that are mostly linear."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.hippocampus.rotary import Rotary
from humain.kernels.inverse_model import InverseModelConfig
from humain.spaces import Continuous, Discrete
from humain.types import Context, Examples


def kernel(size=2, num_actions=2, **fields):
    return InverseModelConfig(**fields).build(Continuous(size), Continuous(num_actions))


def context(states):
    states = jnp.asarray(states, jnp.float32)[:, None]
    return Context(states=states, features=states, mask=jnp.ones(states.shape[:2], bool))


def examples(states, next_states, actions):
    goals, targets = (jnp.asarray(given, jnp.float32) for given in (next_states, actions))
    count = len(goals)
    return Examples(context(states), goals, targets, jnp.ones(count), jnp.ones(count, bool))


@dataclasses.dataclass
class LinearWorld:
    """Leads from `s` to `s + drift s + push a + wind`, but for a share of steps that stay or jump anywhere."""

    push: np.ndarray
    drift: float = 0.0
    wind: float = 0.0
    noise: float = 0.0
    stays: float = 0.0
    jumps: float = 0.0

    def steps(self, rng, count):
        size, num_actions = self.push.shape
        states = rng.uniform(0, 50, (count, size))
        actions = rng.uniform(-1, 1, (count, num_actions))
        following = states * (1 + self.drift) + actions @ self.push.T + self.wind
        following += self.noise * rng.normal(size=following.shape)
        drawn = rng.random(count)
        following = np.where((drawn < self.stays)[:, None], states, following)
        jumps = (drawn >= self.stays) & (drawn < self.stays + self.jumps)
        following = np.where(jumps[:, None], rng.uniform(0, 50, (count, size)), following)
        return states, following, actions


def trained(model, world, *, num_updates=30, batch_size=128, seed=0):
    rng = np.random.default_rng(seed)
    learn, state = jax.jit(model.learn), model.init(jax.random.key(0))
    for _ in range(num_updates):
        state, _ = learn(state, examples(*world.steps(rng, batch_size)))
    return state


def answer(model, state, states, goals):
    slots = model.recall(state, context(states), jnp.asarray(goals, jnp.float32))
    return np.asarray(slots.values[:, 0]), np.asarray(slots.scores[:, 0])


def test_three_steps_by_hand():
    # From 0 by 1 to 2, from 10 by -1 to 8, from 20 by 0 to 20: the action is half of the way.
    model = kernel(1, 1)
    given = examples([[0.0], [10.0], [20.0]], [[2.0], [8.0], [20.0]], [[1.0], [-1.0], [0.0]])
    state, _ = model.learn(model.init(jax.random.key(0)), given)
    values, scores = answer(model, state, [[5.0], [7.0]], [[6.0], [6.5]])
    np.testing.assert_allclose(values, [[0.5], [-0.25]], atol=1e-5)
    np.testing.assert_allclose(scores, 1, atol=1e-5)


WORLDS = {
    "as it is": LinearWorld(0.2 * np.eye(2)),
    "three of ten stay": LinearWorld(0.2 * np.eye(2), stays=0.3),
    "three of ten jump": LinearWorld(0.2 * np.eye(2), jumps=0.3),
    "stays and jumps": LinearWorld(np.array([[0.2, 0.1], [0.0, 0.3]]), stays=0.2, jumps=0.1),
    "wind": LinearWorld(0.2 * np.eye(2), wind=0.05, stays=0.3),
    "more states than actions": LinearWorld(
        np.array([[0.2, 0.0], [0.1, 0.2], [0.0, -0.1], [0.3, 0.1]]), drift=0.001, wind=0.02, stays=0.3
    ),
    "one number": LinearWorld(np.array([[0.2]]), wind=-0.1, jumps=0.3),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS.keys())
def test_a_linear_world_is_recovered_exactly(world, seed):
    model = kernel(*world.push.shape)
    state = trained(model, world, seed=seed)
    clean = dataclasses.replace(world, stays=0.0, jumps=0.0)
    states, following, actions = clean.steps(np.random.default_rng(100 + seed), 64)
    values, scores = answer(model, state, states, following)
    # A state near 50 is stored to within 4e-6, a fifty-thousandth of a step of 0.2.
    np.testing.assert_allclose(values, actions, atol=5e-4)
    assert np.all(scores > 0.999)


def test_what_is_noise_is_averaged_and_scored():
    # Of next states 0.02 off, actions are 0.1 off: of 1 at most, so that the score is 0.9.
    model = kernel(forgetting=0.99)
    world = LinearWorld(0.2 * np.eye(2), noise=0.02, stays=0.1)
    state = trained(model, world, num_updates=200)
    _, scores = answer(model, state, np.zeros((1, 2)), np.zeros((1, 2)))
    np.testing.assert_allclose(scores, 0.9, atol=0.015)
    states, following, actions = LinearWorld(0.2 * np.eye(2)).steps(np.random.default_rng(9), 64)
    # What the noise of regressors shrinks the answer by: their variance is 0.2^2 / 3 without it, and 3 % more with it.
    np.testing.assert_allclose(answer(model, state, states, following)[0], actions * 0.97, atol=0.03)


def test_far_goals_are_gone_for_with_all_strength_in_their_direction():
    model = kernel()
    state = trained(model, LinearWorld(0.2 * np.eye(2)))
    # 4 to the right and 3 up would take 20 and 15 at once; the largest number that there is, 1, goes to the larger one.
    values, _ = answer(model, state, [[10.0, 10.0], [10.0, 10.0]], [[14.0, 13.0], [10.05, 9.9]])
    np.testing.assert_allclose(values, [[1.0, 0.75], [0.25, -0.5]], atol=0.01)


def test_each_number_of_an_action_has_its_own_largest():
    # The second one was never larger than 0.1.
    rng = np.random.default_rng(0)
    states, actions = rng.uniform(0, 5, (64, 2)), rng.uniform(-1, 1, (64, 2)) * [1.0, 0.1]
    model = kernel()
    state, _ = model.learn(model.init(jax.random.key(0)), examples(states, states + actions, actions))
    values, _ = answer(model, state, [[0.0, 0.0]], [[2.0, 2.0]])
    largest = np.abs(actions).max(axis=0)
    np.testing.assert_allclose(values, [[largest[1], largest[1]]], rtol=1e-3)


def test_an_action_that_was_always_0_stays_0():
    rng = np.random.default_rng(0)
    states, actions = rng.uniform(0, 5, (64, 2)), rng.uniform(-1, 1, (64, 2)) * [1.0, 0.0]
    model = kernel()
    state, _ = model.learn(model.init(jax.random.key(0)), examples(states, states + actions, actions))
    values, scores = answer(model, state, [[0.0, 0.0]], [[9.0, 2.0]])
    np.testing.assert_allclose(values, [[np.abs(actions).max(), 0.0]], rtol=1e-5)
    assert np.all(np.isfinite(scores))


def test_before_anything_was_learned_nothing_is_known():
    model = kernel()
    state = model.init(jax.random.key(0))
    values, scores = answer(model, state, [[0.0, 0.0]], [[1.0, 1.0]])
    np.testing.assert_array_equal(values, [[0.0, 0.0]])
    assert scores[0] == -np.inf
    assert model.residual(state, jnp.zeros(2), jnp.ones(2), jnp.zeros(2)) == np.inf


def test_residuals_tell_steps_that_obey_from_those_that_do_not():
    model = kernel()
    world = LinearWorld(0.2 * np.eye(2), noise=0.002, stays=0.1, jumps=0.05)
    state = trained(model, world, num_updates=100)
    clean = dataclasses.replace(world, stays=0.0, jumps=0.0)
    steps = [jnp.asarray(part, jnp.float32) for part in clean.steps(np.random.default_rng(5), 1000)]
    sizes = model.residual(state, *steps)
    # The root of the mean of two squares of normal numbers has a median of 0.83. The scale is that of all steps: half
    # of these are as many as 0.588 of those that obey, of which so many lie within 0.82 standard deviations and not
    # within 0.67. So the median is 0.83 * 0.67 / 0.82 = 0.68, and more than 3 occurs once in a million.
    np.testing.assert_allclose(np.median(sizes), 0.68, atol=0.06)
    assert np.all(sizes < 3)
    # An action is 0.01 off by noise, which makes the scale 0.012. One of 0.5 that led nowhere is 0.35 off, as the root
    # of the mean of squares, and a jump over 10 units, for an action of 50 less 0.5, 35: 29 and 2,900 times as much.
    stayed = model.residual(state, jnp.array([5.0, 5.0]), jnp.array([5.0, 5.0]), jnp.array([0.5, 0.0]))
    jumped = model.residual(state, jnp.array([5.0, 5.0]), jnp.array([15.0, 5.0]), jnp.array([0.5, 0.0]))
    assert 24 < stayed < 34
    assert 2400 < jumped < 3400
    # Of any number of axes.
    grid = [jnp.reshape(part, (10, 100, 2)) for part in steps]
    np.testing.assert_array_equal(model.residual(state, *grid), jnp.reshape(sizes, (10, 100)))


def test_a_batch_of_nothing_but_outliers_does_not_undo_what_is_known():
    model = kernel()
    state = trained(model, LinearWorld(0.2 * np.eye(2)))
    wrong = LinearWorld(0.2 * np.eye(2), jumps=1.0).steps(np.random.default_rng(3), 128)
    after, _ = jax.jit(model.learn)(state, examples(*wrong))
    values, _ = answer(model, after, [[10.0, 10.0]], [[10.1, 9.9]])
    np.testing.assert_allclose(values, [[0.5, -0.5]], atol=0.01)


def test_a_world_that_changes_is_learned_anew():
    model = kernel()
    state = trained(model, LinearWorld(0.2 * np.eye(2)))
    rng, learn = np.random.default_rng(1), jax.jit(model.learn)
    for _ in range(5):
        state, _ = learn(state, examples(*LinearWorld(0.4 * np.eye(2)).steps(rng, 128)))
    values, _ = answer(model, state, [[10.0, 10.0]], [[10.1, 9.9]])
    np.testing.assert_allclose(values, [[0.25, -0.25]], atol=0.01)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InverseModelConfig(forgetting=1.0), "more than 0 and less than 1, not 1.0"),
        (lambda: InverseModelConfig().build(Discrete(3), Continuous(2)), "Discrete.* is not a space of vectors"),
        (lambda: InverseModelConfig().build(Continuous(2), Discrete(3)), "Discrete.* is not a space of vectors"),
        (
            lambda: InverseModelConfig().build(Continuous(2), Continuous(2), rotary=Rotary()),
            "the kernel 'inverse_model' has none",
        ),
        (lambda: InverseModelConfig().build(Continuous(2), Continuous(2), context_length=0), "at least 1, not 0"),
    ],
)
def test_what_makes_no_inverse_model_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
