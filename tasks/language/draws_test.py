"""Draws are those of SHA-256, spread over the options, and know one list of words from another."""

import collections
import hashlib

import pytest

from tasks.language import draws


def test_a_number_is_the_head_of_the_digest():
    # sha256("3:saw0:"): each word after its length.
    digest = hashlib.sha256(b"3:saw0:").hexdigest()
    assert draws.number("saw", "") == int(digest[:16], 16)


def test_numbers_do_not_change_with_the_version():
    # First 16 digits of `printf '5:radar' | sha256sum`.
    assert draws.number("radar") == 0xDB2D86C37FDD61C3


def test_words_are_kept_apart():
    lists = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("a", "b"), ("a1:b",), ("b", "a")]
    assert len({draws.number(*words) for words in lists}) == len(lists)


def test_a_choice_is_an_option_and_every_option_is_chosen():
    # 900 draws from 3: 300 each, standard deviation sqrt(900 * 1/3 * 2/3) = 14.1; 60 is more than four of them.
    counts = collections.Counter(draws.choose("xyz", str(word)) for word in range(900))
    assert set(counts) == set("xyz")
    assert all(abs(count - 300) < 60 for count in counts.values())


def test_nothing_to_choose_from_is_refused():
    with pytest.raises(ValueError, match="nothing to choose from for \\('radar',\\)"):
        draws.choose([], "radar")
