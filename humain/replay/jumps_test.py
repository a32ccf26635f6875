"""Jumps: teleports among walls and rounding, tails of all weights without any, one jump alone."""

import numpy as np
import pytest

from humain.replay.jumps import find_jumps

_STEPS = 20_000


def walking(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Residuals and moves of a point among walls: rounding where it is free, up to the whole move where it is not."""
    rng = np.random.default_rng(seed)
    moves = 0.2 * np.linalg.norm(np.clip(rng.normal(0.7, 0.5, (_STEPS, 2)), -1, 1), axis=1)
    touches = rng.random(_STEPS) < 0.1
    residuals = np.where(touches, moves * rng.random(_STEPS), rng.exponential(1e-6, _STEPS))
    return residuals, moves


def jumping(seed: int, num_jumps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `walking`, with so many jumps, each one of three distances; and where they are."""
    residuals, moves = walking(seed)
    rng = np.random.default_rng(seed + 100)
    jumps = np.zeros(_STEPS, bool)
    jumps[rng.choice(_STEPS, num_jumps, replace=False)] = True
    far = rng.choice([5.0, 14.0, 32.0], _STEPS) + rng.uniform(-1, 1, _STEPS)
    return np.where(jumps, far, residuals), moves, jumps


@pytest.mark.parametrize("seed", range(5))
def test_walls_and_rounding_are_no_jumps(seed):
    residuals, moves = walking(seed)
    assert not find_jumps(residuals, moves).any()
    # Nor where walls push a little farther back than the move.
    assert not find_jumps(residuals * 1.2, moves).any()


@pytest.mark.parametrize("num_jumps", [1, 2, 30, 2000])
@pytest.mark.parametrize("seed", range(3))
def test_jumps_are_found_however_many_there_are(seed, num_jumps):
    residuals, moves, jumps = jumping(seed, num_jumps)
    np.testing.assert_array_equal(find_jumps(residuals, moves), jumps)


@pytest.mark.parametrize("num_jumps", [0, 1, 100])
def test_noise_on_all_that_is_measured_is_told_from_jumps(num_jumps):
    residuals, moves, jumps = jumping(7, num_jumps)
    noise = np.linalg.norm(np.random.default_rng(8).normal(0, 0.15, (_STEPS, 2)), axis=1)
    assert np.mean(noise > moves.max()) > 0.01
    np.testing.assert_array_equal(find_jumps(residuals + noise, moves), jumps)


@pytest.mark.parametrize("tail", ["pareto 1", "pareto 2", "lognormal", "student 2", "exponential"])
def test_a_heavy_tail_is_one_population(tail):
    # Largest ones of 20,000: some 20,000 times the median for the first, which is one draw and no kind of its own.
    found = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        residuals = {
            "pareto 1": lambda rng: 1 + rng.pareto(1, _STEPS),
            "pareto 2": lambda rng: 1 + rng.pareto(2, _STEPS),
            "lognormal": lambda rng: rng.lognormal(0, 2, _STEPS),
            "student 2": lambda rng: np.abs(rng.standard_t(2, _STEPS)),
            "exponential": lambda rng: rng.exponential(1, _STEPS),
        }[tail](rng)
        found.append(find_jumps(residuals, np.full(_STEPS, 0.5)).any())
    assert not any(found)


def test_where_all_else_is_exact_any_jump_shows():
    residuals = np.zeros(50)
    residuals[7] = 3.0
    assert np.flatnonzero(find_jumps(residuals, np.full(50, 0.2))).tolist() == [7]
    assert not find_jumps(np.zeros(50), np.full(50, 0.2)).any()


def test_what_is_no_step_is_no_jump_and_shapes_stay():
    residuals, moves, jumps = jumping(3, 20)
    residuals, moves, jumps = (table.reshape(100, 200).copy() for table in (residuals, moves, jumps))
    residuals[:, -1] = np.nan
    moves[:, -1] = np.nan
    jumps[:, -1] = False
    np.testing.assert_array_equal(find_jumps(residuals, moves), jumps)
    assert find_jumps(np.full((2, 0), np.nan), np.full((2, 0), np.nan)).shape == (2, 0)
    assert not find_jumps(np.full(3, np.nan), np.full(3, np.nan)).any()


def test_what_can_not_be_is_refused():
    with pytest.raises(ValueError, match=r"of one shape, not \[3\] and \[2\]"):
        find_jumps(np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match="must be 0 or more"):
        find_jumps(np.array([-1.0]), np.array([1.0]))
