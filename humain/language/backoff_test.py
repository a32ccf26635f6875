"""Waiting times, computed by hand."""

import datetime

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
