"""The density that is learned of a graph's visits agrees with exact counts, and so do its pivots."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from humain.abstraction.entropy import count_visits
from humain.abstraction.neural_entropy import learn_visits
from humain.abstraction.pivots import pivot_mask
from humain.abstraction.visit_density import DensityConfig
from humain.spaces import Discrete
from tasks.graphs import sets, world

_NUM_NODES = 32


@pytest.fixture(scope="module", name="world_32")
def _world_32():
    """Walks on the graph of `//tasks:simple`, exact counts, and what is learned from the same walks."""
    rng = np.random.default_rng(0)
    graph = world.random_graph(rng, num_nodes=_NUM_NODES, edge_probability=0.2)
    walks = sets.as_trajectories(*world.random_walks(rng, graph, num_walks=5000, max_steps=64))
    learned = learn_visits(walks, jax.random.key(0), space=Discrete(_NUM_NODES), config=DensityConfig())
    return walks, count_visits(walks, _NUM_NODES), learned


def test_states_are_ordered_as_by_counts(world_32):
    _, counted, learned = world_32
    counts, levels = np.asarray(counted.counts), np.asarray(learned.level(jnp.arange(_NUM_NODES)))
    # A batch has each node about 2048 / 32 = 64 times, a standard error of 12 % a step; training averages it over the
    # last tens of steps, to 2 or 3 %. Counts differ by far more than that: the least visited node from the most.
    assert np.std(np.log(counts)) > 0.15
    np.testing.assert_allclose(levels, np.log(counts / counts.sum()), atol=0.08)
    # With an error of 0.03 on top of a spread of 0.15, ranks correlate with 1 / sqrt(1 + 0.2 ** 2) = 0.98.
    assert scipy.stats.spearmanr(counts, levels).statistic >= 0.97


def test_pivots_are_those_of_counts(world_32):
    walks, counted, learned = world_32
    valid = jnp.arange(walks.states.shape[1])[None] < walks.lengths[:, None]
    mask = jax.jit(jax.vmap(pivot_mask, in_axes=(None, 0, 0)))
    exact = np.asarray(mask(counted, walks.states, valid))
    plain = dataclasses.replace(learned, min_separation=1, hysteresis=0.0)
    same = np.asarray(mask(plain, walks.states, valid)) == exact
    assert np.mean(same[np.asarray(valid)]) > 0.95
    # Whole walks, of more than twenty states each, have the very same pivots more often than not.
    assert np.mean(np.all(same, axis=1)) > 0.5
    # As they come, peaks have to stand out; hardly any is lost by it.
    chosen = np.asarray(mask(learned, walks.states, valid))
    assert np.mean((chosen == exact)[np.asarray(valid)]) > 0.95
