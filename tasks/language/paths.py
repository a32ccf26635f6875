"""Experience out of plans: for every sentence the paths that reach it.

Hindsight: a plan that passes a sentence has reached it, so that what came before is a path there. Replay composes paths
that no plan has: a step that one path to a sentence goes without is left out of the others. What was asked for counts
more than what was merely passed, and of many paths the short ones are kept.
"""

import collections
import dataclasses
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Path:
    """A way to a sentence.

    Attributes:
        steps: indices of sentences; the last one is the goal.
        weight: in `(0, 1]`, how much its scores count.
    """

    steps: tuple[int, ...]
    weight: float


def gather(
    plans: Sequence[Sequence[int]], *, replay: bool, max_paths: int, passed_weight: float = 1.0
) -> tuple[Path, ...]:
    """The paths to every sentence of some plans.

    Args:
        plans: indices of sentences, each plan at least one.
        replay: whether to compose.
        max_paths: how many paths to a sentence are kept, the shortest first; of equally short ones the one that was
            less before something was left out.
        passed_weight: weight of the shortest path to what was passed; each further one weighs less by this factor
            again. To the end of a plan only whole plans are kept, with a weight of 1.

    Returns:
        Paths by sentence, in order of first use.

    Raises:
        ValueError: if a plan is empty, or a number is out of its range.
    """
    if max_paths < 1:
        raise ValueError(f"max_paths must be at least 1, not {max_paths}")
    if not 0 < passed_weight <= 1:
        raise ValueError(f"passed_weight must lie in (0, 1], not {passed_weight}")
    asked: dict[int, list[tuple[int, ...]]] = collections.defaultdict(list)
    passed: dict[int, list[tuple[int, ...]]] = {}
    for number, plan in enumerate(plans):
        if not plan:
            raise ValueError(f"plan {number} has no step; expected at least one")
        for end, step in enumerate(plan, 1):
            passed.setdefault(step, []).append(tuple(plan[:end]))
        asked[plan[-1]].append(tuple(plan))
    gathered = []
    for step, found in passed.items():
        found.sort(key=len)
        ways = asked.get(step) or (_composed(found) + found if replay else found)
        kept = sorted(dict.fromkeys(ways), key=len)[:max_paths]
        factor = 1.0 if step in asked else passed_weight
        gathered += [Path(way, factor ** (rank + 1)) for rank, way in enumerate(kept)]
    return tuple(gathered)


def _composed(found: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The paths less the steps that one of them goes without: what has always come before is needed as far as known."""
    needed = set(found[0]).intersection(*found)
    return [tuple(step for step in path if step in needed) for path in found]


def always_before(plans: Sequence[Sequence[int]]) -> Mapping[int, frozenset[int]]:
    """For every sentence the steps that came before it in all plans that have it: what it needs, as far as known."""
    found: dict[int, frozenset[int]] = {}
    for plan in plans:
        for place, step in enumerate(plan):
            before = frozenset(plan[:place])
            found[step] = found.get(step, before) & before
    return found


def milestones(plan: Sequence[int], before: Mapping[int, frozenset[int]]) -> tuple[int, ...]:
    """The steps of a plan that only its last one needs, in order, and that last one.

    The others are on the way to these: each always comes before one of them.

    Args:
        plan: indices of sentences, at least one.
        before: see `always_before`, of plans with this one among them.
    """
    *steps, last = plan
    passed = frozenset[int]().union(*(before[step] for step in steps))
    return (*(step for step in steps if step not in passed), last)
