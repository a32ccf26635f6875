"""Reading: which sentences a given one takes, told from its embedding by generalised least squares.

The embedding of a recipe is taken for a sum: of what each thing that it takes adds, of what all recipes share, and of
a rest, such as the name of what is made. A new one is read as the amounts that explain it best, where directions in
which the rests of known recipes vary much count for little (Aitken, On least squares and linear combination of
observations). As both the sum and the spread of the rests are estimated from few recipes, each with a penalty, no
amount is exact: about 1 for what is taken and 0 for what is not.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

_RIDGE = 1.0
"""Of what each thing adds."""
_SHRINKAGE = 0.05
"""Of the spread of the rests, towards the same in all directions, as a share of its mean."""
_NUM_FOLDS = 10
"""Parts of the known recipes, each of which is read by the others."""
_SMALL = 1e-6
"""Keeps equations solvable where there is nothing to tell from."""


@dataclasses.dataclass(frozen=True, eq=False)
class Reading:
    """How much of each thing a sentence takes, a linear function of its embedding.

    Attributes:
        weights: `[D, N]`.
        offset: `[D]`, what all sentences share.
    """

    weights: np.ndarray
    offset: np.ndarray

    def read(self, embeddings: np.ndarray) -> np.ndarray:
        """The amounts `[..., N]` of sentences with embeddings `[..., D]`."""
        return (embeddings - self.offset) @ self.weights


def fit(said: np.ndarray, amounts: np.ndarray) -> Reading:
    """How to read sentences like some that are known.

    Args:
        said: `[M, D]`, embeddings of these.
        amounts: `[M, N]`, 1 for what each takes and 0 for what it does not.

    Raises:
        ValueError: if there is no sentence, or not one row of amounts for each.
    """
    if not len(said) or len(said) != len(amounts):
        raise ValueError(f"{len(said)} sentences and {len(amounts)} rows of amounts are no known sentences; give both")
    # What each thing adds, and last what all sentences share.
    taken = np.concatenate([amounts, np.ones((len(amounts), 1))], axis=1).astype(np.float64)
    added = np.linalg.solve(taken.T @ taken + _RIDGE * np.eye(taken.shape[1]), taken.T @ said)
    rest = said - taken @ added
    spread = rest.T @ rest / len(rest)
    spread += max(_SHRINKAGE * float(np.mean(np.diag(spread))), _SMALL) * np.eye(len(spread))
    # Amounts times `added` are the sentence; the equations of its best amounts.
    weighed = np.linalg.solve(spread, added[:-1].T)
    squares = added[:-1] @ weighed
    squares += max(0.01 * float(np.mean(np.diag(squares))), _SMALL) * np.eye(len(squares))
    return Reading(np.linalg.solve(squares, weighed.T).T, added[-1])


def read_by_others(said: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """The amounts `[M, N]` of known sentences, each read as if it were new: by a fit to others.

    What a fit says of those that it was made from is better than what it says of others, and nothing to learn from.
    A single sentence is read by itself.

    Args:
        said: `[M, D]`, their embeddings, at least one.
        amounts: `[M, N]`, 1 for what each takes and 0 for what it does not.
    """
    if len(said) == 1:
        return fit(said, amounts).read(said)
    folds = np.arange(len(said)) % _NUM_FOLDS
    found = np.zeros(amounts.shape)
    for fold in np.unique(folds):
        inside = folds == fold
        found[inside] = fit(said[~inside], amounts[~inside]).read(said[inside])
    return found


def amounts_taken(taken: Sequence[Sequence[int]], num_things: int) -> np.ndarray:
    """`[M, N]`: 1 where a thing, by its number below `num_things`, is among those that a sentence takes, else 0."""
    amounts = np.zeros((len(taken), num_things))
    for row, things in enumerate(taken):
        amounts[row, list(things)] = 1
    return amounts
