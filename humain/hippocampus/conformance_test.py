"""What the hippocampus remembers of an episode does what it must; a new part is a line here."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.hippocampus import encodings, memory, recall, tagged_episodes, tagging
from humain.hippocampus.recall import Recall
from humain.hippocampus.tag_levels import TagLevels
from humain.hippocampus.tagged import TaggedIds, TaggedVectors
from humain.hippocampus.tagging import Tagging
from humain.spaces import Continuous, Discrete
from humain.testing.memory_conformance import CHECKS, MemoryCase

_RNG = np.random.default_rng(2)
_IDS = jnp.asarray(_RNG.integers(0, 6, (3, 14)), jnp.int32)
_VECTORS = jnp.asarray(_RNG.normal(size=(3, 14, 2)), jnp.float32)
_TAGGING = Tagging(capacity=4, threshold=0.8, eviction="least_met")
_LEVELS = TagLevels(order=5, visits=3, age=4, absence=3)


def tags(space, states):
    return MemoryCase(
        begin=partial(tagging.empty, _TAGGING, space),
        step=partial(tagging.tag, _TAGGING, space),
        refresh=tagging.refresh,
        states=states,
    )


def tagged_states(space, states):
    """Through the space: elements, as a layer sees them."""

    def step(carry, state):
        batch, elements = tagged_episodes.observe(space, jax.tree.map(lambda leaf: leaf[None], carry), state[None])
        return jax.tree.map(lambda leaf: leaf[0], (batch, elements))

    return dataclasses.replace(tags(space.base, states), step=step)


def contexts(space, states, settings=None):
    """A context of the newest three states, or of what the present one recalls and the newest two."""

    def step(carry, state):
        shown = memory.context(
            carry, state, length=3 if settings is None else 7, space=space, encoding=encodings.sinusoidal
        )
        if settings is not None:
            shown = recall.focus(settings, shown, state, num_newest=2, space=space, encoding=encodings.sinusoidal)
        # What is masked may be anything.
        shown = dataclasses.replace(shown, features=jnp.where(shown.mask[:, None], shown.features, 0))
        return memory.append(carry, state), (shown.features, shown.mask)

    return MemoryCase(begin=partial(memory.empty, 6, space), step=step, refresh=memory.refresh, states=states)


def recalled(space, states):
    def step(carry, state):
        found = recall.recall(Recall(num_recalled=2, sharpness=2.0), carry, space, state)
        return memory.append(carry, state), (found.weights, found.mask, found.features)

    return MemoryCase(begin=partial(memory.empty, 5, space), step=step, refresh=memory.refresh, states=states)


CASES = {
    "contexts": contexts(Discrete(6), _IDS),
    "contexts_that_recall": contexts(Discrete(6), _IDS, Recall(num_recalled=2)),
    "contexts_of_vectors_that_recall": contexts(Continuous(2), _VECTORS, Recall(num_recalled=2)),
    "recall": recalled(Discrete(6), _IDS),
    "recall_of_vectors": recalled(Continuous(2), _VECTORS),
    "tags": tags(Discrete(6), _IDS),
    "tags_of_vectors": tags(Continuous(2), _VECTORS),
    "tagged_ids": tagged_states(TaggedIds(num_states=6, tagging=_TAGGING, levels=_LEVELS), _IDS),
    "tagged_vectors": tagged_states(TaggedVectors(base=Continuous(2), tagging=_TAGGING, levels=_LEVELS), _VECTORS),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_conformance(case, check, tmp_path):
    check(case, tmp_path)
