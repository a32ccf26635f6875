"""A layer: what it refuses, what its contexts are made of, and what it forgets."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.hippocampus import encodings
from humain.hippocampus.recall import Recall
from humain.layer import Layer
from humain.nearest import Nearest
from humain.spaces import Continuous, Discrete
from humain.stopping import Stopping
from humain.testing.probe import Probe

IDS, PLANE = Discrete(9), Continuous(2)


def cortex(space=IDS, target_space=None):
    return Cortex(Probe(space, space if target_space is None else target_space), Linear(8))


def lived(layer, *states):
    """The hippocampi of one episode that has been in these states."""
    memories = layer.begin(1)
    for state in states:
        memories = layer.remember(memories, jnp.array([state], layer.space.dtype), jnp.array([True]))
    return memories


def shown(layer, memories, state, goal):
    """The states that are there, of what the layer sees."""
    context = layer.context(memories, jnp.array([state], layer.space.dtype), jnp.array([goal], layer.space.dtype))
    assert context.mask.shape == (1, layer.shown_length)
    return np.asarray(context.states)[np.asarray(context.mask)].tolist()


def test_the_defaults():
    assert Layer(cortex()) == Layer(
        cortex(),
        context_length=1,
        encoding=encodings.none,
        refresh_on_new_goal=True,
        hide_start=False,
        max_sub_steps=16,
        max_nodes=64,
        recall=None,
        recall_capacity=0,
    )


def test_a_context_is_the_newest_states():
    layer = Layer(cortex(), context_length=3)
    assert (layer.stored_length, layer.shown_length) == (3, 3)
    assert shown(layer, layer.begin(1), 4, 0) == [4]
    assert shown(layer, lived(layer, 1, 2, 3), 4, 0) == [2, 3, 4]
    # A state that is not present is not stored.
    memories = layer.remember(lived(layer, 1), jnp.array([7]), jnp.array([False]))
    assert shown(layer, memories, 4, 0) == [1, 4]
    assert Layer(cortex()).begin(5).states.shape == (5, 0)


def test_older_states_are_recalled_by_the_goal():
    layer = Layer(cortex(), context_length=2, recall=Recall(num_recalled=1), recall_capacity=3)
    assert (layer.stored_length, layer.shown_length) == (5, 3)
    memories = lived(layer, 5, 6, 7, 8)
    # Of 5, 6 and 7 the one asked for, and the newest two.
    assert shown(layer, memories, 4, 6) == [6, 8, 4]
    assert shown(layer, memories, 4, 5) == [5, 8, 4]


def test_the_state_where_a_way_begins_is_hidden_where_that_is_asked_for():
    layer = Layer(cortex(PLANE), context_length=2, hide_start=True)
    assert shown(layer, layer.begin(1), [3.0, 4.0], [0.0, 0.0]) == [[0, 0]]
    memories = lived(layer, [3.0, 4.0])
    assert shown(layer, memories, [5.0, 6.0], [0.0, 0.0]) == [[0, 0], [5, 6]]
    assert shown(layer, lived(layer, [3.0, 4.0], [5.0, 6.0]), [7.0, 8.0], [0.0, 0.0]) == [[5, 6], [7, 8]]
    open_eyed = dataclasses.replace(layer, hide_start=False)
    assert shown(open_eyed, lived(open_eyed, [3.0, 4.0]), [5.0, 6.0], [0.0, 0.0]) == [[3, 4], [5, 6]]


@pytest.mark.parametrize(
    ("target_space", "expected"),
    [
        (PLANE, True),
        (Stopping(PLANE), True),
        (Nearest(np.zeros((1, 2))), True),
        (Stopping(Nearest(np.zeros((1, 2)))), True),
        (Discrete(2), False),
        (Continuous(3), False),
        (Stopping(Continuous(3)), False),
    ],
    ids=repr,
)
def test_what_is_answered_is_a_state_or_an_action(target_space, expected):
    assert Layer(cortex(PLANE, target_space)).answers_states is expected


def test_settings_may_go_to_the_very_edge():
    layer = Layer(cortex(), 1, max_sub_steps=1, max_nodes=1, recall=Recall(num_recalled=2), recall_capacity=2)
    assert (layer.stored_length, layer.shown_length) == (3, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"context_length": 0}, "context_length must be 1 or more, not 0"),
        ({"max_sub_steps": 0}, "max_sub_steps must be 1 or more, not 0"),
        ({"max_nodes": 0}, "max_nodes must be 1 or more, not 0"),
        ({"recall_capacity": 1}, r"at least num_recalled \(0\), or 0 without recall, not 1"),
        ({"recall_capacity": -1}, "or 0 without recall, not -1"),
        ({"recall": Recall(num_recalled=2), "recall_capacity": 1}, r"at least num_recalled \(2\), .* not 1"),
        ({"hide_start": True}, "hide_start needs states that are vectors, not those of Discrete.* set it to False"),
    ],
)
def test_what_makes_no_layer_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Layer(cortex(), **settings)
