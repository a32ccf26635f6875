"""Steps from choices and from paths, by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from humain.replay.steps import Steps, find_steps, free_speed, make_steps

Choices = dict[tuple[int, int], tuple[float, dict[int, float]]]


def listed(steps: Steps) -> Choices:
    """The choices by place and aim: each its cost, and the probabilities of its successors."""
    found: Choices = {}
    for place, choice in np.argwhere(steps.valid).tolist():
        ends: dict[int, float] = {}
        for end, share in zip(
            steps.successors[place, choice].tolist(), steps.probabilities[place, choice].tolist(), strict=True
        ):
            if share > 0:
                ends[end] = ends.get(end, 0) + round(share, 6)
        found[place, int(steps.aims[place, choice])] = (float(steps.costs[place, choice]), ends)
    return found


def find(paths: list[list[int]], num_places: int, **options) -> Choices:
    lengths = np.array([len(path) for path in paths])
    places = np.array([path + [0] * (max(lengths) - len(path)) for path in paths])
    return listed(find_steps(places, lengths, num_places, **options))


def test_choices_stand_side_by_side_in_their_places():
    steps = make_steps(3, [2, 0, 2], [1, 1, 0], [4, 5, 6])
    assert listed(steps) == {(0, 1): (5, {1: 1}), (2, 1): (4, {1: 1}), (2, 0): (6, {0: 1})}
    assert steps.aims.shape == (3, 2)
    assert steps.valid.tolist() == [[True, False], [False, False], [True, True]]
    assert make_steps(2, [], [], []).valid.tolist() == [[False], [False]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (([0], [3], [1]), "aims must lie between 0 and 2, not 3 to 3"),
        (([-1], [0], [1]), "sources must lie between 0 and 2, not -1 to -1"),
        (([0], [1], [0]), "a step must cost more than 0, and a finite amount, not 0.0"),
        (([0], [1], [np.inf]), "a step must cost more than 0, and a finite amount, not inf"),
        (([0, 1], [1], [1]), r"must be of one shape \[C\], not \[2\], \[1\] and \[1\]"),
    ],
)
def test_choices_that_can_not_be_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        make_steps(3, *given)


def test_successors_that_can_not_be_are_refused():
    ends, shares = np.array([[1, 2]]), np.array([[0.5, 0.4]])
    with pytest.raises(ValueError, match="must be 0 or more and sum to 1"):
        make_steps(3, [0], [1], [1], successors=ends, probabilities=shares)
    with pytest.raises(ValueError, match="successors and probabilities go together"):
        make_steps(3, [0], [1], [1], successors=ends)
    with pytest.raises(ValueError, match=r"must both be \[1, S\], not \[1, 2\] and \[2, 2\]"):
        make_steps(3, [0], [1], [1], successors=ends, probabilities=np.ones((2, 2)))
    with pytest.raises(ValueError, match="successors must lie between 0 and 1, not 1 to 2"):
        make_steps(2, [0], [1], [1], successors=ends, probabilities=np.array([[0.5, 0.5]]))


def test_a_step_costs_the_lower_quartile_of_the_stays_before_it():
    # In 1, on the way from 0 to 2, for 2, 3, 3 and 9 times: the first of four is the lower quartile. No path was seen
    # to come to 0, so that what is left of its stays counts, 1 each.
    paths = [[0, *[1] * stay, 2] for stay in (9, 3, 2, 3)]
    assert find(paths, 3) == {(0, 1): (1, {1: 1}), (1, 2): (2, {2: 1})}
    # Of nine it is the third.
    paths = [[0, *[1] * stay, 2] for stay in (9, 8, 7, 6, 5, 4, 3, 2, 1)]
    assert find(paths, 3)[1, 2] == (3, {2: 1})


def test_whole_stays_count_before_those_that_a_path_began_with():
    # 1 -> 2 after 1 (where the path began) and after 4 (coming from 0).
    assert find([[1, 2], [0, 1, 1, 1, 1, 2]], 3)[1, 2] == (4, {2: 1})


def test_a_step_that_may_be_undone_is_a_choice_both_ways():
    # 0 -> 1 may be undone, 1 -> 2 not. 1 -> 0 was not seen and costs what 0 -> 1 does.
    paths, undoable = [[0, 0, 0, 1, 2]], np.array([[False, False, True, False]])
    assert find(paths, 3, undoable=undoable) == {(0, 1): (3, {1: 1}), (1, 0): (3, {0: 1}), (1, 2): (1, {2: 1})}
    # An extra column for the last state is let pass.
    assert find(paths, 3, undoable=np.pad(undoable, ((0, 0), (0, 1)))) == find(paths, 3, undoable=undoable)


def test_with_centers_a_step_costs_its_length_at_the_speed():
    centers = np.array([[0.0, 0], [3, 4], [3, 5]])
    found = find([[0, 1, 1, 2]], 3, centers=centers, speed=0.5)
    assert found == {(0, 1): (10, {1: 1}), (1, 2): (2, {2: 1})}


def test_jumps_are_hazards_of_their_place_and_no_choices():
    # Out of 1 go six paths on to 2, and two jump: one to 3, one to 4. Out of 0 no path jumps.
    paths = [[0, 1, 2]] * 6 + [[0, 1, 3, 3], [0, 1, 4, 4]]
    jumps = np.zeros((8, 4), bool)
    jumps[6:, 1] = True
    found = find(paths, 5, jumps=jumps)
    assert found == {(0, 1): (1, {1: 1}), (1, 2): (1, {2: 0.75, 3: 0.125, 4: 0.125})}


def test_a_place_that_every_path_jumped_out_of_is_no_way_on():
    # 0 -> 1 may be undone, and out of 1 all jumped, to 2: whoever aims at 0 from 1 ends in 2.
    jumps, undoable = np.array([[False, True]]), np.array([[True, False]])
    found = find([[0, 1, 2]], 3, jumps=jumps, undoable=undoable)
    assert found == {(0, 1): (1, {1: 1}), (1, 0): (1, {2: 1})}


def test_a_stay_that_a_jump_began_is_not_whole():
    # Into 1 by a jump and on to 2 after one time; into 1 on foot, and on to 2 after three.
    jumps = np.zeros((2, 5), bool)
    jumps[0, 0] = True
    assert find([[0, 1, 2], [0, 1, 1, 1, 2]], 3, jumps=jumps)[1, 2] == (3, {2: 1})


def test_padding_is_no_step_and_seldom_seen_choices_can_be_left_out():
    # Behind the end of [1, 2] come zeros, and 2 -> 0 is no step.
    assert set(find([[0, 1, 2], [1, 2]], 3)) == {(0, 1), (1, 2)}
    assert set(find([[0, 1, 2], [1, 2]], 3, least_seen=2)) == {(1, 2)}
    # Seen once this way and once that way, both undoable: twice each.
    undoable = np.ones((2, 2), bool)
    assert set(find([[0, 1], [1, 0]], 2, undoable=undoable[:, :1], least_seen=2)) == {(0, 1), (1, 0)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"centers": np.zeros((2, 2))}, "centers and speed go together"),
        ({"centers": np.zeros((3, 2)), "speed": 1.0}, r"centers must be \[2, D\], not \[3, 2\]"),
        ({"centers": np.zeros((2, 2)), "speed": 0.0}, "the speed must be above 0, not 0.0"),
        ({"jumps": np.zeros((2, 2))}, r"jumps must be \[1, 3\] or \[1, 2\], not \[2, 2\]"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        find([[0, 1, 0]], 2, **options)


def test_paths_of_other_than_places_are_refused():
    with pytest.raises(ValueError, match="places must lie between 0 and 1, not 0 to 2"):
        find([[0, 2]], 2)
    with pytest.raises(ValueError, match=r"places must be ids \[W, T\]"):
        find_steps(np.zeros((1, 3)), np.array([3]), 2)


def test_the_speed_is_the_median_of_free_steps():
    # Moves of 1, 2, 9 and, behind the end, 100; of 1 and 2 the median is 1.5 if 9 is held back.
    states = np.array([[[0.0], [1], [3], [12], [112]]])
    free = np.array([[True, True, False, True, True]])
    assert free_speed(states, np.array([4]), free) == 1.5
    with pytest.raises(ValueError, match="no step is free"):
        free_speed(states, np.array([4]), np.zeros((1, 5), bool))


def test_steps_are_arrays_for_a_device():
    steps = make_steps(3, [0], [1], [1])
    assert [leaf.dtype for leaf in (steps.aims, steps.costs, steps.successors, steps.probabilities)] == [
        jnp.int32,
        jnp.float32,
        jnp.int32,
        jnp.float32,
    ]


def test_where_all_paths_jump_away_to_many_ends_no_choice_is_safe():
    # A path comes from 1 to 0, which could be undone; of 0, 21 jumps end in 21 places. 21 times 1 / 21 is more than 1.
    assert np.full(21, 1 / 21).sum() > 1
    paths = [[1, 0], *[[0, end] for end in range(2, 23)]]
    marks = np.array([[False], *[[True]] * 21])
    choices = find(paths, 23, jumps=marks, undoable=~marks)
    cost, ends = choices[0, 1]
    assert cost == 1
    assert ends == {end: pytest.approx(1 / 21, abs=1e-6) for end in range(2, 23)}
