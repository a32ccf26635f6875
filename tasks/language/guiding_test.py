"""Guides of a hierarchy that knows a few plans by heart."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from tasks.language import hierarchy, learner
from tasks.language.guiding import Guidance, Guide, Node
from tasks.language.paths import Path

_NUM_SENTENCES = 7
_E = 0.8 * np.eye(_NUM_SENTENCES, dtype=np.float32)
_STOP = 2.0
_LONG = (0, 1, 2)
_SHORT = (0, 3)
_FORK = ((4, 6), (5, 6))
"""Two ways to sentence 6."""
_CONFIG = ConfigDict(
    {
        "kernel": {
            "name": "transformer",
            "num_blocks": 1,
            "num_heads": 2,
            "width": 16,
            "hidden": 32,
            "offset": 0.3,
        },
        "num_slots": 2,
        "access": "value",
        "asymmetry": 0.9,
        "suppression": "per_slot",
        "encoding": "sinusoidal",
        "suppression_weight": 0.1,
        "score_discount": 0.9,
        "learning_rate": 1e-2,
    }
)
_NUM_UPDATES = 400


@pytest.fixture(scope="module")
def guidance():
    """Two layers, chunks of two sentences, trained on four paths."""
    lengths = (2, 1)
    tables = hierarchy.build(
        [Path(steps, 1.0) for steps in (_LONG, _SHORT, *_FORK)],
        _E,
        chunkers=[hierarchy.chunk_mean(2)],
        context_lengths=lengths,
        score_discount=0.9,
        stop=_STOP,
    )
    model = learner.build_model(
        _CONFIG, num_features=_NUM_SENTENCES + 1, num_updates=_NUM_UPDATES, context_lengths=lengths
    )
    update = learner.build_update(model, 32)
    data = learner.on_device(tables)

    @jax.jit
    def train(begun):
        def body(state, step):
            return update(state, data, step)[0], None

        return jax.lax.scan(body, begun, jnp.arange(_NUM_UPDATES))[0]

    state = train(learner.begin(model, jax.random.key(0))).model
    return Guidance(model, state, tables, _E, _STOP, (4, 4))


def _known(nodes):
    return [node.known for node in nodes]


def _places(nodes):
    return [(node.layer, node.parent, node.goal, node.known, node.repeated) for node in nodes]


# The top layer's rows: 0 is nothing; 1 the chunk (0, 1); 2 and 3 the chunk (2) with and without the stop signal; 4 and
# 5 the chunk (0, 3).
_NODES_OF_2 = [
    (1, None, 0, 1, False),
    (0, 0, 0, 0, False),
    (0, 0, 0, 1, False),
    (1, None, 0, 2, False),
    (0, 3, 0, 2, False),
]


def test_a_plan_is_thought_out_from_top_to_bottom(guidance):
    guide = guidance.think([2], max_steps=9)
    assert _places(guide.nodes) == _NODES_OF_2
    assert guide.finished
    assert _known(guide.steps) == [0, 1, 2]
    # 3 sentences to go for the first chunk, 0.9 ** 2, and 1 for the second; within a chunk 2 and 1 to go, then 1.
    np.testing.assert_allclose([node.score for node in guide.nodes], [0.81, 0.9, 1, 1, 1], atol=0.08)
    # Sentences are 0.8 * sqrt(2) = 1.13 apart.
    for node in guide.steps:
        assert node.answer.shape == (_NUM_SENTENCES,)
        assert np.linalg.norm(node.answer - _E[node.known]) < 0.3


def test_plans_are_those_that_were_learned(guidance):
    assert _known(guidance.think([3], max_steps=9).steps) == [0, 3]
    assert tuple(_known(guidance.think([6], max_steps=9).steps)) in _FORK


def test_several_goals_are_one_episode(guidance):
    guide = guidance.think([2, 3], max_steps=9)
    # 0 is on the way to 3 too; it has been done.
    assert _places(guide.nodes) == [
        *_NODES_OF_2,
        (1, None, 1, 4, False),
        (0, 5, 1, 0, True),
        (0, 5, 1, 3, False),
    ]
    assert _known(guide.steps) == [0, 1, 2, 3]
    assert guide.finished


def test_a_goal_that_was_passed_needs_nothing(guidance):
    guide = guidance.think([2, 0, 2], max_steps=9)
    assert _places(guide.nodes) == _NODES_OF_2
    assert guide.finished


def test_no_goal_needs_nothing(guidance):
    assert guidance.think([], max_steps=9) == Guide((), finished=True)
    assert guidance.react([], [], max_steps=9) == ()
    assert guidance.react_on([], max_steps=9) == Guide((), finished=True)


@pytest.mark.parametrize(("max_steps", "num_nodes"), [(0, 0), (1, 2), (2, 3)])
def test_a_plan_that_is_too_long_is_cut(guidance, max_steps, num_nodes):
    guide = guidance.think([2], max_steps=max_steps)
    assert _places(guide.nodes) == _NODES_OF_2[:num_nodes]
    assert not guide.finished


def test_a_plan_of_just_max_steps_is_finished(guidance):
    guide = guidance.think([2], max_steps=3)
    assert _places(guide.nodes) == _NODES_OF_2
    assert guide.finished


def test_what_was_done_before_does_not_count_as_a_step(guidance):
    assert guidance.think([2, 3], max_steps=4).finished
    assert not guidance.think([2, 3], max_steps=3).finished


def test_a_layer_answers_only_so_often(guidance):
    # One answer of the top layer, and one of the bottom layer under it.
    short = dataclasses.replace(guidance, max_sub_steps=(1, 1))
    guide = short.think([2], max_steps=9)
    assert _places(guide.nodes) == _NODES_OF_2[:2]
    assert not guide.finished


def test_a_reaction_is_the_first_step_that_is_not_done(guidance):
    reactions = [guidance.react([2], _LONG[:time], max_steps=9) for time in range(4)]
    assert _known(reaction[-1] for reaction in reactions[:3]) == [0, 1, 2]
    assert reactions[3] == ()
    # The chunk (0, 1) asked for 0 and 1, and the chunk (2) for 2.
    assert [[(node.layer, node.known) for node in reaction] for reaction in reactions[:3]] == [
        [(1, 1), (0, 0)],
        [(1, 1), (0, 1)],
        [(1, 2), (0, 2)],
    ]


def test_reactions_make_the_plan_that_was_thought_out_where_nothing_comes_between(guidance):
    guide = guidance.react_on([2], max_steps=9)
    assert _places(guide.nodes) == _NODES_OF_2
    assert guide.finished
    for node, thought in zip(guide.nodes, guidance.think([2], max_steps=9).nodes, strict=True):
        assert node.score == thought.score
        np.testing.assert_array_equal(node.answer, thought.answer)


def test_reactions_to_several_goals_stand_under_what_asked_for_them(guidance):
    guide = guidance.react_on([2, 3], max_steps=9)
    # 0 was done on the way to 2.
    assert _places(guide.nodes) == [*_NODES_OF_2, (1, None, 1, 4, False), (0, 5, 1, 3, False)]
    assert guide.finished


@pytest.mark.parametrize(("max_steps", "num_nodes"), [(0, 0), (1, 2), (2, 3)])
def test_reactions_that_are_too_many_are_cut(guidance, max_steps, num_nodes):
    guide = guidance.react_on([2], max_steps=max_steps)
    assert _places(guide.nodes) == _NODES_OF_2[:num_nodes]
    assert not guide.finished


def _chain(*nodes, goal=0):
    """A reaction: for each node its layer, its parent's place in the walk, and what it was taken for."""
    return tuple(
        Node(layer=layer, parent=parent, goal=goal, answer=_E[known], known=known, score=1.0)
        for layer, parent, known in nodes
    )


@pytest.mark.parametrize(
    ("reactions", "expected"),
    [
        # Both steps are asked for by the middle layer's answer at place 1.
        (
            [_chain((2, None, 5), (1, 0, 4), (0, 1, 0)), _chain((2, None, 5), (1, 0, 4), (0, 1, 1))],
            [(2, None), (1, 0), (0, 1), (0, 1)],
        ),
        # The second one is asked for by another answer, at place 4, of the same layer and to the same effect.
        (
            [_chain((2, None, 5), (1, 0, 4), (0, 1, 0)), _chain((2, None, 5), (1, 0, 4), (0, 4, 1))],
            [(2, None), (1, 0), (0, 1), (1, 0), (0, 3)],
        ),
        # Another walk has something else at the same place, and what is below it can't be the same.
        (
            [_chain((2, None, 5), (1, 0, 4), (0, 1, 0)), _chain((2, None, 6), (1, 0, 4), (0, 1, 1))],
            [(2, None), (1, 0), (0, 1), (2, None), (1, 3), (0, 4)],
        ),
        # Another goal.
        (
            [_chain((1, None, 5), (0, 0, 0)), _chain((1, None, 5), (0, 0, 1), goal=1)],
            [(1, None), (0, 0), (1, None), (0, 2)],
        ),
        # What asks for the first one is asked again after something else came between.
        (
            [_chain((1, None, 5), (0, 0, 0)), _chain((1, None, 4), (0, 2, 1)), _chain((1, None, 5), (0, 0, 2))],
            [(1, None), (0, 0), (1, None), (0, 2), (1, None), (0, 4)],
        ),
        # A single layer.
        ([_chain((0, None, 0)), _chain((0, None, 1))], [(0, None), (0, None)]),
    ],
)
def test_reactions_in_a_row_share_what_asked_for_them(monkeypatch, guidance, reactions, expected):
    left = iter([*reactions, ()])
    monkeypatch.setattr(Guidance, "react", lambda *_, **__: next(left))
    guide = guidance.react_on([9], max_steps=9)
    assert [(node.layer, node.parent) for node in guide.nodes] == expected
    assert _known(guide.steps) == [reaction[-1].known for reaction in reactions]
    assert not guide.finished


def test_a_reaction_goes_on_from_what_was_done_last(guidance):
    # 0 was passed over.
    assert guidance.react([2], [1], max_steps=9)[-1].known == 2


def test_a_reaction_follows_the_way_that_was_taken(guidance):
    assert guidance.react([6], [], max_steps=9)[-1].known in (4, 5)
    for first, goal in _FORK:
        assert guidance.react([6], [first], max_steps=9)[-1].known == goal
        assert guidance.react([6], [first, goal], max_steps=9) == ()


def test_a_reaction_turns_to_the_next_goal(guidance):
    assert guidance.react([2, 3], [0, 1], max_steps=9)[-1].known == 2
    assert guidance.react([2, 3], [0, 1, 2], max_steps=9)[-1].known == 3
    assert guidance.react([2, 3], [0, 1, 2, 3], max_steps=9) == ()


def test_a_reaction_looks_through_max_steps(guidance):
    # All that it sees of the way to 2 is sentence 0.
    assert guidance.react([2], [], max_steps=1)[-1].known == 0
    assert guidance.react([2], [0], max_steps=1) == ()


def _react(monkeypatch, guidance, ways, done):
    """The reaction to goal 9 where these are the ways there, the best score first."""
    told = tuple(
        tuple((Node(layer=0, parent=None, goal=0, answer=_E[0], known=step, score=1.0),) for step in way)
        for way in ways
    )
    monkeypatch.setattr(Guidance, "_ways", lambda *_: told)
    reaction = guidance.react([9], done, max_steps=9)
    return reaction[-1].known if reaction else None


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        # The best score.
        ((), 1),
        # The first way expected 1 and was wrong once, the second one was right.
        ((4,), 2),
        # The first way was wrong twice: 1 was still to come.
        ((4, 2), 5),
        # Both were wrong once; the first one goes on after 2.
        ((2,), 3),
        # 3 after 2 is right by the first way, and by the second one it had to be 5.
        ((2, 3), 9),
        # By the third way that was right; it does not come to the goal.
        ((6,), 1),
        # Nothing is left after 3 but the goal, though 1 and 2 were passed over.
        ((3,), 9),
        ((1, 2, 3, 9), None),
        # The goal has been reached, whatever the first way has to say.
        ((4, 2, 5, 9), None),
    ],
)
def test_the_way_that_foretold_most_is_followed(monkeypatch, guidance, done, expected):
    assert _react(monkeypatch, guidance, [(1, 2, 3, 9), (4, 2, 5, 9), (6, 7)], done) == expected


@pytest.mark.parametrize(
    ("ways", "done", "expected"),
    [
        # No way comes to the goal: the one with the best score.
        ([(1, 2, 3), (4, 5)], (), 1),
        ([(1, 2, 3), (4, 5)], (4,), 1),
        # What was passed over comes when nothing else is left, and then it goes on from there.
        ([(1, 2, 3)], (3,), 1),
        ([(1, 2, 3)], (3, 1), 2),
        ([(1, 2, 3)], (2, 3, 1), None),
        # What is not on the way does not change where it goes on.
        ([(1, 2, 3)], (1, 8), 2),
        # A way without a step.
        ([(), (1, 9)], (), 1),
        ([()], (), None),
    ],
)
def test_ways_that_do_not_come_to_the_goal(monkeypatch, guidance, ways, done, expected):
    assert _react(monkeypatch, guidance, ways, done) == expected
