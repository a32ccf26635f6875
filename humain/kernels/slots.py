"""Slots: which one an example is written into, and the losses that shape values and scores."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

from humain.types import Array

Access = Literal["value", "score"]
Suppression = Literal["per_slot", "log_sum_exp"]


@dataclasses.dataclass(frozen=True)
class SlotLoss:
    """How a gradient kernel learns its slots.

    Attributes:
        access: `score`: one slot for each level of quality; `value`: one slot for each distinct hypothesis.
        asymmetry: in `(0, 1)`; weight of an example that is better than the slot's score against one that is worse.
            0.5 weighs both the same.
        score_delta: where the score's loss turns from squared to absolute (Huber). The absolute part makes a slot's
            score depend on whether something good has been seen often enough, and not on how often: with a plain
            squared loss the suppression drags rare slots down in proportion to their rarity.
        suppression: `per_slot`: softplus of the score of every slot that was not written; `log_sum_exp`: of all of
            them together.
        suppression_weight: 0 or more. A slot keeps its score when the share of the examples that write it is above
            about `suppression_weight / (2 * asymmetry + suppression_weight)`.
    """

    access: Access = "score"
    asymmetry: float = 0.9
    score_delta: float = 0.05
    suppression: Suppression = "per_slot"
    suppression_weight: float = 0.2

    def __post_init__(self) -> None:
        if self.access not in ("value", "score"):
            raise ValueError(f"access must be 'value' or 'score', not {self.access!r}")
        if not 0 < self.asymmetry < 1:
            raise ValueError(f"asymmetry must lie between 0 and 1, not {self.asymmetry}")
        if not self.score_delta > 0:
            raise ValueError(f"score_delta must be more than 0, not {self.score_delta}")
        if self.suppression not in ("per_slot", "log_sum_exp"):
            raise ValueError(f"suppression must be 'per_slot' or 'log_sum_exp', not {self.suppression!r}")
        if not self.suppression_weight >= 0:
            raise ValueError(f"suppression_weight must be 0 or more, not {self.suppression_weight}")


def score_ranks(scores: Array, num_slots: int) -> Array:
    """The slot for a score under score access: 0 for the best quality level, `num_slots - 1` for the worst.

    Args:
        scores: `[...]` in `[0, 1]`; what lies outside goes to the nearest level.
        num_slots: levels, each `1 / num_slots` wide, upper end included: with 4 slots the score 0.75 has rank 0.

    Returns:
        `[...]` int32.
    """
    # A score such as 1 - 3/32 is a level's own end: float error must not push it over.
    levels = jnp.ceil((1.0 - scores) * num_slots - 1e-4) - 1
    return jnp.clip(levels, 0, num_slots - 1).astype(jnp.int32)


def expectile_huber(errors: Array, *, asymmetry: float, delta: float) -> Array:
    """Asymmetric Huber loss of errors (target less prediction): squared within `delta`, absolute beyond.

    Its slope is at most 2.

    Args:
        errors: `[...]`.
        asymmetry: weight of positive errors; negative ones weigh `1 - asymmetry`; both are doubled, so that 0.5 is
            the plain loss.
        delta: more than 0.

    Returns:
        `[...]`, at least 0.
    """
    size = jnp.abs(errors)
    huber = jnp.where(size <= delta, jnp.square(errors) / (2 * delta), size - delta / 2)
    return 2 * jnp.where(errors > 0, asymmetry, 1 - asymmetry) * huber


def suppress(scores: Array, written: Array, kind: Suppression) -> Array:
    """The term that holds down the scores of slots that were not written.

    Args:
        scores: `[B, K]`.
        written: `[B]` int32, the slot that was.
        kind: see `SlotLoss`.

    Returns:
        `[B]`, at least 0; 0 where there is only one slot.
    """
    others = ~jax.nn.one_hot(written, scores.shape[-1], dtype=bool)
    if kind == "per_slot":
        return jnp.sum(jax.nn.softplus(scores) * others, axis=-1)
    # log(1 + sum of exp): the log-sum-exp of the others and of one silent slot at 0, which bounds it below.
    silent = jnp.zeros((*scores.shape[:-1], 1), scores.dtype)
    return jax.nn.logsumexp(jnp.concatenate([jnp.where(others, scores, -jnp.inf), silent], axis=-1), axis=-1)
