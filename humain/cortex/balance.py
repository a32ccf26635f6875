"""Balance: of many candidate examples, the best so far of the questions that have been learned least often.

Walks visit some pairs of state and goal a thousand times as often as others, and come by a good way once while they
come by bad ones often. A network that learns from whatever comes learns the rare questions last, and averages the
answers of good and bad ways where a slot cannot tell them apart. Drawing more candidates than are needed evens this
out: first come those that are as good as the best ever drawn for their question, and among these the least learned.
This is the table kernel's "best so far", done to the examples.

A question's best example may lie in one walk of thousands, and be drawn a dozen times where others are drawn hundreds
of times. So a tally can remember where it lies, and the least learned questions be learned again without being drawn.

Source: J. Oh et al., Self-Imitation Learning (2018), learns from what did better than expected; T. Schaul et al.,
Prioritized Experience Replay (2016), draws by priority. Here the best score met stands for what was expected, and
counts stand for errors, which would favour questions that have several good answers and can't be answered any better.
"""

import jax
import jax.numpy as jnp
from flax import struct

from humain.cortex.hindsight import Draws
from humain.spaces import Discrete
from humain.types import Array, Examples

_MAX_QUESTIONS = 2**22
"""More questions than these share an entry, which costs balance and nothing else."""


@struct.dataclass
class Tally:
    """What has been learned from.

    Attributes:
        counts: `[M]` int32, examples learned from for each question.
        best: `[M]`, the best score drawn for each question; negative where none was.
        places: `[M]`, where the example with that score lies, the first one drawn; 0 where none was; `[0]` where it
            is not remembered.
    """

    counts: Array
    best: Array
    places: Draws


def begin(space: Discrete, *, remembers: bool = False) -> Tally:
    """Nothing learned yet, over states and goals of this space, and whether it remembers where the best lies."""
    size = min(space.num_elements**2, _MAX_QUESTIONS)
    # One array each: a state that is donated must not hold the same buffer in two places.
    places = Draws(*(jnp.zeros(size if remembers else 0, jnp.int32) for _ in range(4)))
    return Tally(counts=jnp.zeros(size, jnp.int32), best=jnp.full(size, -1.0), places=places)


def least_learned(tally: Tally, num_questions: int) -> tuple[Draws, Array]:
    """Where the best examples of the questions lie that were learned least often, of those that were ever drawn.

    Args:
        tally: so far, one that remembers.
        num_questions: Q, how many; all that there are if there are fewer. Among equals the first.

    Returns:
        The places `[Q]`, and bool `[Q]`, True where a question was drawn.
    """
    num_questions = min(num_questions, tally.counts.shape[0])
    drawn = tally.best >= 0
    _, questions = jax.lax.top_k(-jnp.where(drawn, tally.counts, 2**30), num_questions)
    return jax.tree.map(lambda leaf: leaf[questions], tally.places), drawn[questions]


def choose(
    tally: Tally, space: Discrete, candidates: Examples, batch_size: int, places: Draws
) -> tuple[Examples, Tally]:
    """The candidates to learn from.

    Args:
        tally: so far.
        space: of states and goals.
        candidates: `[C]`, drawn at random; among equals the first are chosen.
        batch_size: how many to choose, C at most.
        places: `[C]`, where the candidates lie.

    Returns:
        Examples `[batch_size]`, best answers of the least learned questions first, and the tally with them.
    """
    states, goals = candidates.context.states[:, -1], candidates.goals
    questions = (states * space.num_elements + goals) % tally.counts.shape[0]
    best = tally.best.at[questions].max(jnp.where(candidates.mask, candidates.scores, -1.0))
    # Of several that improve a question equally the first is remembered, so that the result does not depend on the
    # order in which a device writes.
    numbers = jnp.arange(len(questions))
    improves = candidates.mask & (candidates.scores > tally.best[questions]) & (candidates.scores == best[questions])
    first = jnp.full(best.shape, len(questions)).at[questions].min(jnp.where(improves, numbers, len(questions)))
    at = jnp.where(improves & (first[questions] == numbers), questions, len(best))
    remembered = jax.tree.map(lambda old, new: old.at[at].set(new, mode="drop"), tally.places, places)
    outdone = ~candidates.mask | (candidates.scores < best[questions])
    # Counts stay far below this, and the best of a question is always drawn before what it outdoes.
    order = tally.counts[questions] + jnp.where(outdone, 2**30, 0)
    _, chosen = jax.lax.top_k(-order, batch_size)
    counts = tally.counts.at[questions[chosen]].add(1)
    return jax.tree.map(lambda leaf: leaf[chosen], candidates), Tally(counts=counts, best=best, places=remembered)
