"""Waiting times before a request is repeated: growing, random, and at least as long as the server asks."""

import dataclasses
import datetime
import email.utils
import math
import random
import time
from collections.abc import Callable, Mapping


@dataclasses.dataclass(frozen=True)
class Backoff:
    """Waiting times that double, with jitter, so that many clients don't retry at the same time.

    Attributes:
        num_tries: the largest number of times that a request is made, at least 1.
        first_seconds: the longest wait after the first try; it doubles with each further one.
        longest_seconds: the bound of that doubling.
        patience_seconds: the longest wait that a server may ask for; a request that has to wait longer fails.
        sleep: waits a number of seconds.
        draw: returns a random number in [0, 1).
    """

    num_tries: int = 6
    first_seconds: float = 1.0
    longest_seconds: float = 60.0
    patience_seconds: float = 300.0
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        if self.num_tries < 1:
            raise ValueError(f"num_tries is {self.num_tries}; it must be at least 1")

    def seconds(self, num_tried: int, asked_seconds: float | None = None) -> float:
        """Returns how long to wait after `num_tried` tries: at least what the server asks for.

        Args:
            num_tried: the number of tries that have failed, at least 1.
            asked_seconds: the wait that the server asks for, or None.

        Returns:
            Seconds, between half and all of `first_seconds * 2 ** (num_tried - 1)` if the server asks for nothing.
        """
        longest = min(self.first_seconds * 2.0 ** min(num_tried - 1, 64), self.longest_seconds)
        return max(longest * (1 + self.draw()) / 2, asked_seconds or 0.0)


def asked_seconds(headers: Mapping[str, str], now: datetime.datetime | None = None) -> float | None:
    """Returns the wait that the headers of a response ask for.

    Args:
        headers: the headers by lower-case name: `retry-after-ms`, or `retry-after` as seconds or as an HTTP date.
        now: the present time, by default that of the clock.

    Returns:
        Seconds, at least 0; None if the headers ask for nothing, or for something unreadable.
    """
    for name, factor in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * factor
        except ValueError:
            continue
        return max(seconds, 0.0) if math.isfinite(seconds) else None
    try:
        then = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=datetime.UTC)
    return max((then - (now or datetime.datetime.now(datetime.UTC))).total_seconds(), 0.0)
