"""What is read of sentences whose embeddings are sums of what they take, by hand."""

import numpy as np
import pytest

from tasks.language import reading

_TAKEN = [(0, 1), (0, 2), (1, 2), (0,), (1,), (2,), (0, 1, 2)] * 4
_AMOUNTS = reading.amounts_taken(_TAKEN, 3)
_ADDED = np.array([[1, 0, 0, 0, 0], [0.9, 0.3, 0, 0, 0], [0, 0, 1, 0, 0]])
"""What each of three things adds; the first two are much alike."""
_SHARED = np.array([0, 0, 0, 1, 0])


def _said(*, rest):
    """Sums of what is taken and of what all share, and a rest, which is named by its directions."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(len(_AMOUNTS), 5)) * np.asarray(rest)
    return _AMOUNTS @ _ADDED + _SHARED + noise - noise.mean(axis=0)


def test_amounts_are_1_for_what_is_taken():
    np.testing.assert_array_equal(reading.amounts_taken([(2, 0), (), (1,)], 3), [[1, 0, 1], [0, 0, 0], [0, 1, 0]])


def test_what_is_taken_is_read():
    read = reading.fit(_said(rest=[0.01] * 5), _AMOUNTS).read(_said(rest=[0] * 5))
    # The penalties leave a little less than all; half is the line.
    np.testing.assert_array_equal(read > 0.5, _AMOUNTS > 0.5)
    np.testing.assert_allclose(read, _AMOUNTS, atol=0.25)


def test_directions_in_which_the_rests_vary_count_for_little():
    # Each thing adds 1 in two directions; in the first of them the rests of sentences vary as much as that.
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(len(_AMOUNTS), 6)) * [1, 1, 1, 0.05, 0.05, 0.05]
    said = _AMOUNTS @ np.tile(np.eye(3), 2) + noise
    fitted = reading.fit(said, _AMOUNTS)
    # A half of each, which least squares that take all directions alike would read, misses about every third thing.
    np.testing.assert_array_equal(fitted.read(said) > 0.5, _AMOUNTS > 0.5)
    noisy, sure = np.diag(fitted.weights[:3]), np.diag(fitted.weights[3:])
    assert np.all(np.abs(noisy) < 0.2 * sure)


def test_what_is_read_is_linear_beyond_what_all_share():
    fitted = reading.fit(_said(rest=[0.1] * 5), _AMOUNTS)
    one, other = np.eye(5)[:2]
    np.testing.assert_allclose(fitted.read(fitted.offset), np.zeros(3), atol=1e-12)
    joined = fitted.read(fitted.offset + one + other)
    np.testing.assert_allclose(joined, fitted.read(fitted.offset + one) + fitted.read(fitted.offset + other))


def test_known_sentences_are_read_by_others():
    said = _said(rest=[0.1] * 5)
    read = reading.read_by_others(said, _AMOUNTS)
    # What is said of the first one to be taken changes nothing of how it is read itself, and something of others.
    changed = _AMOUNTS.copy()
    changed[0] = 1 - changed[0]
    again = reading.read_by_others(said, changed)
    np.testing.assert_array_equal(again[0], read[0])
    assert not np.allclose(again[1], read[1])
    # Read by itself it would be told better.
    own = reading.fit(said, _AMOUNTS).read(said)
    assert np.mean(np.square(own - _AMOUNTS)) < np.mean(np.square(read - _AMOUNTS))


def test_a_single_sentence_is_read_by_itself():
    said, amounts = np.array([[1.0, 2.0]]), np.array([[1.0, 0.0]])
    read = reading.read_by_others(said, amounts)
    np.testing.assert_array_equal(read, reading.fit(said, amounts).read(said))
    assert np.isfinite(read).all()
    # Of a thing that nothing takes there is nothing to read.
    assert read[0, 1] == 0


@pytest.mark.parametrize(("num_said", "num_amounts"), [(0, 0), (2, 1)])
def test_what_is_no_set_of_known_sentences_is_refused(num_said, num_amounts):
    with pytest.raises(ValueError, match=f"^{num_said} sentences and {num_amounts} rows of amounts are no known"):
        reading.fit(np.ones((num_said, 2)), np.ones((num_amounts, 3)))
