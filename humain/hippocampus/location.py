"""Location encoding: states that have a place are shown by sines and cosines of their coordinates."""

import dataclasses
import math
from typing import Protocol

import jax.numpy as jnp

from humain.spaces import Space
from humain.types import Array

MAX_COORDINATES = 3
"""Of a place."""


@dataclasses.dataclass(frozen=True)
class Scales:
    """A ladder of wavelengths, from the longest down, each a half of the one before.

    Translation-consistent: the inner product of the codes of two places depends on their difference alone, and a shift
    turns every pair of sine and cosine by an angle that is the same everywhere.

    Source: Mildenhall et al., NeRF, section 5.1, and Tancik et al., Fourier Features Let Networks Learn High Frequency
    Functions in Low Dimensional Domains, for each coordinate by itself. Their coordinates lie in a unit cube; here they
    keep their units, and wavelengths are in the same ones.

    Attributes:
        longest: wavelength, in the coordinates' units, more than 0. Places that lie as far apart look alike but for the
            shorter ones; of twice the world's extent, it tells all places apart by itself.
        num_scales: wavelengths, 1 or more.
    """

    longest: float
    num_scales: int = 6

    def __post_init__(self) -> None:
        if not 0 < self.longest < math.inf:
            raise ValueError(f"the longest wavelength must be a number above 0, not {self.longest}")
        if self.num_scales < 1:
            raise ValueError(f"num_scales must be 1 or more, not {self.num_scales}")

    def num_features(self, num_coordinates: int) -> int:
        """Length of the code of a place."""
        return 2 * self.num_scales * num_coordinates

    def encode(self, places: Array) -> Array:
        """Codes `[..., 2 * num_scales * D]` float32 of places `[..., D]`; of each coordinate the sines come first."""
        frequencies = 2 * math.pi / self.longest * 2.0 ** jnp.arange(self.num_scales)
        angles = jnp.multiply.outer(places.astype(jnp.float32), frequencies)
        codes = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)
        return codes.reshape(*places.shape[:-1], self.num_features(places.shape[-1]))


class Places(Protocol):
    """Where the elements of a space are. Hashable, as kernels are."""

    @property
    def num_coordinates(self) -> int:
        """Of a place, 1 to `MAX_COORDINATES`."""

    def find(self, elements: Array) -> Array:
        """Coordinates `[..., D]` float32 of elements `[..., *S]`."""

    def check(self, space: Space) -> None:
        """Raises ValueError if these are no places of the elements of the space."""


@dataclasses.dataclass(frozen=True)
class PlacesOfIds:
    """A place for each id.

    Attributes:
        coordinates: of each id, 1 to 3 finite numbers, the same number for all.
    """

    coordinates: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if not self.coordinates:
            raise ValueError("there are no places; expected the coordinates of each id")
        lengths = {len(place) for place in self.coordinates}
        if len(lengths) > 1:
            raise ValueError(f"all places must have as many coordinates, and these have {sorted(lengths)}")
        _check_number(self.num_coordinates)
        if not all(math.isfinite(number) for place in self.coordinates for number in place):
            raise ValueError("coordinates must be finite numbers")

    @property
    def num_coordinates(self) -> int:
        """Of a place."""
        return len(self.coordinates[0])

    @property
    def extent(self) -> float:
        """Of the widest coordinate; 0 where all ids are in one place."""
        return max(max(along) - min(along) for along in zip(*self.coordinates, strict=True))

    def find(self, elements: Array) -> Array:
        """The rows of the ids."""
        return jnp.array(self.coordinates, jnp.float32)[elements]

    def check(self, space: Space) -> None:
        """Raises ValueError unless the space has as many ids."""
        if space.shape != () or space.num_outputs != len(self.coordinates):
            raise ValueError(f"{len(self.coordinates)} ids have places, which does not fit {space}")


@dataclasses.dataclass(frozen=True)
class PlacesInVectors:
    """Some of a vector's own numbers.

    Attributes:
        indices: which ones, 1 to 3 different ones, counted from 0.
    """

    indices: tuple[int, ...]

    def __post_init__(self) -> None:
        _check_number(self.num_coordinates)
        if len(set(self.indices)) < len(self.indices) or min(self.indices) < 0:
            raise ValueError(f"indices must be different numbers from 0 up, not {self.indices}")

    @property
    def num_coordinates(self) -> int:
        """Of a place."""
        return len(self.indices)

    def find(self, elements: Array) -> Array:
        """These numbers."""
        return elements[..., jnp.array(self.indices, jnp.int32)].astype(jnp.float32)

    def check(self, space: Space) -> None:
        """Raises ValueError unless the space's elements are vectors that are long enough."""
        if len(space.shape) != 1 or space.shape[0] <= max(self.indices):
            raise ValueError(f"{space} has no vectors with a number {max(self.indices)}, counted from 0")


@dataclasses.dataclass(frozen=True)
class Located:
    """A space whose elements, as states and as goals, are shown by where they are; predicted they are as before.

    Attributes:
        space: of the same elements.
        places: where they are.
        scales: of the code.
        own_features: whether the space's own features stand before the code. Without them, what is learned of one place
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
        """As in the space."""
        return self.space.shape

    @property
    def dtype(self) -> jnp.dtype:
        """As in the space."""
        return self.space.dtype

    @property
    def num_features(self) -> int:
        """Of the code, and of the element itself where it is shown."""
        own = self.space.num_features if self.own_features else 0
        return own + self.scales.num_features(self.places.num_coordinates)

    @property
    def num_outputs(self) -> int:
        """As in the space."""
        return self.space.num_outputs

    @property
    def has_differences(self) -> bool:
        """As the space."""
        return self.space.has_differences

    def encode(self, elements: Array) -> Array:
        """The code of the place, after the element's own features where they are shown."""
        code = self.scales.encode(self.places.find(elements))
        return jnp.concatenate([self.space.encode(elements), code], axis=-1) if self.own_features else code

    def decode(self, predictions: Array) -> Array:
        """As in the space."""
        return self.space.decode(predictions)

    def loss(self, predictions: Array, elements: Array) -> Array:
        """As in the space."""
        return self.space.loss(predictions, elements)

    def equal(self, first: Array, second: Array) -> Array:
        """As in the space."""
        return self.space.equal(first, second)


def _check_number(num_coordinates: int) -> None:
    if not 1 <= num_coordinates <= MAX_COORDINATES:
        raise ValueError(f"a place has 1 to {MAX_COORDINATES} coordinates, not {num_coordinates}")
