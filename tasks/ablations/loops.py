"""Loops: doors on a ring that open only after the agent has gone round before.

The ring has a number of places, each with a door and an exit behind it. The agent moves to the next place or tries the
door. A door opens if its place was passed often enough before, 0, 1 or 2 times depending on the door; tried too early,
it leads back by half a ring. Each of the exits is a goal. The agent sees the place, not how often it was there. A
policy that depends only on the place either tries such a door each time, and circles on half the ring for ever, or
never tries it, and circles on all of it. The number of visits, from the tag, shows when to try.

Without tags the layer has the same walks, updates and batches, and sees the place, or the newest 2 to 5 places,
whichever is best (all are in `notes`); to see in its context that it was sent back, it would need half the ring plus
two places, 8 here, more than a table can index. On a smaller ring, where 5 or 6 suffice, a context is nearly as good as
tags. `notes` also has the result of the best policy that depends only on the place.
"""

import dataclasses

import numpy as np

from humain.hippocampus.tag_levels import TagLevels
from humain.hippocampus.tagging import Tagging
from tasks.ablations.outcome import AblationOutcome
from tasks.ablations.rooms import Rooms
from tasks.ablations.tag_trials import Budget, Comparison

_ACTION_SHARES = np.array([0.93, 0.07])
"""How often walks move on and try the door."""


@dataclasses.dataclass(frozen=True)
class LoopsSettings:
    """Settings of the loops experiment.

    Attributes:
        num_places: the number of places on the ring; a multiple of 3, as a third of the doors needs each number of
            rounds.
        tagging: how places are distinguished and how many are remembered.
        num_visits: the number of different visit counts that a layer sees.
        budget: the budget of learning and of the test.
        context_lengths: the context lengths tried for a layer without tags; the best of them counts.
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
    """Makes the world.

    Rooms are numbered by the places passed since the start; the exits follow. Once every door is open, moving on leads
    to the same place of the previous round.

    Args:
        rounds: `[P]`, how often each place must have been passed for its door to open.
        first: the place at which episodes begin.
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


def measure(settings: LoopsSettings, *, seed: int, num_seeds: int) -> AblationOutcome:
    """Runs the experiment for `num_seeds` seeds from `seed` on, each with its own ring."""
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
