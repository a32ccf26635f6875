"""Tests of what processes agree on: of one alone, and of several whose numbers a test gathers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import multihost_utils

from humain import errors
from humain.training.processes import Processes


def _gather(monkeypatch: pytest.MonkeyPatch, others: list[int]) -> None:
    """Has another process answer with these numbers, whatever it is asked."""
    monkeypatch.setattr(multihost_utils, "process_allgather", lambda own: np.stack([own, np.array(others, np.int32)]))


def test_one_process_agrees_with_itself() -> None:
    alone = Processes()
    assert alone.leads
    assert alone.agree(3, -1) == (3, -1)
    alone.check_equal({"a": jnp.zeros(2)}, "states")


def test_the_largest_of_each_number_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    _gather(monkeypatch, [15, 0])
    second = Processes(index=1, count=2)
    assert not second.leads
    assert second.agree(0, 1) == (15, 1)


def test_data_that_differ_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Processes(index=0, count=2)
    asked: list[np.ndarray] = []

    def echo(own: np.ndarray) -> np.ndarray:
        asked.append(own)
        return np.stack([own, own])

    monkeypatch.setattr(multihost_utils, "process_allgather", echo)
    pair.check_equal({"weights": jnp.arange(3.0), "key": jax.random.key(0)}, "states")
    (same,) = asked
    _gather(monkeypatch, same.tolist())
    for other in (jnp.array([0.0, 1.0, 2.5]), jnp.array([0.0, 1.0, -2.0])):
        with pytest.raises(errors.UserError, match="the 2 processes have different states; start all of them"):
            pair.check_equal({"weights": other, "key": jax.random.key(0)}, "states")
    with pytest.raises(errors.UserError, match="different states"):
        pair.check_equal({"weights": jnp.arange(3.0), "key": jax.random.key(1)}, "states")


def test_a_process_is_alone_and_leads_by_default() -> None:
    assert Processes() == Processes(index=0, count=1)
    assert Processes().leads
    assert not Processes(index=1, count=2).leads
