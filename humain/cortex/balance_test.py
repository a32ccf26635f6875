"""Balance, by hand, on a world of three states: question s -> g has number 3 s + g."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from humain.cortex import balance
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


def chosen(found: Examples) -> list[int]:
    return np.asarray(found.targets).tolist()


def test_the_best_of_a_question_comes_before_what_it_outdoes():
    candidates = examples([0, 0, 0], [1, 1, 1], [0.5, 0.75, 0.25])
    found, tally = balance.choose(balance.begin(SPACE), SPACE, candidates, 1)
    assert chosen(found) == [1]
    assert tally.best[1] == 0.75  # question 3 * 0 + 1
    np.testing.assert_array_equal(tally.counts, [0, 1, 0, 0, 0, 0, 0, 0, 0])


def test_what_was_outdone_in_an_earlier_batch_stays_outdone():
    _, tally = balance.choose(balance.begin(SPACE), SPACE, examples([0], [1], [0.75]), 1)
    # The only example of question 1 here is worse than one drawn before; question 5's is the best of its own.
    found, _ = balance.choose(tally, SPACE, examples([0, 1], [1, 2], [0.5, 0.25]), 1)
    assert chosen(found) == [1]


def test_the_least_learned_question_comes_first():
    tally = balance.begin(SPACE)
    tally = dataclasses.replace(tally, counts=tally.counts.at[1].set(4).at[2].set(2))
    # Questions 1, 2 and 5 have been learned 4, 2 and 0 times.
    found, after = balance.choose(tally, SPACE, examples([0, 0, 1], [1, 2, 2], [0.5, 0.5, 0.5]), 2)
    assert chosen(found) == [2, 1]
    np.testing.assert_array_equal(after.counts, [0, 4, 3, 0, 0, 1, 0, 0, 0])


def test_equals_are_taken_in_order():
    found, _ = balance.choose(balance.begin(SPACE), SPACE, examples([0, 1, 2], [1, 2, 0], [0.5, 0.5, 0.5]), 2)
    assert chosen(found) == [0, 1]


def test_masked_candidates_come_last_and_count_for_nothing():
    candidates = examples([0, 0], [1, 1], [0.9, 0.2], [False, True])
    found, tally = balance.choose(balance.begin(SPACE), SPACE, candidates, 1)
    assert chosen(found) == [1]
    np.testing.assert_allclose(tally.best[1], 0.2)


def test_jit_gives_what_eager_gives():
    candidates = examples([0, 1, 2, 0], [1, 2, 0, 2], [0.5, 0.25, 0.75, 1.0])
    eager = balance.choose(balance.begin(SPACE), SPACE, candidates, 2)
    jitted = jax.jit(balance.choose, static_argnums=(1, 3))(balance.begin(SPACE), SPACE, candidates, 2)
    jax.tree.map(np.testing.assert_array_equal, eager, jitted)
