"""Experience: paths of sentences as trajectories of embeddings, which the library learns from."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np

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
