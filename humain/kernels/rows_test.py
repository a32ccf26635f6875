"""Rows by hand: where questions stand, how they are found again, and which are refused."""

import jax.numpy as jnp
import pytest

from humain.kernels.rows import DenseRows, SparseRows


def mixed(context, goal):
    """Both words of a question, mixed by the finaliser of MurmurHash3, in Python's numbers."""
    word = (context * 0x9E3779B1) % 2**32 ^ goal
    word = (word ^ (word >> 16)) * 0x85EBCA6B % 2**32
    word = (word ^ (word >> 13)) * 0xC2B2AE35 % 2**32
    return word ^ (word >> 16)


def test_a_question_alone_has_the_row_of_its_mixed_bits():
    rows = SparseRows(2**12)
    for question in ((0, 0), (0, 1), (1, 0), (70_000, 3), (2**31 - 1, 2**31 - 1)):
        context, goal = (jnp.array([word], jnp.int32) for word in question)
        _, found = rows.locate(rows.init(), context, goal, jnp.array([True]))
        assert found[0] == mixed(*question) % 2**12


def test_probing_begins_with_the_home_and_goes_round_at_the_end():
    # Four questions whose home is the last of four places: the others stand in places 0, 1 and 2, in any order.
    homes = [(context, goal) for context in range(40) for goal in range(40) if mixed(context, goal) % 4 == 3][:4]
    rows = SparseRows(4, max_probes=4)
    index, found = rows.init(), []
    for question in homes:
        context, goal = (jnp.array([word], jnp.int32) for word in question)
        index, at = rows.locate(index, context, goal, jnp.array([True]))
        found.append(int(at[0]))
    assert found == [3, 0, 1, 2]
    contexts, goals = (jnp.array(words, jnp.int32) for words in zip(*homes, strict=True))
    assert rows.find(index, contexts, goals).tolist() == found
    # With one probe less the last one is neither found nor stored.
    shorter = SparseRows(4, max_probes=3)
    assert shorter.find(index, contexts, goals).tolist() == [3, 0, 1, 4]
    index = rows.init()
    for place in range(4):
        index, at = shorter.locate(index, contexts[place, None], goals[place, None], jnp.array([True]))
    assert (int(at[0]), int(index.refused)) == (4, 1)


def test_a_question_that_shares_one_word_with_another_is_another():
    rows = SparseRows(1)
    asked = jnp.array([3, 3, 2], jnp.int32), jnp.array([5, 4, 5], jnp.int32)
    index, found = rows.locate(rows.init(), asked[0][:1], asked[1][:1], jnp.array([True]))
    assert found.tolist() == [0]
    assert rows.find(index, *asked).tolist() == [0, 1, 1]


def test_masked_questions_get_no_row_and_are_not_refused():
    for rows in (SparseRows(8), DenseRows(3, 4)):
        index, found = rows.locate(rows.init(), jnp.array([1, 2]), jnp.array([1, 3]), jnp.array([False, True]))
        assert found[0] == rows.num_rows
        assert found[1] < rows.num_rows
        assert index.refused == 0
    assert DenseRows(3, 4).find(DenseRows(3, 4).init(), jnp.array([0, 2]), jnp.array([3, 1])).tolist() == [3, 9]


def test_the_default_of_probes():
    assert SparseRows(4) == SparseRows(4, max_probes=256)
    assert (SparseRows(1).num_rows, DenseRows(3, 4).num_rows) == (1, 12)
    with pytest.raises(ValueError, match="power of two, not 0"):
        SparseRows(0)
