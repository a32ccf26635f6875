"""Every abstraction does what the interface promises; a new one is a line here."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.abstraction.bridges import find_bridges
from humain.abstraction.chunk_mean import ChunkMean
from humain.abstraction.entropy import count_visits
from humain.abstraction.kmeans import cluster_states
from humain.abstraction.nearest_centroid import NearestCentroid
from humain.abstraction.neural_entropy import learn_visits
from humain.abstraction.skip import Skip
from humain.abstraction.visit_density import DensityConfig
from humain.spaces import Continuous, Discrete
from humain.testing.abstraction_conformance import CHECKS, AbstractionCase
from humain.testing.blocks import Blocks
from humain.types import Trajectories

_RNG = np.random.default_rng(5)
_IDS = jnp.asarray(_RNG.integers(0, 12, (4, 20)), jnp.int32)
_VECTORS = jnp.asarray(_RNG.normal(size=(3, 17, 2)), jnp.float32)
_CLUSTERS = cluster_states(jnp.reshape(_VECTORS, (-1, 2)), 5, jax.random.key(0))
_WALKS = Trajectories(states=_IDS, lengths=jnp.full(4, 20))
_COUNTS = count_visits(_WALKS, 12)
_QUICK = DensityConfig(width=8, num_steps=60, batch_size=64)
_DENSITY = learn_visits(_WALKS, jax.random.key(0), space=Discrete(12), config=_QUICK)
_VECTOR_DENSITY = learn_visits(
    Trajectories(states=_VECTORS, lengths=jnp.full(3, 17)), jax.random.key(0), space=Continuous(2), config=_QUICK
)

# Steps between all ids of each four, and from 3 to 4 and from 7 to 8.
_BRIDGED = [[a, b] for a in range(12) for b in range(12) if a != b and (a // 4 == b // 4 or {a, b} in ({3, 4}, {7, 8}))]
_BRIDGES = find_bridges(Trajectories.from_arrays(_BRIDGED), 12)[0]

CASES = {
    "bridges": AbstractionCase(_BRIDGES, _IDS, Discrete(12)),
    "skip": AbstractionCase(Skip(2), _IDS, Discrete(12)),
    "skip_vectors": AbstractionCase(Skip(3), _VECTORS, Continuous(2)),
    "blocks": AbstractionCase(Blocks(2), _IDS, Discrete(12), classes=(Blocks,)),
    "chunk_mean": AbstractionCase(ChunkMean(2), _VECTORS, Continuous(2)),
    "entropy": AbstractionCase(_COUNTS, _IDS, Discrete(12)),
    "neural_entropy": AbstractionCase(_DENSITY, _IDS, Discrete(12)),
    "neural_entropy_vectors": AbstractionCase(_VECTOR_DENSITY, _VECTORS, Continuous(2)),
    "kmeans": AbstractionCase(_CLUSTERS, _VECTORS, Continuous(2)),
    "nearest_centroid": AbstractionCase(
        NearestCentroid(_CLUSTERS.clusters.centroids), _VECTORS, Continuous(2), above=Discrete(5)
    ),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_conformance(case, check):
    check(case)
