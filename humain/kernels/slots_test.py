"""Slot choice and losses against values worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.kernels.slots import SlotLoss, expectile_huber, score_ranks, suppress


def test_the_defaults():
    assert SlotLoss() == SlotLoss(
        access="score", asymmetry=0.9, score_delta=0.05, suppression="per_slot", suppression_weight=0.2
    )


def test_each_quality_level_has_its_slot():
    # Four levels: (0.75, 1] is rank 0, and so on; 0.75 itself still belongs to it.
    scores = jnp.array([1.0, 0.9, 0.75, 0.74, 0.5, 0.49, 0.25, 0.24, 0.0])
    np.testing.assert_array_equal(score_ranks(scores, 4), [0, 0, 0, 1, 1, 2, 2, 3, 3])


def test_scores_outside_go_to_the_nearest_level():
    np.testing.assert_array_equal(score_ranks(jnp.array([1.5, -0.5]), 4), [0, 3])
    np.testing.assert_array_equal(score_ranks(jnp.array([[0.1], [0.9]]), 1), [[0], [0]])


def test_float_error_does_not_move_the_ends_of_the_levels():
    # 1 - k/32 with 32 slots: k = 1 is the worst score of rank 0, k = 2 of rank 1 ...
    steps = jnp.arange(1, 33)
    np.testing.assert_array_equal(score_ranks(1 - steps / 32, 32), steps - 1)
    # Levels of 1/3 are not exact in binary either.
    np.testing.assert_array_equal(score_ranks(1 - jnp.arange(1, 4) / 3, 3), [0, 1, 2])


def test_expectile_huber_by_hand():
    # delta 0.5: within it e**2 / (2 * 0.5) = e**2, beyond it |e| - 0.25; doubled weights 1.8 (better) and 0.2 (worse).
    losses = expectile_huber(jnp.array([0.25, -0.25, 0.5, 2.0, -2.0, 0.0]), asymmetry=0.9, delta=0.5)
    # 1.8 * 0.0625, 0.2 * 0.0625, 1.8 * 0.25, 1.8 * 1.75, 0.2 * 1.75
    np.testing.assert_allclose(losses, [0.1125, 0.0125, 0.45, 3.15, 0.35, 0], rtol=1e-6)


def test_equal_weights_give_the_plain_huber_loss():
    # Squared: 0.5**2 / 2 = 0.125; absolute: 3 - 1/2 = 2.5.
    losses = expectile_huber(jnp.array([0.5, -0.5, 3.0, -3.0]), asymmetry=0.5, delta=1.0)
    np.testing.assert_array_equal(losses, [0.125, 0.125, 2.5, 2.5])


def test_the_slope_is_that_of_the_weight_however_large_the_error():
    slopes = jax.vmap(jax.grad(lambda error: expectile_huber(error, asymmetry=0.75, delta=0.05)))(
        jnp.array([-1e6, -1.0, 1.0, 1e6])
    )
    np.testing.assert_allclose(slopes, [-0.5, -0.5, 1.5, 1.5], rtol=1e-6)


def test_per_slot_suppression_by_hand():
    # softplus(0) = log 2 and softplus(log 3) = log 4; the written slot (1) does not count: log 2 + log 4 = log 8.
    scores = jnp.array([[0.0, 50.0, jnp.log(3.0)]])
    np.testing.assert_allclose(suppress(scores, jnp.array([1]), "per_slot"), [np.log(8)], rtol=1e-6)


def test_log_sum_exp_suppression_by_hand():
    # log(1 + e**0 + e**log 3) = log 5, without the written slot.
    scores = jnp.array([[0.0, 50.0, jnp.log(3.0)]])
    np.testing.assert_allclose(suppress(scores, jnp.array([1]), "log_sum_exp"), [np.log(5)], rtol=1e-6)


@pytest.mark.parametrize("kind", ["per_slot", "log_sum_exp"])
def test_suppression_pushes_down_only_what_was_not_written(kind):
    scores, written = jnp.array([[0.1, 0.2, 0.3], [0.3, 0.2, 0.1]]), jnp.array([0, 2])
    slopes = jax.grad(lambda scores: jnp.sum(suppress(scores, written, kind)))(scores)
    np.testing.assert_array_equal(slopes > 0, [[False, True, True], [True, True, False]])
    np.testing.assert_array_equal(slopes == 0, [[True, False, False], [False, False, True]])


@pytest.mark.parametrize("kind", ["per_slot", "log_sum_exp"])
def test_a_single_slot_is_never_suppressed(kind):
    np.testing.assert_array_equal(suppress(jnp.array([[9.0], [-9.0]]), jnp.array([0, 0]), kind), [0, 0])


@pytest.mark.parametrize("kind", ["per_slot", "log_sum_exp"])
def test_suppression_of_extreme_scores_has_finite_slopes(kind):
    scores, written = jnp.array([[1e30, -1e30, 0.0]]), jnp.array([2])
    slopes = jax.grad(lambda scores: jnp.sum(suppress(scores, written, kind)))(scores)
    np.testing.assert_array_equal(slopes, [[1, 0, 0]])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"access": "best"}, "'value' or 'score', not 'best'"),
        ({"asymmetry": 1.0}, "between 0 and 1, not 1.0"),
        ({"score_delta": 0.0}, "more than 0, not 0.0"),
        ({"suppression": "all"}, "'per_slot' or 'log_sum_exp', not 'all'"),
        ({"suppression_weight": -1.0}, "0 or more, not -1.0"),
    ],
)
def test_what_makes_no_loss_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SlotLoss(**settings)
