"""Score rules against values worked out by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from humain.cortex.scores import Geometric, Linear, Return


def test_linear_falls_by_the_same_amount_and_ends_at_0():
    # 1 - d / 8
    np.testing.assert_array_equal(Linear(8).score(jnp.array([1, 2, 7, 8, 20])), [0.875, 0.75, 0.125, 0, 0])


def test_geometric_falls_by_the_same_factor():
    # 0.5 ** d
    np.testing.assert_array_equal(Geometric(0.5).score(jnp.array([1, 2, 3])), [0.5, 0.25, 0.125])


def test_return_is_scaled_and_clipped():
    # (r + 10) / 20
    scores = Return(-10.0, 10.0).score(jnp.ones(5, jnp.int32), jnp.array([-20.0, -10.0, 0.0, 5.0, 30.0]))
    np.testing.assert_array_equal(scores, [0, 0, 0.5, 0.75, 1])


@pytest.mark.parametrize("rule", [Linear(16), Geometric(0.5)], ids=repr)
def test_the_composed_score_is_that_of_the_summed_distance(rule):
    first, second = jnp.array([1, 2, 3, 5, 10]), jnp.array([1, 4, 3, 1, 4])
    composed = rule.compose(rule.score(first), rule.score(second))
    np.testing.assert_array_equal(composed, rule.score(first + second))


def test_a_composed_linear_score_does_not_fall_below_0():
    # Distances 10 and 12 of at most 16: 22 steps are too far.
    rule = Linear(16)
    assert rule.compose(rule.score(jnp.array(10)), rule.score(jnp.array(12))) == 0


def test_the_composed_return_is_the_sum_of_both():
    # On [-4, 12] a return r scores (r + 4) / 16. Returns 2 and 6 make 8, scored 12 / 16.
    rule = Return(-4.0, 12.0)
    distances = jnp.array([1])
    first, second = rule.score(distances, jnp.array([2.0])), rule.score(distances, jnp.array([6.0]))
    np.testing.assert_array_equal(rule.compose(first, second), [0.75])


def test_scores_by_return_need_returns():
    with pytest.raises(ValueError, match="need trajectories with rewards; use the linear or geometric"):
        Return(0.0, 1.0).score(jnp.array([1]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Linear(0), "1 or more, not 0"),
        (lambda: Geometric(1.0), "between 0 and 1, not 1.0"),
        (lambda: Geometric(0.0), "between 0 and 1, not 0.0"),
        (lambda: Return(2.0, 2.0), r"lowest \(2.0\) must be less than highest \(2.0\)"),
    ],
)
def test_what_makes_no_rule_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_rules_may_go_to_the_very_edge():
    np.testing.assert_array_equal(Linear(1).score(jnp.array([0, 1, 2])), [1, 0, 0])
    # 2**-20 and 1 - 2**-20 are exact.
    for discount in (2.0**-20, 1 - 2.0**-20):
        assert Geometric(discount).score(jnp.array([1])) == np.float32(discount)


def test_a_composed_score_does_not_rise_above_1():
    assert Linear(4).compose(jnp.array(1.0), jnp.array(1.0)) == 1
    # On [0, 4]: 3 and 3 make 6, more than 4; on [-4, 0]: -3 and -3 make -6, less than -4.
    assert Return(0.0, 4.0).compose(jnp.array(0.75), jnp.array(0.75)) == 1
    assert Return(-4.0, 0.0).compose(jnp.array(0.25), jnp.array(0.25)) == 0
