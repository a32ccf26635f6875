"""Outlines, held against text written by hand."""

import types
from typing import Any

import numpy as np

from humain.language.dataset import Dataset
from humain.language.vocabulary import IndexedPlan
from tasks.language import outline
from tasks.language.guiding import Node

_VOCABULARY = ("Mine ore.", "Smelt a bar.", "Mine a gem.", "Set a ring.")


def _node(layer, goal, known, score, *, repeated=False):
    return Node(layer, None, goal, np.zeros(2, np.float32), known, score, repeated)


_NODES = (
    _node(2, 0, 7, 0.9),
    _node(1, 0, 5, 0.8),
    _node(0, 0, 0, 0.75),
    _node(0, 0, 1, 1.0),
    _node(2, 1, 8, 0.7),
    _node(1, 1, 6, 0.604),
    _node(0, 1, 0, 0.5, repeated=True),
    _node(0, 1, 2, 0.456),
    _node(0, 1, 3, 0.25),
)

_EXPECTED = """\
make a bar and a ring
  to reach: Smelt a bar.
    towards: chunk 7 of layer 2 [0.90]
      towards: chunk 5 of layer 1 [0.80]
        1. Mine ore. [0.75]
        2. Smelt a bar. [1.00]
  to reach: Set a ring.
    towards: chunk 8 of layer 2 [0.70]
      towards: chunk 6 of layer 1 [0.60]
        -  (done before) Mine ore.
        3. Mine a gem. [0.46]
        4. Set a ring. [0.25]"""


def _name(layer, known):
    return f"chunk {known} of layer {layer}"


def test_every_answer_stands_under_the_one_above_it():
    assert "\n".join(outline.lines("make a bar and a ring", (1, 3), _NODES, _VOCABULARY, _name)) == _EXPECTED


def test_nodes_out_of_a_file_read_alike():
    nodes = [
        {
            "layer": node.layer,
            "goal": node.goal,
            "known": node.known,
            "score": node.score,
            "repeated": node.repeated,
        }
        for node in _NODES
    ]
    assert "\n".join(outline.lines("make a bar and a ring", (1, 3), nodes, _VOCABULARY, _name)) == _EXPECTED


def test_a_plan_of_one_layer_has_its_steps_under_the_goal():
    nodes = [_node(0, 0, 0, 1.0), _node(0, 0, 1, 0.5)]
    assert outline.lines("make a bar", [1], nodes, _VOCABULARY, _name) == [
        "make a bar",
        "  to reach: Smelt a bar.",
        "    1. Mine ore. [1.00]",
        "    2. Smelt a bar. [0.50]",
    ]


def test_no_answer_leaves_what_was_asked():
    assert outline.lines("make a bar", [1], [], _VOCABULARY, _name) == ["make a bar", "  to reach: Smelt a bar."]


def test_a_goal_that_was_not_reached_is_marked_where_it_stopped():
    # The second goal's plan ends before the ring, and the third's was not begun.
    found = outline.lines("all three", (1, 3, 2), _NODES[:7], _VOCABULARY, _name, finished=False)
    assert found == [
        "all three",
        *_EXPECTED.splitlines()[1:10],
        "    (not reached: stopped after step 2)",
        "  to reach: Mine a gem.",
        "    (not reached: stopped after step 2)",
    ]
    assert outline.lines("make a bar", [1], [], _VOCABULARY, _name, finished=False) == [
        "make a bar",
        "  to reach: Smelt a bar.",
        "    (not reached: no step was found)",
    ]


def test_a_chunk_is_named_by_the_sentence_nearest_to_it():
    embeddings = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], np.float32)
    data = Dataset((IndexedPlan("make a bar", (0, 1)),), _VOCABULARY, embeddings, embeddings[:1], "e", "w")
    # The second one that layer 1 knows is (0.9, 0.2), off by 0.05 from sentence 1 and by 0.65 from sentence 3.
    states = {1: np.array([[0, 0], [0.9, 0.2], [0.2, 0.9]], np.float32)}
    setup: Any = types.SimpleNamespace(
        known=states.get, embeddings=embeddings, model=types.SimpleNamespace(layers=("bottom", "top"))
    )
    name = outline.nearest_names(setup, data)
    assert name(1, 1) == "Smelt a bar."
    # Milestones, above all layers, are sentences.
    assert name(2, 0) == _VOCABULARY[0]
    assert name(1, 2) == "Mine a gem."
