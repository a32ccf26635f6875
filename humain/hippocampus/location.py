"""Location encoding: states that have a place are encoded as sines and cosines of their coordinates."""

import dataclasses
import math
from typing import Protocol

import jax.numpy as jnp

from humain.spaces import Space
from humain.types import Array

MAX_COORDINATES = 3
"""The largest number of coordinates that a place may have."""


@dataclasses.dataclass(frozen=True)
class Scales:
    """A series of wavelengths, from the longest down, each half of the one before.

    The code is translation-consistent: the inner product of the codes of two places depends only on their difference,
    and a shift rotates each pair of sine and cosine by an angle that is the same everywhere.

    Source: Mildenhall et al., NeRF, section 5.1, and Tancik et al., Fourier Features Let Networks Learn High Frequency
    Functions in Low Dimensional Domains, for each coordinate by itself. Their coordinates lie in a unit cube; here
    coordinates keep their units, and wavelengths are in the same units.

    Attributes:
        longest: the longest wavelength, in the coordinates' units, greater than 0. Places that far apart get the same
            code, since all shorter wavelengths divide it; with twice the world's extent, all places differ.
        num_scales: the number of wavelengths, at least 1.
    """

    longest: float
    num_scales: int = 6

    def __post_init__(self) -> None:
        if not 0 < self.longest < math.inf:
            raise ValueError(f"the longest wavelength must be a number above 0, not {self.longest}")
        if self.num_scales < 1:
            raise ValueError(f"num_scales must be at least 1, not {self.num_scales}")

    def num_features(self, num_coordinates: int) -> int:
        """Returns the length of the code of a place with `num_coordinates` coordinates."""
        return 2 * self.num_scales * num_coordinates

    def encode(self, places: Array) -> Array:
        """Returns the codes `[..., 2 * num_scales * D]` float32 of places `[..., D]`; per coordinate, sines first."""
        frequencies = 2 * math.pi / self.longest * 2.0 ** jnp.arange(self.num_scales)
        angles = jnp.multiply.outer(places.astype(jnp.float32), frequencies)
        codes = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)
        return codes.reshape(*places.shape[:-1], self.num_features(places.shape[-1]))


class Places(Protocol):
    """The coordinates of a space's elements. Hashable, as kernels are."""

    @property
    def num_coordinates(self) -> int:
        """The number of coordinates of each place, D: 1 to `MAX_COORDINATES`."""

    def find(self, elements: Array) -> Array:
        """Returns the coordinates `[..., D]` float32 of elements `[..., *S]`."""

    def check(self, space: Space) -> None:
        """Raises ValueError if these places do not fit the elements of the space."""


@dataclasses.dataclass(frozen=True)
class PlacesOfIds:
    """Coordinates given for each id.

    Attributes:
        coordinates: for each id, 1 to 3 finite numbers, equally many for all.
    """

    coordinates: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if not self.coordinates:
            raise ValueError("there are no places; give the coordinates of each id")
        lengths = {len(place) for place in self.coordinates}
        if len(lengths) > 1:
            raise ValueError(f"all places must have equally many coordinates, but these have {sorted(lengths)}")
        _check_number(self.num_coordinates)
        if not all(math.isfinite(number) for place in self.coordinates for number in place):
            raise ValueError("coordinates must be finite numbers")

    @property
    def num_coordinates(self) -> int:
        """The number of coordinates of each place."""
        return len(self.coordinates[0])

    @property
    def extent(self) -> float:
        """The largest difference between two ids in any one coordinate; 0 if all ids are in one place."""
        return max(max(along) - min(along) for along in zip(*self.coordinates, strict=True))

    def find(self, elements: Array) -> Array:
        """Returns the rows of `coordinates` `[..., D]` float32 of ids `[...]`."""
        return jnp.array(self.coordinates, jnp.float32)[elements]

    def check(self, space: Space) -> None:
        """Raises ValueError unless the space is discrete and has exactly one id per place."""
        if space.shape != () or space.num_outputs != len(self.coordinates):
            raise ValueError(f"{len(self.coordinates)} ids have places, which does not fit {space}; give one per id")


@dataclasses.dataclass(frozen=True)
class PlacesInVectors:
    """Coordinates that are components of the vectors themselves.

    Attributes:
        indices: which components, 1 to 3 different ones, counted from 0.
    """

    indices: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_number(self.num_coordinates)
        if len(set(self.indices)) < len(self.indices) or min(self.indices) < 0:
            raise ValueError(f"indices must be different and at least 0, not {self.indices}")

    @property
    def num_coordinates(self) -> int:
        """The number of coordinates of each place."""
        return len(self.indices)

    def find(self, elements: Array) -> Array:
        """Returns the components `[..., D]` float32 of vectors `[..., *S]`."""
        return elements[..., jnp.array(self.indices, jnp.int32)].astype(jnp.float32)

    def check(self, space: Space) -> None:
        """Raises ValueError unless the space's elements are vectors that have all these components."""
        if len(space.shape) != 1 or space.shape[0] <= max(self.indices):
            raise ValueError(f"the elements of {space} have no component {max(self.indices)}, counted from 0")


@dataclasses.dataclass(frozen=True)
class Located:
    """A space whose elements, as states and as goals, are encoded by where they are; predictions are as in its base.

    Attributes:
        space: the base, a space of the same elements.
        places: the coordinates of its elements.
        scales: the wavelengths of the code.
        own_features: whether the base's features precede the code. Without them, what is learned about one place
            carries over to all others at the same distance from the goal; with them, two elements at one place differ.
    """

    space: Space
    places: Places
    scales: Scales
    own_features: bool = False

    def __post_init__(self) -> None:
        self.places.check(self.space)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an element, as in the base."""
        return self.space.shape

    @property
    def dtype(self) -> jnp.dtype:
        """The dtype of an element, as in the base."""
        return self.space.dtype

    @property
    def num_features(self) -> int:
        """The length of the code, plus that of the base's features if they are included."""
        own = self.space.num_features if self.own_features else 0
        return own + self.scales.num_features(self.places.num_coordinates)

    @property
    def num_outputs(self) -> int:
        """The number of outputs of a kernel that predicts an element, as in the base."""
        return self.space.num_outputs

    @property
    def has_differences(self) -> bool:
        """Whether differences of elements are elements too, as in the base."""
        return self.space.has_differences

    def encode(self, elements: Array) -> Array:
        """Returns `[..., num_features]` float32: the base's features if included, then the code of the place."""
        code = self.scales.encode(self.places.find(elements))
        return jnp.concatenate([self.space.encode(elements), code], axis=-1) if self.own_features else code

    def decode(self, predictions: Array) -> Array:
        """Returns the elements `[..., *shape]` that predictions `[..., num_outputs]` stand for, as in the base."""
        return self.space.decode(predictions)

    def loss(self, predictions: Array, elements: Array) -> Array:
        """Returns the loss `[...]` of predictions `[..., num_outputs]`, as in the base."""
        return self.space.loss(predictions, elements)

    def equal(self, first: Array, second: Array) -> Array:
        """Returns bool `[...]`, whether elements are equal, as in the base."""
        return self.space.equal(first, second)


def _check_number(num_coordinates: int) -> None:
    if not 1 <= num_coordinates <= MAX_COORDINATES:
        raise ValueError(f"a place has 1 to {MAX_COORDINATES} coordinates, not {num_coordinates}")
