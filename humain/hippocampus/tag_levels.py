"""How much of a tag a cortex sees: each field in a number of levels, one feature for each level."""

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
"""In the order in which they are shown."""


@dataclasses.dataclass(frozen=True)
class TagLevels:
    """The fields of a tag that are shown, and in how many levels; 0 hides a field.

    A level is a number from 0; what is beyond a field's last level counts as the last. Identities, orders and visits
    have a level each (one visit is level 0). Times grow coarser with their length: level 0 is no step, level `i` is
    `2 ** (i - 1)` steps or more.

    A level that equals the number of levels means any: a goal asks for nothing there, and no feature is set.

    Attributes:
        identity: levels of the tag's identity; the capacity of the tagging shows them all.
        order: of the order of first visits.
        visits: of the number of visits.
        age: of the steps since the first visit.
        absence: of the steps since the last visit.
    """

    identity: int = 0
    order: int = 0
    visits: int = 0
    age: int = 0
    absence: int = 0

    def __post_init__(self) -> None:
        for field in FIELDS:
            if getattr(self, field) < 0:
                raise ValueError(f"the levels of {field} must be 0 (hidden) or more, not {getattr(self, field)}")
        if not self.fields:
            raise ValueError(f"no field of the tag is shown; give at least one of {', '.join(FIELDS)} a level")

    @property
    def fields(self) -> tuple[Field, ...]:
        """Those that are shown, N of them."""
        return tuple(field for field in FIELDS if getattr(self, field) > 0)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Levels of each field that is shown."""
        return tuple(getattr(self, field) for field in self.fields)

    @property
    def num_features(self) -> int:
        """One for each level of each field."""
        return sum(self.sizes)

    @property
    def num_combinations(self) -> int:
        """How many different rows of levels there are, those with "any" in them included."""
        return math.prod(size + 1 for size in self.sizes)

    def of(self, tag: Tag) -> Array:
        """Levels `[..., N]` int32 of tags with fields `[...]`."""
        return jnp.stack([self.level(field, getattr(tag, field)) for field in self.fields], axis=-1)

    def level(self, field: Field, values: Array) -> Array:
        """Levels `[...]` int32 of a shown field's values `[...]` int32."""
        if field == "visits":
            values = values - 1
        elif field in ("age", "absence"):
            # The number of binary digits.
            values = 32 - jax.lax.clz(values)
        return jnp.clip(values, 0, getattr(self, field) - 1).astype(jnp.int32)

    def encode(self, levels: Array) -> Array:
        """Features `[..., num_features]` float32 of levels `[..., N]`: one-hot for each field, zeros for any."""
        blocks = [jax.nn.one_hot(levels[..., at], size, dtype=jnp.float32) for at, size in enumerate(self.sizes)]
        return jnp.concatenate(blocks, axis=-1)

    def decode(self, features: Array) -> Array:
        """The most likely levels `[..., N]` for logits `[..., num_features]`; never any."""
        return jnp.stack([jnp.argmax(block, axis=-1) for block in self._blocks(features)], axis=-1).astype(jnp.int32)

    def loss(self, predictions: Array, levels: Array) -> Array:
        """Cross-entropy `[...]` of logits `[..., num_features]`, summed over the fields that levels `[..., N]` tell."""
        total = jnp.zeros(())
        for at, (block, size) in enumerate(zip(self._blocks(predictions), self.sizes, strict=True)):
            level = levels[..., at]
            entropy = optax.softmax_cross_entropy_with_integer_labels(block, jnp.minimum(level, size - 1))
            total = total + jnp.where(level < size, entropy, 0)
        return total

    def equal(self, first: Array, second: Array) -> Array:
        """Bool `[...]`: whether levels `[..., N]` agree in all fields in which both say something."""
        told = ~self.is_any(first) & ~self.is_any(second)
        return jnp.all((first == second) | ~told, axis=-1)

    def is_any(self, levels: Array) -> Array:
        """Bool `[..., N]`, where levels `[..., N]` say nothing."""
        return levels == jnp.broadcast_to(jnp.asarray(self.sizes, jnp.int32), levels.shape)

    def _blocks(self, features: Array) -> list[Array]:
        ends = [sum(self.sizes[: at + 1]) for at in range(len(self.sizes) - 1)]
        return jnp.split(features, ends, axis=-1)
