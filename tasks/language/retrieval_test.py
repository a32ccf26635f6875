"""What the baselines look up in a few small plans, whose sentences are orthogonal unless said otherwise."""

import numpy as np
import pytest

from humain.language.dataset import Dataset
from humain.language.vocabulary import IndexedPlan
from tasks.language import retrieval
from tasks.language.retrieval import LinearLookup, Lookup, NearestPlan, Retriever

_ORE, _BAR, _GEM, _RING, _CROWN, _NEW = range(6)
_SENTENCES = ("Mine ore.", "Smelt a bar.", "Mine a gem.", "Set a ring.", "Make a crown.", "Make a new thing.")
_LONG, _SHORT, _OTHER = (_GEM, _ORE, _BAR, _RING), (_ORE, _BAR, _CROWN), (_ORE, _GEM)
_ASKED = 3
"""Number of the plan whose goal is asked for."""


def _data(*, steps=(_ORE, _BAR), given=(), plans=(_LONG, _SHORT, _OTHER), embeddings=None):
    """Three plans of training, and one that is held out."""
    indexed = [IndexedPlan(f"goal {number}", plan) for number, plan in enumerate(plans)]
    indexed.append(IndexedPlan("asked", steps, "heldout", (), given))
    embeddings = np.eye(len(_SENTENCES), dtype=np.float32) if embeddings is None else embeddings
    return Dataset(
        tuple(indexed), _SENTENCES, embeddings, np.ones((len(indexed), len(_SENTENCES)), np.float32), "e", "w"
    )


def _tilted(sentence, **amounts):
    """Orthogonal sentences but one, which is `amounts` of others."""
    embeddings = np.eye(len(_SENTENCES), dtype=np.float32)
    embeddings[sentence] = 0
    for name, amount in amounts.items():
        embeddings[sentence, globals()[f"_{name}"]] = amount
    return embeddings


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        # The bar comes third in the first plan and second in the second one.
        ([_BAR], [_ORE, _BAR]),
        # First in the first plan, second in the third one.
        ([_GEM], [_GEM]),
        ([_RING], [_GEM, _ORE, _BAR, _RING]),
        # The ring's way has ore and bar already.
        ([_RING, _CROWN], [_GEM, _ORE, _BAR, _RING, _CROWN]),
        ([_CROWN, _RING], [_ORE, _BAR, _CROWN, _GEM, _RING]),
        # On the way to the ring the bar is made.
        ([_RING, _BAR], [_GEM, _ORE, _BAR, _RING]),
    ],
)
def test_lookup_joins_the_shortest_stored_paths_less_what_was_done(asked, expected):
    assert Lookup(_data(), {_ASKED: asked}).plan(_ASKED, max_steps=9) == expected
    assert Lookup(_data(), {_ASKED: asked}).plan(_ASKED, max_steps=2) == expected[:2]


def test_lookup_goes_on_with_the_stored_path_that_what_was_done_fits():
    lookup = Lookup(_data(), {_ASKED: [_BAR, _CROWN]})
    assert lookup.following(_ASKED, []) == _ORE
    # Only the longer path to the bar begins with a gem.
    assert lookup.following(_ASKED, [_GEM]) == _ORE
    assert lookup.following(_ASKED, [_GEM, _ORE]) == _BAR
    # The bar is done: on to the crown.
    assert lookup.following(_ASKED, [_ORE, _BAR]) == _CROWN
    assert lookup.following(_ASKED, [_ORE, _BAR, _CROWN]) is None


def test_lookup_knows_no_path_to_what_is_given_but_that_to_the_most_similar_sentence():
    data = _data(steps=(_GEM, _NEW), given=(_NEW,), embeddings=_tilted(_NEW, CROWN=0.8, RING=0.6))
    assert Lookup(data, {_ASKED: [_NEW]}).plan(_ASKED, max_steps=9) == [_ORE, _BAR, _CROWN, _NEW]


def test_a_plan_that_is_held_out_is_not_stored():
    data = _data(steps=(_RING,))
    assert Lookup(data, {_ASKED: [_RING]}).plan(_ASKED, max_steps=9) == list(_LONG)
    assert NearestPlan(data, {_ASKED: [_RING]}).plan(_ASKED, max_steps=9) == list(_LONG)
    assert Retriever(data, {_ASKED: [_RING]}).plan(_ASKED, max_steps=9) == list(_LONG)


@pytest.mark.parametrize(
    ("steps", "share"),
    [
        ((_ORE, _BAR), 1.0),  # the second plan up to the bar
        ((_GEM, _ORE, _BAR), 1.0),  # the first one
        ((_GEM, _ORE, _BAR, _CROWN), 0.0),
        ((_ORE, _BAR, _GEM), 0.0),
        ((_BAR,), 0.0),  # part of a plan, and not from its start on
    ],
)
def test_a_stored_path_is_a_plan_up_to_a_sentence(steps, share):
    assert retrieval.share_stored(_data(steps=steps), "heldout") == share


def test_the_share_of_stored_paths_is_that_of_a_split():
    plans = [IndexedPlan("a", _LONG), *(IndexedPlan("b", steps, "new") for steps in (_LONG[:2], _LONG[:3], (_BAR,)))]
    embeddings = np.eye(6, dtype=np.float32)
    data = Dataset(tuple(plans), _SENTENCES, embeddings, embeddings[:4], "e", "w")
    # Two of the three are beginnings of the plan.
    assert retrieval.share_stored(data, "new") == pytest.approx(2 / 3)
    assert retrieval.share_stored(data, "none") is None


def test_a_blueprint_is_a_stored_path_only_as_a_whole():
    blueprint = IndexedPlan("new", (_ORE, _GEM, _NEW), "blueprints", (), (_NEW,))
    stored = retrieval.stored_paths([IndexedPlan("a", _OTHER), blueprint])
    assert stored == {_ORE: [(_ORE,)], _GEM: [(_ORE, _GEM)], _NEW: [(_ORE, _GEM, _NEW)]}


def test_the_plan_that_ends_most_alike_is_taken_without_what_was_done():
    data = _data(embeddings=_tilted(_BAR, RING=0.6, CROWN=0.8))
    assert NearestPlan(data, {_ASKED: [_BAR]}).plan(_ASKED, max_steps=9) == [_ORE, _BAR, _CROWN]
    assert NearestPlan(data, {_ASKED: [_BAR, _RING]}).plan(_ASKED, max_steps=9) == [_ORE, _BAR, _CROWN, _GEM, _RING]
    assert NearestPlan(data, {_ASKED: [_BAR]}).plan(_ASKED, max_steps=2) == [_ORE, _BAR]


def test_what_follows_in_the_nearest_plan_is_its_first_sentence_not_done():
    nearest = NearestPlan(_data(), {_ASKED: [_CROWN]})
    assert nearest.following(_ASKED, []) == _ORE
    assert nearest.following(_ASKED, [_GEM, _ORE]) == _BAR
    assert nearest.following(_ASKED, [_BAR, _CROWN]) == _ORE
    assert nearest.following(_ASKED, [_CROWN, _BAR, _ORE]) is None


@pytest.mark.parametrize(
    ("goal", "done", "expected"),
    [
        # At first what is asked for alone.
        (_CROWN, [], _ORE),
        (_RING, [], _GEM),
        # After the bar, both plans with a bar have 1 for it, and the one that ends as asked 1 more.
        (_CROWN, [_ORE, _BAR], _CROWN),
        (_RING, [_ORE, _BAR], _RING),
        # After the gem in the first plan there is ore, and the third one ends.
        (_RING, [_GEM], _ORE),
        (_CROWN, [_CROWN], None),
    ],
)
def test_what_came_next_in_the_most_similar_situation_is_retrieved(goal, done, expected):
    assert Retriever(_data(), {_ASKED: [goal]}).following(_ASKED, done) == expected


def test_retrieved_sentences_are_strung_together_for_one_goal_after_the_other():
    retriever = Retriever(_data(), {_ASKED: [_CROWN, _RING]})
    assert retriever.plan(_ASKED, max_steps=9) == [_ORE, _BAR, _CROWN, _GEM, _RING]
    assert retriever.plan(_ASKED, max_steps=2) == [_ORE, _BAR]
    # The crown is done: on to the ring, from where the bar is.
    assert retriever.following(_ASKED, [_CROWN, _BAR]) == _RING


def test_a_circle_is_left_where_a_sentence_would_come_again():
    # Ore, bar, ore, ...: after the ore a bar, and after the bar the ore again.
    data = _data(plans=((_ORE, _BAR, _ORE, _RING), _OTHER, _OTHER))
    assert Retriever(data, {_ASKED: [_RING]}).plan(_ASKED, max_steps=9) == [_ORE, _BAR]


def test_what_a_given_sentence_takes_is_read_by_least_squares_and_looked_up():
    # Sentences are the sums of what they take; plans for each alone, and for each pair.
    a, b, c, ab, bc, ac, abc = range(7)
    embeddings = np.zeros((7, 3), np.float32)
    for sentence, parts in ((a, [0]), (b, [1]), (c, [2]), (ab, [0, 1]), (bc, [1, 2]), (ac, [0, 2]), (abc, [0, 1, 2])):
        embeddings[sentence, parts] = 1
    plans = [
        *(IndexedPlan("make", (part,)) for part in (a, b, c)),
        *(
            IndexedPlan("make", (*parts, whole), "blueprints", (), (whole,))
            for parts, whole in (((a, b), ab), ((b, c), bc), ((a, c), ac))
        ),
        IndexedPlan("asked", (a, b, c, abc), "composition", (), (abc,)),
    ]
    data = Dataset(tuple(plans), tuple("abcdefg"), embeddings, np.ones((7, 3), np.float32), "e", "w")
    reader = LinearLookup(data, {6: [abc]})
    # Each of the three pairs lies opposite to what it does not take, so that, less a penalty, ab is read as 1.5 of a
    # and of b and -0.5 of c, and abc, by symmetry, as 1.5 of each; all that is taken is above 0.4.
    assert reader.plan(6, max_steps=9) == [a, b, c, abc]
    # A blueprint is read as well.
    assert LinearLookup(data, {6: [ab]}).plan(6, max_steps=9) == [a, b, ab]
    # What is not given is looked up.
    assert LinearLookup(data, {6: [b]}).plan(6, max_steps=9) == [b]
    assert reader.following(6, [a, c]) == b


def test_without_blueprints_what_is_given_is_looked_up():
    data = _data(steps=(_GEM, _NEW), given=(_NEW,), embeddings=_tilted(_NEW, CROWN=0.8, RING=0.6))
    assert LinearLookup(data, {_ASKED: [_NEW]}).plan(_ASKED, max_steps=9) == [_ORE, _BAR, _CROWN, _NEW]
