"""Tags as features: each field of a tag is quantised to a number of levels, with one feature per level."""

import dataclasses
import math
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import optax

from humain.hippocampus.tagging import Tag
from humain.types import Array

Field = Literal["identity", "order", "visits", "age", "absence"]
FIELDS: tuple[Field, ...] = get_args(Field)
"""The fields of a tag, in the order of their features."""


@dataclasses.dataclass(frozen=True)
class TagLevels:
    """The fields of a tag that are shown, and in how many levels; 0 hides a field.

    A level is a number from 0; values beyond a field's last level count as the last. Each identity, order and number of
    visits has its own level (one visit is level 0). Times are quantised logarithmically: level 0 is no step, level `i`
    is `2 ** (i - 1)` steps or more.

    A level equal to the number of levels means "any": a goal leaves that field open, and no feature is set.

    Attributes:
        identity: levels of the tag's identity; with as many levels as the tagging's capacity, each identity has its
            own.
        order: levels of the order of first visits.
        visits: levels of the number of visits.
        age: levels of the number of steps since the first visit.
        absence: levels of the number of steps since the last visit.
    """

    identity: int = 0
    order: int = 0
    visits: int = 0
    age: int = 0
    absence: int = 0

    def __post_init__(self) -> None:
        for field in FIELDS:
            if getattr(self, field) < 0:
                raise ValueError(f"the levels of {field} must be at least 0 (0 hides it), not {getattr(self, field)}")
        if not self.fields:
            raise ValueError(f"no field of the tag is shown; give at least one of {', '.join(FIELDS)} a level")

    @property
    def fields(self) -> tuple[Field, ...]:
        """The names of the N fields that are shown, in the order of `FIELDS`."""
        return tuple(field for field in FIELDS if getattr(self, field) > 0)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of levels of each field that is shown."""
        return tuple(getattr(self, field) for field in self.fields)

    @property
    def num_features(self) -> int:
        """The number of features: one for each level of each field."""
        return sum(self.sizes)

    @property
    def num_combinations(self) -> int:
        """The number of different rows of levels, including those with "any" in them."""
        return math.prod(size + 1 for size in self.sizes)

    def of(self, tag: Tag) -> Array:
        """Returns the levels `[..., N]` int32 of tags whose fields are `[...]`."""
        return jnp.stack([self.level(field, getattr(tag, field)) for field in self.fields], axis=-1)

    def level(self, field: Field, values: Array) -> Array:
        """Returns the levels `[...]` int32 of one shown field's values `[...]` int32."""
        if field == "visits":
            values = values - 1
        elif field in ("age", "absence"):
            # The level of a time is its number of binary digits.
            values = 32 - jax.lax.clz(values)
        return jnp.clip(values, 0, getattr(self, field) - 1).astype(jnp.int32)

    def encode(self, levels: Array) -> Array:
        """Returns features `[..., num_features]` float32 of levels `[..., N]`: one-hot per field, zeros for "any"."""
        blocks = [jax.nn.one_hot(levels[..., at], size, dtype=jnp.float32) for at, size in enumerate(self.sizes)]
        return jnp.concatenate(blocks, axis=-1)

    def decode(self, features: Array) -> Array:
        """Returns the most likely levels `[..., N]` int32 of logits `[..., num_features]`; never "any"."""
        return jnp.stack([jnp.argmax(block, axis=-1) for block in self._blocks(features)], axis=-1).astype(jnp.int32)

    def loss(self, predictions: Array, levels: Array) -> Array:
        """Returns the cross-entropy `[...]` of logits `[..., num_features]`, summed over fields that are not "any"."""
        total = jnp.zeros(())
        for at, (block, size) in enumerate(zip(self._blocks(predictions), self.sizes, strict=True)):
            level = levels[..., at]
            entropy = optax.softmax_cross_entropy_with_integer_labels(block, jnp.minimum(level, size - 1))
            total = total + jnp.where(level < size, entropy, 0)
        return total

    def equal(self, first: Array, second: Array) -> Array:
        """Returns bool `[...]`: whether levels `[..., N]` agree in all fields in which neither is "any"."""
        told = ~self.is_any(first) & ~self.is_any(second)
        return jnp.all((first == second) | ~told, axis=-1)

    def is_any(self, levels: Array) -> Array:
        """Returns bool `[..., N]`, True where levels `[..., N]` are "any"."""
        return levels == jnp.broadcast_to(jnp.asarray(self.sizes, jnp.int32), levels.shape)

    def _blocks(self, features: Array) -> list[Array]:
        ends = [sum(self.sizes[: at + 1]) for at in range(len(self.sizes) - 1)]
        return jnp.split(features, ends, axis=-1)
