"""Loops: round a ring to doors that open only for those who have been round before.

The ring has a number of places, and a door at each, with an exit behind it. The agent goes on to the next place or
tries the door. A door opens when its place has been passed as often as that door wants, 0, 1 or 2 times; tried too
early, it lets one out half a ring before. The agent is asked for each of the exits. It sees the place, not how often it
has been there. A policy on the place alone either tries such a door each time, and circles on half the ring for ever,
or never tries it, and circles round all of it. The number of visits, from the tag, tells when to try.

Without tags the layer has the same walks, updates and batches, and sees the place, or the newest 2 to 5 places,
whichever does best (all are in `notes`); to see in them that it has been turned back it would need as many as half the
ring and two, 8 here, which a table can't number. On a smaller ring, where 5 or 6 are enough, a context does nearly as
well as tags. In `notes` there is what the best of all policies that always do the same at a place comes to.
"""

import dataclasses

import numpy as np

from humain.hippocampus.tag_levels import TagLevels
from humain.hippocampus.tagging import Tagging
from tasks.ablations.outcome import Outcome
from tasks.ablations.rooms import Rooms
from tasks.ablations.tag_trials import Budget, Comparison

_ACTION_SHARES = np.array([0.93, 0.07])
"""Going on and trying the door on the walks."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Of the experiment.

    Attributes:
        num_places: on the ring; a multiple of 3, as a third of the doors wants each number of rounds.
        tagging: how places are told apart and how many are remembered.
        num_visits: numbers of visits that are told apart.
        budget: of learning and of the test.
        context_lengths: that a layer without tags is tried with; the best of them counts.
    """

    num_places: int = 12
    tagging: Tagging = Tagging(capacity=16)
    num_visits: int = 4
    budget: Budget = Budget(num_walks=6000, num_steps=64, num_updates=300, batch_size=4096, max_steps=144)
    context_lengths: tuple[int, ...] = (1, 2, 3, 4, 5)

    def __post_init__(self) -> None:
        if self.num_places < 3 or self.num_places % 3:
            raise ValueError(f"num_places must be a multiple of 3, not {self.num_places}")


def ring(rounds: np.ndarray, first: int) -> Rooms:
    """The world.

    Rooms are numbered by the places gone on since the start, then come the exits. Once every door is open, going on
    leads to the same place of the round before.

    Args:
        rounds: `[P]`, how often each place must have been passed for its door to open.
        first: the place in which episodes begin.
    """
    num_places = len(rounds)
    num_steps = num_places * (int(rounds.max()) + 1)
    gone = np.arange(num_steps)
    places = (first + gone) % num_places
    exits = num_steps + np.arange(num_places)
    on = np.where(gone + 1 < num_steps, gone + 1, num_steps - num_places)
    tried = np.where(gone // num_places >= rounds[places], exits[places], np.maximum(gone - num_places // 2, 0))
    following = np.concatenate([np.stack([on, tried], axis=1), np.stack([exits, exits], axis=1)])
    return Rooms(
        following=following.astype(np.int32),
        looks=np.concatenate([places, num_places + np.arange(num_places)]).astype(np.int32),
        num_looks=2 * num_places,
        start=0,
        goals=(num_places + np.arange(num_places)).astype(np.int32),
    )


def measure(settings: Settings, *, seed: int, num_seeds: int) -> Outcome:
    """The experiment over seeds: `seed` and those that follow from it, each with a ring of its own."""
    worlds = []
    for number in range(num_seeds):
        rng = np.random.default_rng([seed, number, 1])
        rounds = rng.permutation(np.repeat(np.arange(3), settings.num_places // 3))
        worlds.append(ring(rounds, int(rng.integers(settings.num_places))))
    comparison = Comparison(
        tagging=settings.tagging,
        levels=TagLevels(visits=settings.num_visits),
        budget=settings.budget,
        context_lengths=settings.context_lengths,
    )
    return comparison.measure(
        worlds,
        action_shares=_ACTION_SHARES,
        seed=seed,
        title=f"Leave a ring of {settings.num_places} places by doors that open after 0, 1 or 2 rounds",
        look="places",
    )
