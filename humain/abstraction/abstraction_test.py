"""What any abstraction is asked through: pivots with and without a track, lifts along a path, and what gates bound."""

import dataclasses

import jax.numpy as jnp
import numpy as np
from flax import struct

from humain.abstraction import abstraction as lib
from humain.abstraction.bridges import Bridges
from humain.abstraction.chunk_mean import ChunkMean
from humain.abstraction.skip import Skip
from humain.testing.blocks import Blocks

# Two communities, 0 1 2 and 3 4 5, whose gates are 2 and 3.
GATED = Bridges(
    communities=jnp.array([0, 0, 0, 1, 1, 1]),
    is_gate=jnp.array([False, False, True, True, False, False]),
    gate_ids=jnp.array([[2], [3]]),
    gate_valid=jnp.array([[True], [True]]),
)


@struct.dataclass
class Later:
    """A state is a pivot where the track has seen more than its own number."""

    def is_pivot(self, previous, state, following, position):
        return state < 0

    def track_pivot(self, track, previous, state, following, position):
        return track.level > state, lib.Track(since=track.since + 1, level=track.level + state)

    def lift(self, state):
        return state

    def specify(self, goal, state):
        return goal


def test_a_track_begins_far_from_any_pivot():
    track = lib.begin_track((2, 3))
    assert track.since.tolist() == [[2**30] * 3] * 2
    assert track.level.tolist() == [[0.0] * 3] * 2
    assert lib.begin_track().since.shape == ()


def test_what_tracks_chooses_by_its_track_and_what_does_not_leaves_it():
    track = lib.Track(since=jnp.array([4, 4]), level=jnp.array([2.0, 0.0]))
    states, positions = jnp.array([1.0, 1.0]), jnp.array([2, 3])
    pivots, after = lib.choose_pivot(Later(), track, states, states, states, positions)
    assert pivots.tolist() == [True, False]
    assert (after.since.tolist(), after.level.tolist()) == ([5, 5], [3.0, 1.0])
    pivots, after = lib.choose_pivot(Skip(2), track, states, states, states, positions)
    assert pivots.tolist() == [True, False]
    assert after is track


def test_a_state_is_lifted_alone_or_along_its_path():
    lifted, state, position = jnp.array([[4.0]]), jnp.array([[10.0]]), jnp.array([2])
    # The second of a chunk: the mean of 4 and 10; a block of three has its first number.
    assert lib.lift_on(ChunkMean(2), lifted, state, position).tolist() == [[7.0]]
    assert lib.lift_on(Blocks(3), jnp.array([4]), jnp.array([10]), position).tolist() == [9]
    everywhere = jnp.ones(3, bool)
    assert lib.lift_path(Blocks(3), jnp.array([1, 5, 8]), everywhere).tolist() == [0, 3, 6]
    means = lib.lift_path(ChunkMean(2), jnp.array([[9.0], [1.0], [3.0]]), everywhere)
    assert means.tolist() == [[9.0], [1.0], [2.0]]


def test_states_are_lifted_through_all_but_the_top_abstraction():
    # 7 is in the block of 4, and that is in the block of 3; by itself it would be in the block of 6.
    seen = lib.lift_through((Blocks(4), Blocks(3), Blocks(8)), jnp.array([7, 13]))
    assert [states.tolist() for states in seen] == [[7, 13], [4, 12], [3, 12]]
    assert len(lib.lift_through((Blocks(2),), jnp.array([7]))) == 1


def test_gates_bound_what_is_learned_below_the_top_alone():
    assert lib.is_gated((GATED, Skip(2)))
    assert not lib.is_gated((Skip(2), GATED))
    assert not lib.is_gated((GATED,))


def test_what_a_layer_has_to_learn():
    states, goals = jnp.array([0, 0, 2, 2, 3]), jnp.array([1, 3, 3, 4, 2])
    # At the bottom within a community; above it from gate to gate, and there is no community of its own.
    assert lib.learns((GATED, GATED), 0, states, goals).tolist() == [True, False, False, False, False]
    assert lib.learns((GATED, GATED), 1, states, goals).tolist() == [False, False, True, False, True]
    # In the middle both: from gate to gate of the layer below, within the larger community, of all but 3.
    middle = dataclasses.replace(
        GATED, communities=jnp.array([0, 0, 0, 1, 0, 0]), is_gate=jnp.array([True, True, False, False, True, True])
    )
    assert lib.learns((GATED, middle, GATED), 1, jnp.array([2, 3, 0, 2]), jnp.array([3, 3, 1, 2])).tolist() == [
        False,
        True,
        False,
        True,
    ]
    # At the top it is the gates of the middle one.
    assert lib.learns((GATED, middle, GATED), 2, states, goals).tolist() == [True, False, False, False, False]
    # Where nothing is gated, everything.
    assert lib.learns((Skip(2), Skip(2)), 0, states, goals).all()
    grid = lib.learns((GATED, GATED), 0, states[None].repeat(2, 0), goals[None].repeat(2, 0))
    np.testing.assert_array_equal(grid, [[True, False, False, False, False]] * 2)
