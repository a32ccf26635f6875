"""Every space does what the interface promises; a new one is a line here."""

import jax.numpy as jnp
import numpy as np
import pytest

from humain.nearest import Nearest
from humain.spaces import Continuous, Discrete
from humain.stopping import Stopping
from humain.testing.space_conformance import CHECKS, SpaceCase

_VECTORS = jnp.array([[0.0, 1.0], [2.0, -1.0], [3.0, 3.0]])
_KNOWN = np.asarray(_VECTORS)
_NEAR = _VECTORS + jnp.array([[0.2, -0.3]])
_SIGNALS = jnp.array([[1.0], [0.0], [1.0]])


def _joined(vectors, factor=1.0):
    return jnp.concatenate([vectors, factor * _SIGNALS], axis=1)


def _case(make, elements, targets):
    return SpaceCase(make(), make, elements, targets)


CASES = {
    "discrete": _case(lambda: Discrete(3), jnp.array([2, 0, 1]), 5 * jnp.eye(3)[jnp.array([2, 0, 1])]),
    "continuous": _case(lambda: Continuous(2), _VECTORS, _VECTORS),
    "nearest": _case(lambda: Nearest(_KNOWN), _VECTORS, _NEAR),
    "stopping": _case(lambda: Stopping(Continuous(2), 2.0), _joined(_VECTORS), _joined(_VECTORS, 2.0)),
    "stopping_nearest": _case(lambda: Stopping(Nearest(_KNOWN)), _joined(_VECTORS), _joined(_NEAR, 0.7)),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_conformance(case, check):
    check(case)
