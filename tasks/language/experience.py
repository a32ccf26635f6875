"""Experience: paths of sentences as trajectories of embeddings, which the library learns from."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from humain.cortex.hindsight import Experience
from humain.cortex.stretches import Stretches
from humain.types import Trajectories
from tasks.language.paths import Path


def start(embeddings: np.ndarray) -> np.ndarray:
    """`[D]`: the state before the first sentence, no sentence itself: nothing is done. Embeddings are `[V, D]`."""
    return np.zeros(embeddings.shape[1], np.float32)


def trajectories(paths: Sequence[Path], embeddings: np.ndarray, *, score_discount: float) -> Trajectories:
    """Paths as trajectories that begin with nothing done.

    Rewards add up so that the return to go, at each state, is the score of going on from there to the path's end: the
    path's weight, less by a factor for each sentence still to come after the next one.

    Args:
        paths: at least one.
        embeddings: `[V, D]`, of the sentences.
        score_discount: that factor, in `(0, 1]`.

    Raises:
        ValueError: if there is no path.
    """
    if not paths:
        raise ValueError("there is no path to learn from; expected at least one")
    num_steps = max(len(path.steps) for path in paths)
    states = np.zeros((len(paths), num_steps + 1, embeddings.shape[1]), np.float32)
    rewards = np.zeros((len(paths), num_steps + 1), np.float32)
    for number, path in enumerate(paths):
        length = len(path.steps)
        states[number, 0] = start(embeddings)
        states[number, 1 : length + 1] = embeddings[list(path.steps)]
        returns = np.append(path.weight * score_discount ** np.arange(length - 1, -1, -1), 0)
        rewards[number, :length] = -np.diff(returns)
    lengths = [len(path.steps) + 1 for path in paths]
    return Trajectories(states=jnp.asarray(states), lengths=jnp.array(lengths, jnp.int32), rewards=jnp.asarray(rewards))


def shared_out(found: Experience, *, num_first: int, share: float) -> Experience:
    """Experience from which a share of all examples is drawn from the first trajectories, however few these are.

    Without it, each of the examples that there are is drawn as often as any other.

    Args:
        found: of layers that learn from pivot to pivot.
        num_first: how many trajectories are the first ones.
        share: of the examples, above 0 and below 1.

    Raises:
        ValueError: if the share is out of its range, or a layer has no examples of one of the two kinds.
    """
    if not 0 < share < 1:
        raise ValueError(f"the share must lie between 0 and 1, not {share}")
    return dataclasses.replace(found, stretches=tuple(_repeat(listed, num_first, share) for listed in found.stretches))


def _repeat(listed: Stretches | None, num_first: int, share: float) -> Stretches:
    """The list with the one kind of its places, of which there are too few, as often as makes up its share."""
    assert listed is not None
    is_first = np.asarray(listed.walks) < num_first
    first, others = np.flatnonzero(is_first), np.flatnonzero(~is_first)
    if not len(first) or not len(others):
        raise ValueError(
            f"{len(first)} examples are of the first {num_first} trajectories and {len(others)} of the others; a share "
            "needs both"
        )
    wanted = round(len(others) * share / (1 - share))
    if wanted >= len(first):
        first = np.resize(first, wanted)
    else:
        others = np.resize(others, round(len(first) * (1 - share) / share))
    places = jnp.asarray(np.concatenate([first, others]))
    return jax.tree.map(lambda column: column[places], listed)
