"""Strengths: how far each request of a batch is steered."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import torch

Strengths: TypeAlias = "float | Sequence[float] | torch.Tensor"


def scale(directions: torch.Tensor, strengths: Strengths) -> torch.Tensor:
    """Returns what is added to each request: its direction times its strength.

    If the strength is 0, every element is -0.0, the only number whose addition leaves all others the same, bit for bit:
    0.0 would turn -0.0 into 0.0.

    Args:
        directions: `[R, ...]`, finite; `R` is 1 if all requests share a direction.
        strengths: one number, or one for each request (`[B]`); finite.

    Returns:
        `[max(R, B), ...]` float32, without gradients.

    Raises:
        ValueError: if there are strengths for another number of requests, or a product is not finite.
    """
    directions = directions.detach().float()
    factors = torch.as_tensor(strengths, dtype=torch.float32, device=directions.device).detach()
    if factors.ndim > 1:
        raise ValueError(f"strengths have the shape {list(factors.shape)}; give one number, or one for each request")
    factors = factors.reshape(-1)
    if directions.shape[0] != 1 and factors.shape[0] not in (1, directions.shape[0]):
        raise ValueError(
            f"there are {factors.shape[0]} strengths for {directions.shape[0]} requests; give one number, or one each"
        )
    column = factors.reshape(-1, *[1] * (directions.ndim - 1))
    scaled = column * directions
    if not torch.isfinite(scaled).all():
        raise ValueError("a direction times its strength is not finite; give finite numbers")
    return torch.where(column == 0, torch.tensor(-0.0, device=scaled.device), scaled)


def changes_nothing(offsets: torch.Tensor) -> bool:
    """Whether adding `offsets` has no effect."""
    return not offsets.any()


def check_rows(offsets: torch.Tensor, num_rows: int) -> None:
    """Checks that offsets fit the rows of a batch.

    Args:
        offsets: `[R, ...]`, the offsets of R requests.
        num_rows: the number of rows in the model's batch.

    Raises:
        ValueError: if `R` is neither 1 nor `num_rows`.
    """
    if offsets.shape[0] not in (1, num_rows):
        raise ValueError(
            f"the model is given {num_rows} rows, but {offsets.shape[0]} requests are steered; give one row per "
            "request, each repeated for all its beams or samples"
        )


def check_finite(name: str, values: torch.Tensor) -> None:
    """Raises ValueError, with the name of the values, if one of them is NaN or infinite."""
    number = int(torch.isfinite(values).logical_not().sum())
    if number:
        raise ValueError(f"{number} of {math.prod(values.shape)} numbers of the {name} are not finite")
