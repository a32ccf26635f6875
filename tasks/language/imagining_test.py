"""Imagined sentences are the sums of what they take, and of what is left of two sentences that were said."""

import itertools

import numpy as np
import pytest

from tasks.language import imagining, paths

_THINGS = range(4)
_SAID = {4: (0, 1), 5: (1, 2), 6: (0, 2), 7: (2, 3), 8: (0, 3)}
_DIVIDED = [*((thing,) for thing in _THINGS), *((*taken, said) for said, taken in _SAID.items())]
_BEFORE = paths.always_before(_DIVIDED)


def _embeddings():
    """Things along axes of their own; sentences are the sums of what they take, and 10 along the last axis."""
    embeddings = np.zeros((9, 5), np.float32)
    embeddings[_THINGS, _THINGS] = 1
    for said, taken in _SAID.items():
        embeddings[said, list(taken)] = 1
        embeddings[said, 4] = 10
    return embeddings


def test_where_nothing_is_left_an_imagined_sentence_is_the_sum_of_what_it_takes():
    found = imagining.imagine(_DIVIDED, _embeddings(), _BEFORE, number=200, seed=0)
    assert len(found) == 200
    # Any two of four, 1 and 3 too, which no sentence takes.
    assert {each.taken for each in found} == set(itertools.combinations(_THINGS, 2))
    for each in found:
        expected = np.zeros(5)
        expected[[*each.taken, 4]] = [1, 1, 10]
        # But for the ridge.
        np.testing.assert_allclose(each.embedding, expected, atol=0.15)


def test_the_rest_varies_as_those_of_sentences_that_were_said():
    # Six sentences take the same two things, so that what is left of each is how its name differs from the mean: names
    # are numbers in two directions, of mean 0, and of a spread of sqrt(14 / 3) in the one and of sqrt(2 / 3) in the
    # other.
    names = np.array([[1, 1], [2, -1], [3, 0], [-1, 1], [-2, -1], [-3, 0]], np.float32)
    embeddings = np.concatenate([np.eye(2, 4, dtype=np.float32), np.concatenate([np.ones((6, 2)), names], axis=1)])
    divided = [(0, 1, said) for said in range(2, 8)]
    found = imagining.imagine(
        divided, embeddings.astype(np.float32), {0: frozenset(), 1: frozenset()}, number=4000, seed=0
    )
    rest = np.array([each.embedding[2:] for each in found])
    # Two turned into each other: hardly one like another, and none that is longer than the two longest.
    assert len({row.tobytes() for row in rest}) > 3900
    assert np.abs(rest[:, 0]).max() <= 3 * np.sqrt(2) + 1e-5
    np.testing.assert_allclose(rest.mean(axis=0), [0, 0], atol=0.1)
    np.testing.assert_allclose(np.cov(rest.T), [[14 / 3, 0], [0, 2 / 3]], atol=0.25)


def test_what_one_thing_needs_is_not_taken_beside_it():
    before = {**_BEFORE, 1: frozenset({0})}
    found = imagining.imagine(_DIVIDED, _embeddings(), before, number=100, seed=0)
    assert (0, 1) not in {each.taken for each in found}
    assert len({each.taken for each in found}) == 5


def test_the_same_seed_imagines_the_same():
    first, second, other = (
        imagining.imagine(_DIVIDED, _embeddings(), _BEFORE, number=9, seed=seed) for seed in (1, 1, 2)
    )
    assert [each.taken for each in first] == [each.taken for each in second] != [each.taken for each in other]
    np.testing.assert_array_equal([each.embedding for each in first], [each.embedding for each in second])


def test_nothing_is_imagined_where_nothing_was_joined():
    assert imagining.imagine([(0,), (0, 1)], _embeddings(), _BEFORE, number=5, seed=0) == ()
    assert imagining.imagine(_DIVIDED, _embeddings(), _BEFORE, number=0, seed=0) == ()
    everything = {thing: frozenset(_THINGS) for thing in _THINGS}
    assert imagining.imagine(_DIVIDED, _embeddings(), everything, number=5, seed=0) == ()


def test_a_negative_number_is_refused():
    with pytest.raises(ValueError, match="the number of imagined sentences must be 0 or more, not -1"):
        imagining.imagine(_DIVIDED, _embeddings(), _BEFORE, number=-1, seed=0)
