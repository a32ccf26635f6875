"""`neural_entropy`: its peaks by hand and by a plain loop."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.abstraction.abstraction import begin_track
from humain.abstraction.neural_entropy import NeuralEntropy, learn_visits
from humain.abstraction.pivots import pivot_mask
from humain.abstraction.visit_density import DensityConfig, VisitDensity
from humain.spaces import Continuous, Discrete
from humain.types import Trajectories


def with_levels(levels, **settings):
    """An abstraction over ids whose densities have these logarithms, but for a constant.

    One hidden unit for each id that is large for it alone: silu(40) = 40 and silu(-40) = 0, but for rounding.
    """
    size = len(levels)
    layers = (
        (80 * jnp.eye(size), jnp.full(size, -40.0)),
        (jnp.array(levels, jnp.float32)[:, None] / 40, jnp.zeros(1)),
    )
    density = VisitDensity(layers, jnp.zeros(0), jnp.eye(0), space=Discrete(size), num_scales=0)
    return NeuralEntropy(density, **settings)


def pivots_of(levels, **settings):
    """Places of the pivots of a path whose i-th state is state i."""
    abstraction = with_levels(levels, **({"min_separation": 1, "hysteresis": 0.0} | settings))
    pivots = pivot_mask(abstraction, jnp.arange(len(levels)), jnp.ones(len(levels), bool))
    return jnp.flatnonzero(pivots).tolist()


def plain_pivots(levels, min_separation, hysteresis):
    """The same by a loop over Python numbers, no two of which are equal."""
    chosen, newest, lowest = [], None, None
    for place, level in enumerate(levels):
        lowest = level if lowest is None else min(lowest, level)
        above_before = place == 0 or level > levels[place - 1]
        above_after = place == len(levels) - 1 or level > levels[place + 1]
        apart = newest is None or place - newest >= min_separation
        if above_before and above_after and apart and (place == 0 or level - lowest >= hysteresis):
            chosen.append(place)
            newest, lowest = place, level
    return chosen


def test_without_more_asked_peaks_are_those_of_counts():
    assert pivots_of([1, 2, 1]) == [1]
    assert pivots_of([5, 1, 5]) == [0, 2]
    assert pivots_of([1, 3, 2, 5, 4]) == [1, 3]
    assert pivots_of([3]) == [0]


def test_peaks_keep_their_distance():
    levels = [0, 3, 1, 4, 1, 2, 1, 5, 0]
    assert pivots_of(levels, min_separation=1) == [1, 3, 5, 7]
    # 3 lies 2 after 1 and comes too soon; 5 lies 4 after it, and 7 only 2 after 5.
    assert pivots_of(levels, min_separation=3) == [1, 5]
    assert pivots_of(levels, min_separation=6) == [1, 7]
    assert pivots_of(levels, min_separation=7) == [1]


def test_a_peak_rises_from_what_was_lowest_since_the_last_one():
    levels = [0, 5, 4.8, 4.9, 3, 4.7, 2]
    assert pivots_of(levels) == [1, 3, 5]
    # 4.9 is 0.1 above 4.8; 4.7 is 1.7 above 3.
    assert pivots_of(levels, hysteresis=0.2) == [1, 5]
    # A peak that was passed over does not begin anew: 4.7 still rises from 3, the lowest since 5.
    assert pivots_of(levels, hysteresis=1.8) == [1]
    # The first peak rises from the start, and the start from nothing.
    assert pivots_of([4, 4.1, 1], hysteresis=0.2) == []
    assert pivots_of([4, 1, 2], hysteresis=0.2) == [0, 2]


@pytest.mark.parametrize("seed", range(6))
def test_pivots_are_those_of_a_plain_loop(seed):
    rng = np.random.default_rng(seed)
    levels = rng.permutation(16) / 4
    settings = {"min_separation": int(rng.integers(1, 5)), "hysteresis": float(rng.choice([0.0, 0.6, 1.1]))}
    assert pivots_of(levels.tolist(), **settings) == plain_pivots(levels.tolist(), **settings)


def test_states_off_the_path_are_passed_over():
    # The path is 0, 3, 1, 5, with peaks at 3 and 5; 9 lies between them and would be in the way.
    abstraction = with_levels([0, 3, 9, 1, 9, 5], min_separation=2, hysteresis=0.5)
    path = jnp.array([True, True, False, True, False, True])
    assert jnp.flatnonzero(pivot_mask(abstraction, jnp.arange(6), path)).tolist() == [1, 5]
    # One state of the path fewer between them, and the second comes too soon.
    path = jnp.array([True, True, False, False, False, True])
    assert jnp.flatnonzero(pivot_mask(abstraction, jnp.arange(6), path)).tolist() == [5]


def test_where_the_agent_stays_the_separation_counts():
    abstraction = with_levels([1, 5], min_separation=3, hysteresis=0.0)
    states = jnp.array([0, 1, 1, 1, 1, 0])
    # A state that follows itself counts as an end: 1, and three states later 4.
    assert jnp.flatnonzero(pivot_mask(abstraction, states, jnp.ones(6, bool))).tolist() == [1, 4]


def test_is_pivot_knows_nothing_of_the_way():
    abstraction = with_levels([0, 3, 1, 4], min_separation=3, hysteresis=9.0)
    places = jnp.array([1, 2, 3])
    peaks = abstraction.is_pivot(places - 1, places, jnp.minimum(places + 1, 3), places)
    assert peaks.tolist() == [True, False, True]


def test_a_track_by_hand():
    abstraction = with_levels([2.0, 1.0, 3.0, 0.0], min_separation=2, hysteresis=0.5)
    track, seen = begin_track(), []
    for place in range(4):
        before, after = max(place - 1, 0), min(place + 1, 3)
        pivot, track = abstraction.track_pivot(track, *map(jnp.int32, (before, place, after, place)))
        seen.append((bool(pivot), int(track.since), round(float(track.level - abstraction.level(jnp.int32(3))), 4)))
    # Levels above that of the last state; 2 is the first pivot, 3 the second, two states later and 2 above the lowest.
    assert seen == [(True, 0, 2.0), (False, 1, 1.0), (True, 0, 3.0), (False, 1, 0.0)]


def test_ids_can_have_places_whose_density_is_known():
    # Points crowd around 0: of the ids in a row at -2, 0 and 2 the middle one is the crossroads.
    points = jax.random.normal(jax.random.key(0), (2000, 1)) * 0.8
    trajectories = Trajectories(states=points[None], lengths=jnp.array([2000]))
    config = DensityConfig(width=8, num_steps=200, batch_size=128)
    learned = learn_visits(trajectories, jax.random.key(1), space=Continuous(1), config=config, hysteresis=0.5)
    placed = dataclasses.replace(learned, places=jnp.array([[-2.0], [0.0], [2.0]]))
    np.testing.assert_array_equal(placed.level(jnp.arange(3)), learned.level(jnp.array([[-2.0], [0.0], [2.0]])))
    assert pivot_mask(placed, jnp.arange(3), jnp.ones(3, bool)).tolist() == [False, True, False]
    way = jnp.array([[-2.0], [0.0], [2.0]])
    assert pivot_mask(learned, way, jnp.ones(3, bool)).tolist() == [False, True, False]


def test_padding_is_not_learned_from():
    states = jnp.array([[0, 1, 2, 2, 2, 2, 2, 2], [0, 1, 2, 2, 2, 2, 2, 2]])
    config = DensityConfig(width=8, num_steps=300, batch_size=128)
    learned = learn_visits(
        Trajectories(states=states, lengths=jnp.array([2, 3])), jax.random.key(0), space=Discrete(3), config=config
    )
    # 0 and 1 twice, 2 once.
    np.testing.assert_allclose(learned.level(jnp.arange(3)), np.log([0.4, 0.4, 0.2]), atol=0.15)


def test_states_and_goals_pass_unchanged():
    abstraction = with_levels([1.0, 2.0])
    np.testing.assert_array_equal(abstraction.lift(jnp.array([1])), [1])
    np.testing.assert_array_equal(abstraction.specify(jnp.array([1]), jnp.array([0])), [1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_separation": 0}, "min_separation must be 1 or more, not 0"),
        ({"hysteresis": -0.1}, "hysteresis must be 0 or more, not -0.1"),
        ({"hysteresis": float("nan")}, "hysteresis must be 0 or more, not nan"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        with_levels([1.0, 2.0], **settings)


def test_the_defaults():
    plain = with_levels([1.0, 2.0])
    assert (plain.min_separation, plain.hysteresis, plain.places) == (2, 0.02, None)
    assert learn_visits.__kwdefaults__ == {"min_separation": 2, "hysteresis": 0.02}
    assert with_levels([1.0, 2.0], min_separation=1, hysteresis=0.0).min_separation == 1


def test_a_peak_may_rise_by_just_as_much_and_lie_just_as_far():
    # 2 is 1 above 1, and lies 2 states after the peak of 3.
    assert pivots_of([3, 1, 2, 0], hysteresis=1.0, min_separation=2) == [0, 2]
    assert pivots_of([3, 1, 2, 0], hysteresis=1.25, min_separation=2) == [0]
    assert pivots_of([3, 1, 2, 0], hysteresis=1.0, min_separation=3) == [0]


def test_vectors_are_the_same_number_by_number():
    density = VisitDensity((), jnp.zeros(2), jnp.eye(2), space=Continuous(2), num_scales=0)
    first, second = jnp.array([[1.0, 2.0], [1.0, 2.0]]), jnp.array([[1.0, 2.0], [1.0, 3.0]])
    assert NeuralEntropy(density)._same(first, second).tolist() == [True, False]
    assert NeuralEntropy(density)._same(first[None], second[None]).tolist() == [[True, False]]
    placed = NeuralEntropy(density, places=jnp.zeros((3, 2)))
    assert placed._same(jnp.array([1, 2]), jnp.array([1, 1])).tolist() == [True, False]
