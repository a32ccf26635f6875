"""Following: going on with a plan from what was done, whoever did it.

A stack may have several hypotheses of how to go (`planning.think` with `ranks`). What was done tells which one is being
followed, and where on it the next step is. Steps are anything that can be compared, as ids or tuples of numbers.
"""

from collections.abc import Hashable, Sequence

Way = Sequence[Hashable]
"""The steps of a plan in order, each once."""


def next_place(way: Way, done: Sequence[Hashable]) -> int | None:
    """Where a way goes on after the last thing done on it: at its next step that is not done.

    What was passed over may not have been needed; it comes when nothing else is left. None if all is done.
    """
    past = set(done)
    latest = next((way.index(step) for step in reversed(done) if step in way), -1)
    places = [*range(latest + 1, len(way)), *range(latest + 1)]
    return next((place for place in places if way[place] not in past), None)


def num_surprises(way: Way, done: Sequence[Hashable]) -> int:
    """How many of the steps done were not the next one by this way, after those done before."""
    count = 0
    for time, step in enumerate(done):
        place = next_place(way, done[:time])
        count += place is None or way[place] != step
    return count


def follow(ways: Sequence[Way], done: Sequence[Hashable], *, goal: Hashable) -> tuple[int, int] | None:
    """The way that would have foretold most of what was done, and where it goes on.

    Args:
        ways: the best one first, which wins ties.
        done: in the order in which it was done.
        goal: of the ways. Those that end with it come first; where none does, the first way is followed.

    Returns:
        The number of the way and the place on it; None where the goal is done, or nothing is left to do.
    """
    if goal in done:
        return None
    coming = [number for number, way in enumerate(ways) if way and way[-1] == goal]
    coming = coming or [number for number, way in enumerate(ways[:1]) if way]
    unfinished = [number for number in coming if next_place(ways[number], done) is not None]
    if not unfinished:
        return None
    best = min(unfinished, key=lambda number: num_surprises(ways[number], done))
    place = next_place(ways[best], done)
    assert place is not None
    return best, place
