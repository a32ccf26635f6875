"""Imagination: recipes that nobody has written, of things that are known, as embeddings.

What the embedding of a sentence owes to each thing that it takes is learned by least squares; the rest of it, as the
name of what is made, is chance. So sentences can be imagined for things that were never taken together, and layers
learn from far more of them than there are: replay of what was composed, in place of plans that were seen.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

_RIDGE = 0.03
_TRIES = 20
"""Draws for each sentence at most: of things drawn at random some need each other."""


@dataclasses.dataclass(frozen=True, eq=False)
class Imagined:
    """A sentence that was never said.

    Attributes:
        taken: sentences of the things that it takes, in their order in the vocabulary.
        embedding: `[D]`.
    """

    taken: tuple[int, ...]
    embedding: np.ndarray


def imagine(
    divided: Sequence[Sequence[int]],
    embeddings: np.ndarray,
    before: Mapping[int, frozenset[int]],
    *,
    number: int,
    seed: int,
) -> tuple[Imagined, ...]:
    """Sentences that take as many things, of the same ones, as those that were said.

    Args:
        divided: what sentences take, and last each sentence itself: indices; see `paths.milestones`.
        embeddings: `[V, D]`, of the sentences.
        before: what each needs, see `paths.always_before`; nothing is taken beside what needs it.
        number: of sentences to imagine.
        seed: of the draws.

    Returns:
        The sentences; none where no sentence takes two things or more, or no other ones go together.

    Raises:
        ValueError: if the number is negative.
    """
    if number < 0:
        raise ValueError(f"the number of imagined sentences must be 0 or more, not {number}")
    joining = [tuple(steps) for steps in divided if len(steps) > 2]
    if not joining or not number:
        return ()
    # What is said, as the sum of what each thing adds, and what all have in common.
    things = sorted({step for *taken, _ in joining for step in taken})
    places = {step: place for place, step in enumerate(things)}
    amounts = np.zeros((len(joining), len(things) + 1), np.float32)
    amounts[:, -1] = 1
    for row, (*taken, _) in enumerate(joining):
        amounts[row, [places[step] for step in taken]] = 1
    said = embeddings[[steps[-1] for steps in joining]]
    squares = amounts.T @ amounts + _RIDGE * np.eye(len(things) + 1, dtype=np.float32)
    added = np.linalg.solve(squares, amounts.T @ said)
    rest = said - amounts @ added
    # Other things, as many at once as before, and a rest that varies as those of sentences that were said: two of
    # these, turned into each other, for a layer learns a few by heart.
    rng = np.random.default_rng(seed)
    imagined: list[Imagined] = []
    for _ in range(_TRIES * number):
        if len(imagined) == number:
            break
        size = len(joining[rng.integers(len(joining))]) - 1
        chosen = np.sort(rng.choice(len(things), size, replace=False))
        together = tuple(things[place] for place in chosen)
        if any(one in before[other] for one, other in itertools.permutations(together, 2)):
            continue
        one, other = rest[rng.integers(len(rest), size=2)]
        angle = rng.uniform(0, np.pi / 2)
        embedding = added[chosen].sum(axis=0) + added[-1] + np.cos(angle) * one + np.sin(angle) * other
        imagined.append(Imagined(together, embedding.astype(np.float32)))
    return tuple(imagined)
