"""Aliased maze: rooms look the same, and the way depends on which of them the agent is in.

Passages fork repeatedly and end in rooms with unique looks; the rooms at the forks share a few looks, drawn at random.
At each fork the agent goes left, right or back. It begins at the entrance and has to go to each of the end rooms. A
look alone does not identify the fork. The number of times the look was seen, from the tag, does: on the way to a goal
no look occurs twice with the same count; and an agent that has gone astray has a higher count, so no example that
begins nearer to the goal matches its state.

Without tags the layer has the same walks, updates and batches, and sees the newest 1 to 6 looks, whichever number is
best (all are in `notes`); 6 are all there are on the way to an end room. `notes` also has the result of the best policy
that maps looks to actions, found by trying all of them.
"""

import dataclasses

import numpy as np

from humain.hippocampus.tag_levels import TagLevels
from humain.hippocampus.tagging import Tagging
from tasks.ablations.outcome import AblationOutcome
from tasks.ablations.rooms import Rooms
from tasks.ablations.tag_trials import Budget, Comparison

_ACTION_SHARES = np.array([0.425, 0.425, 0.15])
"""How often walks go left, right and back."""


@dataclasses.dataclass(frozen=True)
class AliasedSettings:
    """Settings of the aliased maze.

    Attributes:
        num_forks: the number of forks on the way to each end room.
        num_looks: the number of looks of the rooms at forks.
        tagging: how looks are distinguished and how many are remembered.
        num_visits: the number of different visit counts that a layer sees.
        budget: the budget of learning and of the test.
        context_lengths: the context lengths tried for a layer without tags; the best of them counts.
    """

    num_forks: int = 5
    num_looks: int = 2
    tagging: Tagging = Tagging(capacity=16)
    num_visits: int = 6
    budget: Budget = Budget(num_walks=3000, num_steps=16, num_updates=150, batch_size=4096, max_steps=40)
    context_lengths: tuple[int, ...] = (1, 2, 3, 4, 5, 6)


def maze(rng: np.random.Generator, *, num_forks: int, num_looks: int) -> Rooms:
    """Makes the world.

    Rooms are numbered from the entrance, fork by fork: room `i` leads to `2 i + 1` and `2 i + 2`; the end rooms come
    last, and have the looks from `num_looks` on. If an action leads nowhere, the agent stays.
    """
    num_inner = 2**num_forks - 1
    num_rooms = 2 * num_inner + 1
    rooms = np.arange(num_rooms)
    inner = rooms < num_inner
    left, right = (np.where(inner, 2 * rooms + side, rooms) for side in (1, 2))
    back = np.maximum(rooms - 1, 0) // 2
    goals = num_looks + np.arange(num_rooms - num_inner)
    return Rooms(
        following=np.stack([left, right, back], axis=1).astype(np.int32),
        looks=np.concatenate([rng.integers(num_looks, size=num_inner), goals]).astype(np.int32),
        num_looks=num_looks + len(goals),
        start=0,
        goals=goals.astype(np.int32),
    )


def measure(settings: AliasedSettings, *, seed: int, num_seeds: int) -> AblationOutcome:
    """Runs the experiment for `num_seeds` seeds from `seed` on, each with its own maze."""
    worlds = [
        maze(np.random.default_rng([seed, number, 1]), num_forks=settings.num_forks, num_looks=settings.num_looks)
        for number in range(num_seeds)
    ]
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
        title=f"Find {len(worlds[0].goals)} rooms behind forks of {settings.num_looks} looks",
        look="looks",
    )
