"""Action spaces by hand, and what is drawn from them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.environments.actions import BoxActions, DiscreteActions
from humain.spaces import Continuous, Discrete

BOX = BoxActions((-1.0, 0.0), (3.0, 0.5))
SPACES = [DiscreteActions(2), DiscreteActions(5), BoxActions((-2.0,), (2.0,)), BOX]


def keys(seed=0):
    return jax.random.split(jax.random.key(seed))


def sequences(actions, num_parts, seed=0):
    return actions.draw_sequences(*keys(seed), num_sequences=400, num_steps=12, num_parts=num_parts)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DiscreteActions(0), "num_actions must be at least 1, not 0"),
        (lambda: BoxActions((), ()), r"low and high must be equally many numbers, at least 1, not \(\) and \(\)"),
        (lambda: BoxActions((0.0,), (1.0, 2.0)), "low and high must be equally many numbers"),
        (lambda: BoxActions((0.0,), (np.inf,)), "every bound must be finite"),
        (lambda: BoxActions((1.0,), (1.0,)), "the lower one less than the upper one"),
    ],
)
def test_what_can_not_be_is_an_error(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_features_by_hand():
    np.testing.assert_array_equal(DiscreteActions(3).encode(jnp.array([2, 0])), [[0, 0, 1], [1, 0, 0]])
    # From -1 to 3 the middle is 1 and half the range 2; from 0 to 0.5 they are 0.25 each.
    np.testing.assert_allclose(BOX.encode(jnp.array([[1.0, 0.5], [-1.0, 0.125]])), [[0.0, 1.0], [-1.0, -0.5]])
    assert DiscreteActions(4).undecided == (0.25,) * 4
    assert BOX.undecided == (0.0, 0.0)
    assert (DiscreteActions(3).space, BOX.space) == (Discrete(3), Continuous(2))


def test_clipping_by_hand():
    np.testing.assert_array_equal(BOX.clip(jnp.array([[9.0, 0.25], [-9.0, -9.0]])), [[3, 0.25], [-1, 0]])
    np.testing.assert_array_equal(DiscreteActions(3).clip(jnp.array([0, 2])), [0, 2])


def test_what_is_contained():
    assert DiscreteActions(3).contains(np.array([[0, 2]]))
    for actions in ([3], [-1], [0.0]):
        assert not DiscreteActions(3).contains(np.array(actions))
    assert BOX.contains(np.array([[3.0, 0.0]]))
    for box in ([[3.1, 0.0]], [[3.0]], [[3, 0]]):
        assert not BOX.contains(np.array(box))


@pytest.mark.parametrize("actions", SPACES, ids=str)
def test_what_is_drawn_is_contained_spread_and_of_the_right_type(actions):
    drawn = [
        actions.draw(jax.random.key(0), (4000,)),
        sequences(actions, 3).reshape(4800, *actions.space.shape),
        actions.sample(np.random.default_rng(0), (4000,)),
    ]
    for found in drawn:
        assert found.shape[1:] == actions.space.shape
        assert actions.contains(np.asarray(found))
        features = np.asarray(actions.encode(jnp.asarray(found)))
        # All actions alike: the mean is no decision; of 4,000 uniform numbers in [-1, 1] it is off by 0.009 or so, of
        # 1,200 tendencies by 0.02.
        np.testing.assert_allclose(features.mean(0), actions.undecided, atol=0.06)
    assert drawn[0].dtype == drawn[1].dtype == actions.space.dtype


@pytest.mark.parametrize("actions", SPACES, ids=str)
def test_sequences_have_a_tendency_in_each_part_and_none_across(actions):
    features = np.asarray(actions.encode(sequences(actions, 2)))[..., 0]
    features = features - features.mean()
    within = np.corrcoef(features[:, 0], features[:, 5])[0, 1]
    across = np.corrcoef(features[:, 5], features[:, 6])[0, 1]
    # One of n actions is drawn by a probability p that is a uniform point of the simplex: two draws of it agree in
    # their feature with the correlation Var(p) / (mean * (1 - mean)), which is 1 / (n + 1).
    expected = 1 / (actions.num_actions + 1) if isinstance(actions, DiscreteActions) else 0.6
    assert within > expected - 0.15
    assert abs(across) < 0.15


@pytest.mark.parametrize("actions", SPACES, ids=str)
def test_one_part_a_step_is_independent_draws(actions):
    features = np.asarray(actions.encode(sequences(actions, 12)))[..., 0]
    assert abs(np.corrcoef(features[:, 0], features[:, 1])[0, 1]) < 0.15


def test_sequences_of_two_actions_are_those_of_one_probability_a_part():
    # By hand: with a tendency u, action 1 where a uniform number is less than u.
    tendency_key, action_key = keys(3)
    tendencies = jnp.repeat(jax.random.uniform(tendency_key, (400, 3)), 4, axis=1)
    expected = jax.random.uniform(action_key, (400, 12)) < tendencies
    np.testing.assert_array_equal(sequences(DiscreteActions(2), 3, seed=3), expected)


def test_one_action_is_enough_and_is_always_taken():
    alone = DiscreteActions(1)
    assert not np.any(alone.draw(jax.random.key(0), (5,)))
    assert not np.any(sequences(alone, 3))
    assert alone.undecided == (1.0,)


def test_what_is_contained_up_to_rounding():
    # A millionth of the range 4 is 4e-6.
    box = BoxActions((-1.0,), (3.0,))
    for action, inside in ((3.0, True), (3.000003, True), (3.00001, False), (-1.000003, True), (-1.00001, False)):
        assert box.contains(np.array([[action]])) is inside
    assert DiscreteActions(3).contains(np.array([0, 1, 2], np.uint8))
    assert not DiscreteActions(3).contains(np.array([True, False]))


def test_actions_lie_around_their_tendency():
    # Of a box from -1 to 1, what is left of a part beside its mean spreads by 0.3, but where it is clipped.
    box = BoxActions((-1.0,), (1.0,))
    drawn = np.asarray(sequences(box, 2))[..., 0].reshape(400, 2, 6)
    inner = drawn[np.all(np.abs(drawn) < 0.999, axis=2)]
    spread = np.std(inner - inner.mean(axis=1, keepdims=True), ddof=0) * np.sqrt(6 / 5)
    assert 0.22 < spread < 0.34


def test_many_actions_are_encoded_at_once():
    vectors = np.linspace(0.0, 0.5, 12).reshape(2, 3, 2)
    found = BOX.encode(jnp.asarray(vectors, jnp.float32))
    np.testing.assert_allclose(found, (vectors - [1.0, 0.25]) / [2.0, 0.25], atol=1e-6)
    assert BOX.num_features == 2
    assert DiscreteActions(3).encode(jnp.zeros((2, 3), jnp.int32)).shape == (2, 3, 3)
