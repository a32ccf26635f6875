"""Guides of a hierarchy that knows a few plans by heart."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain import acting, learning
from humain.abstraction.chunk_mean import ChunkMean
from humain.abstraction.skip import Skip
from humain.cortex import hindsight
from tasks.language import experience, layers
from tasks.language.guiding import Guidance, Guide, Node
from tasks.language.paths import Path
from tasks.language.small_model import CONFIG

_NUM_SENTENCES = 7
_E = 0.8 * np.eye(_NUM_SENTENCES, dtype=np.float32)
_STOP = 2.0
_LONG = (0, 1, 2)
_SHORT = (0, 3)
_FORK = ((4, 6), (5, 6))
"""Two ways to sentence 6."""
_NUM_UPDATES = 400


def _guidance(trained, *, max_steps=9, max_sub_steps=4):
    """What was trained, for guides of so many steps and goals of so many answers."""
    model, state = trained
    bounds = {"max_sub_steps": max_sub_steps, "max_nodes": max_steps}
    layers = tuple(dataclasses.replace(layer, **bounds) for layer in model.layers)
    return Guidance(dataclasses.replace(model, layers=layers), state, _E, max_steps)


def _short(trained, max_steps):
    """It, in sight of the best way to 2 alone: another hypothesis may come there in fewer steps than it takes."""
    guidance = _guidance(trained, max_steps=max_steps)
    guidance.think_of([2])
    guidance._plans[2] = guidance._plans[2][:1]
    return guidance


@pytest.fixture(scope="module")
def trained():
    """Two layers, chunks of two sentences, trained on four paths."""
    abstractions = (ChunkMean(2), Skip(100))
    paths = [Path(steps, 1.0) for steps in (_LONG, _SHORT, *_FORK)]
    trajectories = experience.trajectories(paths, _E, score_discount=0.9)
    _, chunks = hindsight.answers(trajectories, abstractions)
    model = layers.build_model(CONFIG, (_E, np.asarray(chunks)), num_updates=_NUM_UPDATES, stop=_STOP)
    config = learning.LearningConfig(batch_size=32)
    begun = learning.begin(model, config, abstractions, jax.random.key(0))
    update, training_data = (
        learning.build_update(model, config),
        learning.gather(model, config, begun.state, trajectories),
    )

    @jax.jit
    def train(begun, training_data):
        def body(learner, step):
            return update(learner, training_data, step)[0], None

        return jax.lax.scan(body, begun, jnp.arange(_NUM_UPDATES))[0]

    return model, train(begun, training_data).state


@pytest.fixture(scope="module")
def guidance(trained):
    """It, for up to nine steps."""
    return _guidance(trained)


def _known(nodes):
    return [node.known for node in nodes]


def _places(nodes):
    return [(node.layer, node.parent, node.goal, node.known, node.repeated) for node in nodes]


# The top layer's known states: the chunks (0, 1), (2), (0, 3), (4, 6) and (5, 6).
_NODES_OF_2 = [
    (1, None, 0, 0, False),
    (0, 0, 0, 0, False),
    (0, 0, 0, 1, False),
    (1, None, 0, 1, False),
    (0, 3, 0, 2, False),
]


def test_a_plan_is_thought_out_from_top_to_bottom(guidance):
    guide = guidance.think([2])
    assert _places(guide.nodes) == _NODES_OF_2
    assert guide.finished
    assert _known(guide.steps) == [0, 1, 2]
    # Above, 3 sentences to go for the first chunk, 0.9 ** 2, and 1 for the second; below, 2 and 1 and then 1 to go in a
    # chunk, 0.81, 0.9 and 0.9.
    np.testing.assert_allclose([node.score for node in guide.nodes], [0.81, 0.81, 0.9, 1, 0.9], atol=0.08)
    for node in guide.steps:
        np.testing.assert_array_equal(node.answer, _E[node.known])


def test_plans_are_those_that_were_learned(guidance):
    assert _known(guidance.think([3]).steps) == [0, 3]
    assert tuple(_known(guidance.think([6]).steps)) in _FORK


def test_several_goals_are_one_episode(guidance):
    guide = guidance.think([2, 3])
    # 0 is on the way to 3 too; it has been done.
    assert _places(guide.nodes) == [
        *_NODES_OF_2,
        (1, None, 1, 2, False),
        (0, 5, 1, 0, True),
        (0, 5, 1, 3, False),
    ]
    assert _known(guide.steps) == [0, 1, 2, 3]
    assert guide.finished


def test_a_goal_that_was_passed_needs_nothing(guidance):
    guide = guidance.think([2, 0, 2])
    assert _places(guide.nodes) == _NODES_OF_2
    assert guide.finished


def test_no_goal_needs_nothing(guidance):
    assert guidance.think([]) == Guide((), finished=True)
    assert guidance.react([], []) == ()
    assert guidance.react_on([]) == Guide((), finished=True)


@pytest.mark.parametrize(("max_steps", "num_nodes"), [(1, 2), (2, 3)])
def test_a_plan_that_is_too_long_is_cut(trained, max_steps, num_nodes):
    guide = _guidance(trained, max_steps=max_steps).think([2])
    assert _places(guide.nodes) == _NODES_OF_2[:num_nodes]
    assert not guide.finished


def test_a_plan_of_just_max_steps_is_finished(trained):
    guide = _guidance(trained, max_steps=3).think([2])
    assert _places(guide.nodes) == _NODES_OF_2
    assert guide.finished


def test_what_was_done_before_does_not_count_as_a_step(trained):
    assert _guidance(trained, max_steps=4).think([2, 3]).finished
    assert not _guidance(trained, max_steps=3).think([2, 3]).finished


def test_a_layer_answers_only_so_often(trained):
    # One answer of the top layer, and one of the bottom layer under it.
    guide = _guidance(trained, max_sub_steps=1).think([2])
    assert _places(guide.nodes) == _NODES_OF_2[:2]
    assert not guide.finished


def test_a_reaction_is_the_first_step_that_is_not_done(guidance):
    reactions = [guidance.react([2], _LONG[:time]) for time in range(4)]
    assert _known(reaction[-1] for reaction in reactions[:3]) == [0, 1, 2]
    assert reactions[3] == ()
    # The chunk (0, 1) asked for 0 and 1, and the chunk (2) for 2.
    assert [[(node.layer, node.known) for node in reaction] for reaction in reactions[:3]] == [
        [(1, 0), (0, 0)],
        [(1, 0), (0, 1)],
        [(1, 1), (0, 2)],
    ]


def test_reactions_make_the_plan_that_was_thought_out_where_nothing_comes_between(guidance):
    guide = guidance.react_on([2])
    assert _places(guide.nodes) == _NODES_OF_2
    assert guide.finished
    for node, thought in zip(guide.nodes, guidance.think([2]).nodes, strict=True):
        assert node.score == thought.score
        np.testing.assert_array_equal(node.answer, thought.answer)


def test_reactions_to_several_goals_stand_under_what_asked_for_them(guidance):
    guide = guidance.react_on([2, 3])
    # 0 was done on the way to 2.
    assert _places(guide.nodes) == [*_NODES_OF_2, (1, None, 1, 2, False), (0, 5, 1, 3, False)]
    assert guide.finished


@pytest.mark.parametrize(("max_steps", "num_nodes"), [(1, 2), (2, 3)])
def test_reactions_that_are_too_many_are_cut(trained, max_steps, num_nodes):
    guide = _short(trained, max_steps).react_on([2])
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
    guide = guidance.react_on([9])
    assert [(node.layer, node.parent) for node in guide.nodes] == expected
    assert _known(guide.steps) == [reaction[-1].known for reaction in reactions]
    assert not guide.finished


def test_a_reaction_goes_on_from_what_was_done_last(guidance):
    # 0 was passed over.
    assert guidance.react([2], [1])[-1].known == 2


def test_a_reaction_follows_the_way_that_was_taken(guidance):
    assert guidance.react([6], [])[-1].known in (4, 5)
    for first, goal in _FORK:
        assert guidance.react([6], [first])[-1].known == goal
        assert guidance.react([6], [first, goal]) == ()


def test_a_reaction_turns_to_the_next_goal(guidance):
    assert guidance.react([2, 3], [0, 1])[-1].known == 2
    assert guidance.react([2, 3], [0, 1, 2])[-1].known == 3
    assert guidance.react([2, 3], [0, 1, 2, 3]) == ()


def test_a_reaction_looks_through_max_steps(trained):
    # All that it sees of the way to 2 is sentence 0.
    short = _short(trained, 1)
    assert short.react([2], [])[-1].known == 0
    assert short.react([2], [0]) == ()


def test_goals_that_were_thought_of_together_are_thought_out_alike(trained, guidance):
    together = _guidance(trained)
    together.think_of([2, 3, 6, 2])
    for goal in (2, 3, 6):
        assert _places(together.think([goal]).nodes) == _places(guidance.think([goal]).nodes)


@pytest.mark.parametrize("way", [_LONG, _SHORT])
def test_acting_step_by_step_does_what_was_thought_out(trained, way):
    model, state = trained
    episode, here = acting.begin(model, 1), experience.start(_E)[None]
    for step in way:
        episode, reaction = acting.react(model, state, episode, here, _E[[way[-1]]])
        here = np.asarray(reaction.action)
        np.testing.assert_array_equal(here[0], _E[step])
    # At the goal it stays.
    _, reaction = acting.react(model, state, episode, here, _E[[way[-1]]])
    np.testing.assert_array_equal(reaction.action, here)


def _divided(guidance, *ways):
    """It, where sentence 6 is given with a goal, and a layer above that has such ways of milestones to it."""
    nodes = tuple(tuple(Node(0, None, 0, _E[step], step, 0.5) for step in way) for way in ways)
    above = dataclasses.replace(guidance, _plans={6: nodes})
    return dataclasses.replace(guidance, num_shared=6, milestones=above, _plans={})


def test_what_is_given_is_reached_by_way_of_its_milestones(guidance):
    guide = _divided(guidance, (2, 3, 6)).think([6])
    # 0, 1, 2 to the first milestone; 0, 3 to the second one, of which 0 is done; and the given sentence itself.
    assert _known(guide.steps) == [0, 1, 2, 3, 6]
    assert guide.finished
    top = [(place, node) for place, node in enumerate(guide.nodes) if node.layer == 2]
    assert [node.known for _, node in top] == [2, 3, 6]
    assert all(node.parent is None for _, node in top)
    for place, node in enumerate(guide.nodes):
        if node.layer < 2:
            assert guide.nodes[node.parent].layer == (2 if node.known == 6 else node.layer + 1)
            assert node.parent < place
    done_again = [node.known for node in guide.nodes if node.repeated]
    assert done_again == [0]


def test_other_given_sentences_and_what_comes_after_the_goal_are_left_out(guidance):
    # 5 is given too, with another goal: nothing is known of it.
    divided = dataclasses.replace(_divided(guidance, (5, 3, 6, 2)), num_shared=5)
    assert _known(divided.think([6]).steps) == [0, 3, 6]


def test_a_reaction_goes_on_by_way_of_milestones(guidance):
    divided = _divided(guidance, (2, 3, 6), (3, 6))
    assert [node.known for node in divided.react([6], [0, 1])][-1] == 2
    # The second hypothesis has foretold what was done.
    assert [node.known for node in divided.react([6], [0, 3])][-1] == 6
    assert divided.react([6], [0, 3, 6]) == ()


def test_without_milestones_what_is_given_is_asked_for_like_any_sentence(guidance):
    alone = dataclasses.replace(guidance, num_shared=6, _plans={})
    assert _known(alone.think([6]).steps) == _known(guidance.think([6]).steps)
