"""Strengths: products by hand, and that 0 is nothing at all."""

import math

import pytest
import torch

from humain.language.steering import strengths

pytestmark = pytest.mark.filterwarnings("error")


def test_each_request_has_its_direction_times_its_strength():
    directions = torch.tensor([[[1.0, -2.0]], [[3.0, 0.5]]])
    # 2 * (1, -2) and -1 * (3, 0.5).
    expected = torch.tensor([[[2.0, -4.0]], [[-3.0, -0.5]]])
    assert torch.equal(strengths.scale(directions, [2.0, -1.0]), expected)
    assert torch.equal(strengths.scale(directions, torch.tensor([2.0, -1.0])), expected)
    # 0.5 for both.
    assert torch.equal(strengths.scale(directions, 0.5), directions / 2)
    assert torch.equal(strengths.scale(directions, [0.5]), directions / 2)


def test_a_shared_direction_takes_as_many_strengths_as_there_are_requests():
    scaled = strengths.scale(torch.tensor([[1.0, -2.0]]), [0.5, 1.0, 3.0])
    assert torch.equal(scaled, torch.tensor([[0.5, -1.0], [1.0, -2.0], [3.0, -6.0]]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_strength_0_adds_leaves_every_bit(dtype):
    scaled = strengths.scale(torch.tensor([[1.0, -2.0, 0.0, 4.0]]), [0.0, 1.0]).to(dtype)
    # Each number meets each direction: 0 times a positive one is 0.0, which would turn -0.0 into 0.0.
    numbers = torch.tensor([[0.0], [-0.0], [-math.inf], [1e-30]], dtype=dtype).expand(4, 4)
    added = numbers + scaled[0]
    assert torch.equal(added, numbers)
    assert torch.equal(torch.signbit(added), torch.tensor([[False], [True], [True], [False]]).expand(4, 4))
    assert strengths.changes_nothing(scaled[:1])
    assert not strengths.changes_nothing(scaled)


def test_gradients_end_here():
    directions = torch.ones(1, 2, requires_grad=True)
    assert not strengths.scale(directions, torch.ones(1, requires_grad=True)).requires_grad


@pytest.mark.parametrize(
    ("directions", "factors", "message"),
    [
        (torch.ones(2, 3), [1.0, 2.0, 3.0], "3 strengths for 2 requests"),
        (torch.ones(2, 3), [[1.0], [2.0]], r"strengths have the shape \[2, 1\]"),
        (torch.ones(2, 3), math.nan, "not finite"),
        (torch.ones(1, 3), [1.0, math.inf], "not finite"),
        (torch.full((1, 3), 1e30), 1e30, "not finite"),
        (torch.tensor([[math.inf]]), 0.0, "not finite"),
    ],
)
def test_what_gives_no_offsets_is_refused(directions, factors, message):
    with pytest.raises(ValueError, match=message):
        strengths.scale(directions, factors)


def test_rows_are_one_or_as_many_as_the_model_is_given():
    strengths.check_rows(torch.zeros(1, 2), 5)
    strengths.check_rows(torch.zeros(5, 2), 5)
    with pytest.raises(ValueError, match="given 4 rows, but 2 requests"):
        strengths.check_rows(torch.zeros(2, 2), 4)


def test_numbers_that_are_not_finite_are_counted():
    strengths.check_finite("guides", torch.zeros(2, 3))
    with pytest.raises(ValueError, match="2 of 4 numbers of the guides are not finite"):
        strengths.check_finite("guides", torch.tensor([[0.0, math.nan], [-math.inf, 1.0]]))
