"""How long to wait before a request is made again: longer each time, at random, and as long as the server asks."""

import dataclasses
import datetime
import email.utils
import math
import random
import time
from collections.abc import Callable, Mapping


@dataclasses.dataclass(frozen=True)
class Backoff:
    """Waiting times that double, with jitter, so that many clients don't come back at once.

    Attributes:
        num_tries: how often a request is made at most, 1 or more.
        first_seconds: the longest wait after the first try; it doubles with each further one.
        longest_seconds: the most it grows to.
        patience_seconds: the longest wait that a server may ask for; what asks for more is given up.
        sleep: waits so many seconds.
        draw: a random number of [0, 1).
    """

    num_tries: int = 6
    first_seconds: float = 1.0
    longest_seconds: float = 60.0
    patience_seconds: float = 300.0
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        if self.num_tries < 1:
            raise ValueError(f"num_tries is {self.num_tries}; expected 1 or more")

    def seconds(self, num_tried: int, asked_seconds: float | None = None) -> float:
        """How long to wait after so many tries: at least what the server asks for.

        Args:
            num_tried: tries that have failed, 1 or more.
            asked_seconds: what the server asks for, or None.

        Returns:
            Seconds, between a half and the whole of `first_seconds * 2 ** (num_tried - 1)` where nothing is asked.
        """
        longest = min(self.first_seconds * 2.0 ** min(num_tried - 1, 64), self.longest_seconds)
        return max(longest * (1 + self.draw()) / 2, asked_seconds or 0.0)


def asked_seconds(headers: Mapping[str, str], now: datetime.datetime | None = None) -> float | None:
    """The wait that the headers of an answer ask for.

    Args:
        headers: by name in lower case: `retry-after-ms`, or `retry-after` as seconds or as an HTTP date.
        now: the time, by default the present.

    Returns:
        Seconds, 0 or more; None where nothing readable is asked.
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
