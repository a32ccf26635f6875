"""Mean and spread of shares, by hand."""

import pytest

from tasks.ablations.shares import Shares


def test_mean_and_spread_by_hand():
    # Mean (0.5 + 1 + 0.9) / 3 = 0.8; deviations -0.3, 0.2, 0.1: squares 0.09 + 0.04 + 0.01 = 0.14, over 2 = 0.07.
    shares = Shares.of([0.5, 1, 0.9])
    assert shares.to_json() == {
        "mean": pytest.approx(0.8),
        "sd": pytest.approx(0.07**0.5),
        "seeds": [0.5, 1.0, 0.9],
    }


def test_one_seed_has_no_spread():
    assert Shares.of([0.25]).sd == 0.0


def test_no_seed_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        Shares.of([])
