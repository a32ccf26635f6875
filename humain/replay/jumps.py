"""Jumps: steps whose surprise is of a kind of its own, as when a teleporter moves an agent.

How far a step ended from where a model of the world expects it has many causes that are no jumps: rounding, noise,
walls that hold an agent back. A wall keeps an agent from no more than the move itself. So only residuals above the
longest move can be jumps, and they are where a gap parts them from all below that one population would not leave.

How large a gap one population leaves is known for tails that fall like a power: there, the logarithms of the largest
values lie apart by independent exponential amounts, the k-th gap from the top by 1 / k of the first one in the mean
(Alfréd Rényi, "On the theory of order statistics", 1953; Bruce Hill, "A simple general approach to inference about the
tail of a distribution", 1975). Tails that fall faster leave smaller gaps at the top. So k times a gap, over the mean of
that product for the gaps below it, follows Fisher's distribution, and says how unlikely the gap is. No threshold has to
be set: with probabilities that sum to 1 over k, `1 / (k (k + 1))`, one data set in as many as there are residuals has a
false gap. What lies above the most telling gap is taken away, and the rest is judged anew, as jumps of several lengths
leave gaps among themselves.
"""

import math

import numpy as np


def find_jumps(residuals: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Which residuals are jumps.

    Args:
        residuals: `[...]`, 0 or more, how far each step ended from what was expected; NaN where there is no step.
        moves: `[...]`, 0 or more, how far each step was expected to go, in the same unit; NaN where there is no step.

    Returns:
        `[...]` bool; all False where no residuals are of a kind of their own.

    Raises:
        ValueError: if shapes differ or a number is negative.
    """
    sizes, reach = np.asarray(residuals, np.float64), np.asarray(moves, np.float64)
    if sizes.shape != reach.shape:
        raise ValueError(f"residuals and moves must be of one shape, not {list(sizes.shape)} and {list(reach.shape)}")
    if np.any(sizes < 0) or np.any(reach < 0):
        raise ValueError("residuals and moves are lengths and must be 0 or more")
    counted = ~(np.isnan(sizes) | np.isnan(reach))
    found = np.zeros(sizes.shape, bool)
    if np.any(counted):
        found[counted] = sizes[counted] > _least_jump(sizes[counted], float(reach[counted].max()))
    return found


def _least_jump(sizes: np.ndarray, longest_move: float) -> float:
    """What jumps are above: the lower end of the lowest gap that parts them; infinite where there is none."""
    count = len(sizes)
    # The gaps above the longest move are judged, each by as many gaps below it as make the mean sure.
    num_judged = int(np.sum(sizes > longest_move))
    num_below = math.isqrt(count) + 1
    largest = np.sort(sizes)[::-1][: num_judged + num_below + 1]
    # Rounding, relative to what is moved, is the least that a residual can tell.
    floor = max(float(np.finfo(np.float32).eps) * longest_move, float(np.finfo(np.float64).tiny))
    gaps = -np.diff(np.log(np.maximum(largest, floor)))
    least = math.inf
    while num_judged and len(gaps) > 1:
        evidence = _evidence(gaps, num_judged, num_below)
        best = int(np.argmax(evidence))
        if evidence[best] <= math.log(count):
            break
        least = float(largest[best + 1])
        largest, gaps, num_judged = largest[best + 1 :], gaps[best + 1 :], num_judged - best - 1
    return least


def _evidence(gaps: np.ndarray, num_judged: int, num_below: int) -> np.ndarray:
    """How unlikely each of the first gaps is in one population, as the logarithm of one over the probability.

    Args:
        gaps: `[M]`, between the logarithms of the largest values, from the top.
        num_judged: gaps to judge; those without any below are not.
        num_below: gaps below that each is compared with, at most.
    """
    spacings = np.arange(1, len(gaps) + 1) * gaps
    evidence = np.zeros(min(num_judged, len(gaps) - 1))
    for index in range(len(evidence)):
        below = spacings[index + 1 : index + 1 + num_below]
        total = float(below.sum())
        if spacings[index] > 0:
            # F(2, 2 m) has the tail (1 + x / m) ** -m, where x / m is the spacing over the sum of the m others.
            unlikely = len(below) * math.log1p(spacings[index] / total) if total > 0 else math.inf
            evidence[index] = unlikely - math.log((index + 1) * (index + 2))
    return evidence
