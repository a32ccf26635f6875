"""Waiting times, computed by hand."""

import datetime
import functools

import pytest

from humain.language import backoff
from humain.language.backoff import Backoff

_NOON = datetime.datetime(2026, 11, 24, 12, 0, 0, tzinfo=datetime.UTC)


def test_waits_double_up_to_the_longest():
    # 2 * 2 ** n, at most 10, of which the draw of 0.5 takes three quarters.
    waits = Backoff(first_seconds=2, longest_seconds=10, draw=lambda: 0.5)
    assert [waits.seconds(num_tried) for num_tried in (1, 2, 3, 4, 5000)] == [1.5, 3, 6, 7.5, 7.5]


def test_jitter_lies_between_the_half_and_the_whole():
    assert Backoff(first_seconds=8, draw=lambda: 0.0).seconds(1) == 4
    drawn = {Backoff(first_seconds=8).seconds(1) for _ in range(50)}
    assert len(drawn) > 1
    assert min(drawn) >= 4 and max(drawn) < 8


def test_a_server_s_wish_is_the_least():
    waits = Backoff(first_seconds=8, draw=lambda: 0.0)
    assert waits.seconds(1, 20.5) == 20.5
    assert waits.seconds(1, 1.0) == 4


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after-ms": "1500", "retry-after": "20"}, 1.5),
        ({"retry-after": "Tue, 24 Nov 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Tue, 24 Nov 2026 13:00:30 +0100"}, 30),
        ({"retry-after": "Tue, 24 Nov 2026 12:00:30 -0000"}, 30),
        ({"retry-after": "Tue, 24 Nov 2026 11:59:00 GMT"}, 0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_what_is_asked(headers, expected):
    assert backoff.asked_seconds(headers, _NOON) == expected


def test_the_present_is_now():
    assert backoff.asked_seconds({"retry-after": "Tue, 24 Nov 2020 12:00:30 GMT"}) == 0


def test_there_is_a_first_try():
    with pytest.raises(ValueError, match="num_tries is 0; it must be at least 1"):
        Backoff(num_tries=0)


def test_the_defaults():
    waits = Backoff()
    assert (waits.num_tries, waits.first_seconds, waits.longest_seconds, waits.patience_seconds) == (6, 1, 60, 300)
    assert Backoff(num_tries=1).num_tries == 1


def test_a_wait_lies_between_half_and_all_of_a_doubling_bound():
    # 3, 6, 12 and then the bound of 20: half of each, and of a number just below 1 nearly all.
    for draw, share in ((0.0, 0.5), (0.5, 0.75)):
        waits = Backoff(first_seconds=3.0, longest_seconds=20.0, draw=functools.partial(float, draw))
        assert [waits.seconds(tried) for tried in (1, 2, 3, 4, 9)] == [share * most for most in (3, 6, 12, 20, 20)]
    assert Backoff(first_seconds=1.0, longest_seconds=1e30, draw=lambda: 0.0).seconds(10_000) == 2.0**64 / 2
    assert [Backoff(draw=lambda: 0.0).seconds(1, asked) for asked in (None, 0.0, 7.5)] == [0.5, 0.5, 7.5]
    assert Backoff(draw=lambda: 0.0).seconds(1, 0.25) == 0.5


def test_milliseconds_come_before_seconds_and_less_than_nothing_is_nothing():
    assert backoff.asked_seconds({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    assert backoff.asked_seconds({"retry-after-ms": "soon", "retry-after": "9"}) == 9
    assert backoff.asked_seconds({"retry-after": "-3"}) == 0
    assert backoff.asked_seconds({"retry-after": "inf"}) is None
