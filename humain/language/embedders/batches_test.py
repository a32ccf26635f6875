"""Batches of like length, put back in order, on vectors computed by hand."""

import numpy as np
import pytest

from humain import errors
from humain.language.embedders import batches


def _embed(batch):
    """3 and 4 times the number of characters: of length 1, that is 0.6 and 0.8; sign by the first letter."""
    return np.array([[3.0 * len(text), (4.0 if text < "m" else -4.0) * len(text)] for text in batch])


def _run(sentences, batch_size, embed=_embed):
    seen: list[list[str]] = []
    told: list[int] = []

    def noting(batch):
        seen.append(list(batch))
        return embed(batch)

    vectors = batches.embed_in_batches(sentences, noting, width=2, batch_size=batch_size, report=told.append)
    return vectors, seen, told


def test_the_longest_go_together_and_come_back_in_order():
    vectors, seen, told = _run(["a", "zzz", "bb", "yyyy", "cc"], 2)
    assert seen == [["yyyy", "zzz"], ["bb", "cc"], ["a"]]
    assert told == [2, 4, 5]
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0.6, -0.8], [0.6, 0.8], [0.6, -0.8], [0.6, 0.8]], rtol=1e-6)


def test_nothing_is_no_batch():
    vectors, seen, told = _run([], 2)
    assert (vectors.shape, vectors.dtype) == ((0, 2), np.float32)
    assert seen == told == []


def test_one_batch_may_hold_all():
    assert _run(["a", "b"], 2)[1] == [["a", "b"]]
    assert _run(["a", "b"], 99)[1] == [["a", "b"]]


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_vector_without_a_direction_is_named(value):
    def embed(batch):
        return np.array([[value, 0.0] if text == "bad" else [1.0, 0.0] for text in batch])

    with pytest.raises(errors.UserError, match="^the embedding of 'bad' is zero or not finite; use another embedder"):
        _run(["good", "fine", "bad", "x"], 3, embed)


@pytest.mark.parametrize("blank", ["", " ", "\n\t"])
def test_a_blank_sentence_is_refused_before_any_is_embedded(blank):
    def embed(batch):
        raise AssertionError(batch)

    with pytest.raises(ValueError, match="sentence 1 is blank"):
        _run(["a", blank], 1, embed)


def test_a_batch_has_a_size():
    assert batches.check_batch_size(1) == 1
    with pytest.raises(ValueError, match="batch_size is 0; it must be at least 1"):
        batches.check_batch_size(0)
