"""`chunk_mean` by hand and against the reverse masks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.abstraction.abstraction import lift_path
from humain.abstraction.chunk_mean import ChunkMean
from humain.abstraction.pivots import pivot_mask, reverse_mask, with_end


@pytest.mark.parametrize(
    ("size", "expected"), [(1, [1, 1, 1, 1, 1, 1, 1]), (2, [1, 0, 1, 0, 1, 0, 1]), (3, [1, 0, 0, 1, 0, 0, 1])]
)
def test_the_first_state_and_the_last_of_every_k_after_it_are_pivots(size, expected):
    states = jnp.zeros((7, 2))
    np.testing.assert_array_equal(pivot_mask(ChunkMean(size), states, jnp.ones(7, bool)), np.array(expected, bool))


def test_a_chunk_lifts_to_its_mean():
    states = jnp.array([[9.0, 9], [1, 0], [3, 0], [8, 6], [10, 1], [20, 3], [0, 2], [7, 5]])
    lifted = lift_path(ChunkMean(3), states, jnp.ones(8, bool))
    # The first state alone. Then (1 + 3) / 2 = 2, (1 + 3 + 8) / 3 = 4 and 6 / 3 = 2; (10 + 20) / 2 = 15 and
    # (1 + 3) / 2 = 2, (10 + 20 + 0) / 3 = 10 and (1 + 3 + 2) / 3 = 2; the last chunk has one state.
    expected = [[9, 9], [1, 0], [2, 0], [4, 2], [10, 1], [15, 2], [10, 2], [7, 5]]
    np.testing.assert_allclose(lifted, expected, rtol=1e-6)


def test_only_states_on_the_path_count():
    # The path is 5, 1, 3, 10, 20, 7. What lies between counts for itself alone: 99 with 1, the infinite with 10, 8 with
    # 7, and what comes first with nothing.
    states = jnp.array([np.nan, 5, 1, 99, 3, 10, np.inf, 20, 7, 8], jnp.float32)[:, None]
    path = jnp.array([False, True, True, False, True, True, False, True, True, False])
    lifted = lift_path(ChunkMean(2), states, path)
    np.testing.assert_array_equal(lifted[:, 0], [np.nan, 5, 1, 50, 2, 10, np.inf, 15, 7, 7.5])
    assert jnp.flatnonzero(pivot_mask(ChunkMean(2), states, path)).tolist() == [1, 4, 7]


@pytest.mark.parametrize("seed", range(4))
def test_a_pivot_lifts_to_the_mean_of_the_states_that_it_stands_for(seed):
    rng = np.random.default_rng(seed)
    states, path = rng.normal(size=(15, 3)).astype(np.float32), rng.random(15) < 0.8
    pivots = with_end(pivot_mask(ChunkMean(4), jnp.asarray(states), jnp.asarray(path)), jnp.asarray(path))
    owners = np.asarray(reverse_mask(pivots, jnp.asarray(path)))
    lifted = lift_path(ChunkMean(4), jnp.asarray(states), jnp.asarray(path))
    sizes = []
    for pivot in np.flatnonzero(pivots):
        np.testing.assert_allclose(lifted[pivot], states[owners[pivot]].mean(0), atol=1e-6)
        sizes.append(int(owners[pivot].sum()))
    # The first state, chunks of four, and what is left over.
    num_whole, rest = divmod(int(path.sum()) - 1, 4)
    assert sizes == [1] + [4] * num_whole + [rest] * (rest > 0)
    np.testing.assert_array_equal(owners.sum(0), path)


def test_means_of_means():
    # After the first state, of 0 .. 15 the means of fours are 1.5, 5.5, 9.5 and 13.5, and the mean of those is 7.5.
    states, path = jnp.arange(-1.0, 16.0)[:, None], jnp.ones(17, bool)
    pivots = pivot_mask(ChunkMean(4), states, path)
    means = lift_path(ChunkMean(4), states, path)
    np.testing.assert_array_equal(means[pivots], [[-1], [1.5], [5.5], [9.5], [13.5]])
    above = pivot_mask(ChunkMean(4), means, pivots)
    assert jnp.flatnonzero(above).tolist() == [0, 16]
    np.testing.assert_array_equal(lift_path(ChunkMean(4), means, pivots)[above], [[-1], [7.5]])


def test_many_paths_at_once_start_each_anew():
    states = jnp.array([[7.0, 2, 4, 9], [8, 5, 6, 1]])[..., None]
    lifted = jax.vmap(lift_path, in_axes=(None, 0, 0))(ChunkMean(2), states, jnp.ones((2, 4), bool))
    np.testing.assert_array_equal(lifted[..., 0], [[7, 2, 3, 9], [8, 5, 5.5, 1]])


def test_one_step_at_a_time_for_agents_at_different_places():
    # One begins a chunk, so that what came before does not matter; one adds its third state to a mean of two.
    made = ChunkMean(3).lift_next(jnp.array([[jnp.nan], [4.0]]), jnp.array([[7.0], [10.0]]), jnp.array([4, 6]))
    np.testing.assert_array_equal(made, [[7], [6]])


def test_a_state_alone_and_a_goal_pass_unchanged():
    states = jnp.array([[3.0, 1.0]])
    np.testing.assert_array_equal(ChunkMean(2).lift(states), states)
    np.testing.assert_array_equal(ChunkMean(2).specify(states, states + 1), states)


def test_a_size_below_1_is_refused():
    with pytest.raises(ValueError, match="at least 1, not 0"):
        ChunkMean(0)


def test_ids_have_no_mean():
    with pytest.raises(ValueError, match="made of floats, such as embeddings, not of int32"):
        lift_path(ChunkMean(2), jnp.arange(3), jnp.ones(3, bool))
