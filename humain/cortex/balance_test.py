"""Balance, by hand, on a world of three states: question s -> g has number 3 s + g."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from humain.cortex import balance
from humain.cortex.hindsight import Draws
from humain.spaces import Discrete
from humain.types import Context, Examples

SPACE = Discrete(3)


def examples(states: list[int], goals: list[int], scores: list[float], mask: list[bool] | None = None) -> Examples:
    count = len(states)
    return Examples(
        context=Context(
            states=jnp.array(states)[:, None],
            features=jnp.zeros((count, 1, 3)),
            mask=jnp.ones((count, 1), bool),
        ),
        goals=jnp.array(goals),
        targets=jnp.arange(count),  # tells the candidates apart
        scores=jnp.array(scores),
        mask=jnp.ones(count, bool) if mask is None else jnp.array(mask),
    )


def places(numbers: list[int]) -> Draws:
    """Places that are told apart by their walk's number."""
    walks = jnp.array(numbers)
    return Draws(walks=walks, times=10 * walks, goal_times=20 * walks, kept=jnp.zeros_like(walks))


def choose(tally: balance.Tally, candidates: Examples, batch_size: int) -> tuple[Examples, balance.Tally]:
    """Chooses where it does not matter where candidates lie."""
    return balance.choose(tally, SPACE, candidates, batch_size, places([0] * len(candidates.goals)))


def chosen(found: Examples) -> list[int]:
    return np.asarray(found.targets).tolist()


def test_the_best_of_a_question_comes_before_what_it_outdoes():
    candidates = examples([0, 0, 0], [1, 1, 1], [0.5, 0.75, 0.25])
    found, tally = choose(balance.begin(SPACE), candidates, 1)
    assert chosen(found) == [1]
    assert tally.best[1] == 0.75  # question 3 * 0 + 1
    np.testing.assert_array_equal(tally.counts, [0, 1, 0, 0, 0, 0, 0, 0, 0])


def test_what_was_outdone_in_an_earlier_batch_stays_outdone():
    _, tally = choose(balance.begin(SPACE), examples([0], [1], [0.75]), 1)
    # The only example of question 1 here is worse than one drawn before; question 5's is the best of its own.
    found, _ = choose(tally, examples([0, 1], [1, 2], [0.5, 0.25]), 1)
    assert chosen(found) == [1]


def test_the_least_learned_question_comes_first():
    tally = balance.begin(SPACE)
    tally = dataclasses.replace(tally, counts=tally.counts.at[1].set(4).at[2].set(2))
    # Questions 1, 2 and 5 have been learned 4, 2 and 0 times.
    found, after = choose(tally, examples([0, 0, 1], [1, 2, 2], [0.5, 0.5, 0.5]), 2)
    assert chosen(found) == [2, 1]
    np.testing.assert_array_equal(after.counts, [0, 4, 3, 0, 0, 1, 0, 0, 0])


def test_equals_are_taken_in_order():
    found, _ = choose(balance.begin(SPACE), examples([0, 1, 2], [1, 2, 0], [0.5, 0.5, 0.5]), 2)
    assert chosen(found) == [0, 1]


def test_a_question_is_asked_where_the_context_ends():
    # Both come from 0 and are at 2, with goal 1: question 3 * 2 + 1, twice.
    candidates = examples([0, 0], [1, 1], [0.5, 0.5])
    context = dataclasses.replace(candidates.context, states=jnp.array([[0, 2], [0, 2]]))
    _, tally = choose(balance.begin(SPACE), dataclasses.replace(candidates, context=context), 2)
    np.testing.assert_array_equal(tally.counts, [0, 0, 0, 0, 0, 0, 0, 2, 0])


def test_masked_candidates_come_last_and_count_for_nothing():
    candidates = examples([0, 0], [1, 1], [0.9, 0.2], [False, True])
    found, tally = choose(balance.begin(SPACE), candidates, 1)
    assert chosen(found) == [1]
    np.testing.assert_allclose(tally.best[1], 0.2)


def test_where_the_best_of_a_question_lies_is_remembered():
    tally = balance.begin(SPACE, remembers=True)
    candidates = examples([0, 0, 0, 1], [1, 1, 1, 2], [0.5, 0.75, 0.75, 0.25])
    _, tally = balance.choose(tally, SPACE, candidates, 2, places([3, 4, 5, 6]))
    # Question 1: the first of its two best; question 5: its only one.
    np.testing.assert_array_equal(tally.places.walks, [0, 4, 0, 0, 0, 6, 0, 0, 0])
    np.testing.assert_array_equal(tally.places.goal_times, [0, 80, 0, 0, 0, 120, 0, 0, 0])
    # As good is not better, and what is masked is not there.
    later = examples([0, 1, 1], [1, 2, 2], [0.75, 0.5, 0.9], [True, True, False])
    _, tally = balance.choose(tally, SPACE, later, 1, places([7, 8, 9]))
    np.testing.assert_array_equal(tally.places.walks, [0, 4, 0, 0, 0, 8, 0, 0, 0])


def test_the_least_learned_questions_are_those_drawn_and_learned_least():
    tally = balance.begin(SPACE, remembers=True)
    tally = dataclasses.replace(
        tally,
        counts=jnp.array([0, 9, 2, 0, 5, 0, 0, 0, 0]),
        best=jnp.array([-1.0, 0.5, 0.0, -1.0, 0.25, -1.0, -1.0, -1.0, -1.0]),
        places=places(list(range(9))),
    )
    # Questions 1, 2 and 4 have been drawn; a score of 0 is one.
    found, drawn = balance.least_learned(tally, 4)
    np.testing.assert_array_equal(found.walks[:3], [2, 4, 1])
    np.testing.assert_array_equal(found.times[:3], [20, 40, 10])
    np.testing.assert_array_equal(drawn, [True, True, True, False])
    every, drawn = balance.least_learned(tally, 100)
    assert every.walks.shape == (9,)
    assert int(drawn.sum()) == 3


def test_jit_gives_what_eager_gives():
    candidates = examples([0, 1, 2, 0], [1, 2, 0, 2], [0.5, 0.25, 0.75, 1.0])
    arguments = (balance.begin(SPACE, remembers=True), SPACE, candidates, 2, places([3, 4, 5, 6]))
    eager = balance.choose(*arguments)
    jitted = jax.jit(balance.choose, static_argnums=(1, 3))(*arguments)
    jax.tree.map(np.testing.assert_array_equal, eager, jitted)


def test_more_questions_than_entries_share_them(monkeypatch):
    monkeypatch.setattr(balance, "_MAX_QUESTIONS", 4)
    tally = balance.begin(SPACE)
    assert tally.counts.shape == tally.best.shape == (4,)
    # Questions 1 and 5 have one entry, 8 has the first.
    _, tally = choose(tally, examples([0, 1, 2], [1, 2, 2], [0.5, 0.25, 0.75]), 3)
    assert tally.counts.tolist() == [1, 2, 0, 0]
    assert tally.best.tolist() == [0.75, 0.5, -1, -1]


def test_a_tally_remembers_only_where_that_is_asked_for():
    assert [leaf.shape for leaf in jax.tree.leaves(balance.begin(SPACE).places)] == [(0,)] * 4
    remembering = balance.begin(SPACE, remembers=True)
    assert [leaf.shape for leaf in jax.tree.leaves(remembering.places)] == [(9,)] * 4
    assert all(int(leaf.sum()) == 0 for leaf in jax.tree.leaves(remembering.places))
    assert balance.begin(Discrete(2048)).counts.shape == (2048**2,)
    assert balance.begin(Discrete(2049)).counts.shape == (2**22,)


def test_what_is_outdone_comes_last_however_little_it_was_learned():
    tally = balance.begin(SPACE)
    tally = dataclasses.replace(tally, counts=tally.counts.at[5].set(2**20))
    # Question 1's second example is outdone by its first; question 5 was learned a million times.
    found, _ = choose(tally, examples([0, 0, 1], [1, 1, 2], [0.75, 0.5, 0.25]), 3)
    assert chosen(found) == [0, 2, 1]


def test_all_questions_may_be_learned_again_and_not_more():
    tally = balance.begin(SPACE, remembers=True)
    tally = dataclasses.replace(tally, counts=jnp.arange(9)[::-1], best=jnp.zeros(9), places=places(list(range(9))))
    found, drawn = balance.least_learned(tally, 9)
    assert found.walks.tolist() == [8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert drawn.all()
