"""Values as JSON and back: what a model is made of, told so that another process can make it again.

Dataclasses become their name and fields, arrays become names of arrays. Which names mean which classes and functions is
a table that the caller brings; nothing is imported, looked up or run by what a description says, but the constructors
in that table.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from humain.files.records import Json

Array = jax.Array

OPAQUE = "opaque"
"""The key of what a description can only name: a function, or an object of a class that is not a dataclass."""


class Describer:
    """Describes values, and collects the arrays in them.

    Attributes:
        arrays: by the name that a description has for them.
        opaque: where what can only be named stands, and what it is.
    """

    def __init__(self, known: Mapping[str, Any]) -> None:
        """Starts with no arrays.

        Args:
            known: classes and functions by the names that they get in descriptions.
        """
        self.arrays: dict[str, np.ndarray] = {}
        self.opaque: dict[str, str] = {}
        self._names = {value: name for name, value in known.items()}
        self._array_names: dict[int, str] = {}

    def describe(self, value: Any, place: str) -> Json:
        """The description of a value; `place` says where it stands, and names the arrays in it.

        Raises:
            ValueError: for what would come back as something else: tuples with named fields, keys that are not text,
                random keys.
        """
        if value is None or isinstance(value, (bool, int, str)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": repr(value)}
        if isinstance(value, (jax.Array, np.ndarray, np.generic)):
            return {"array": self._store(value, place)}
        if isinstance(value, tuple):
            return self._describe_tuple(value, place)
        if isinstance(value, dict):
            for key in value:
                if not isinstance(key, str):
                    raise ValueError(f"{place} has the key {key!r}, and only text can be a key in a file; use str(key)")
            return {"dict": {key: self.describe(item, f"{place}/{key}") for key, item in value.items()}}
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            name = self._names.get(type(value))
            fields = {
                field.name: self.describe(getattr(value, field.name), f"{place}/{field.name}")
                for field in dataclasses.fields(value)
                if field.init
            }
            return {"class" if name else "own class": name or type(value).__name__, "fields": fields}
        try:
            if value in self._names:
                return {"function": self._names[value]}
        except TypeError:  # what has no hash
            pass
        named = value if hasattr(value, "__qualname__") else type(value)
        self.opaque[place] = f"{named.__module__}.{named.__qualname__}"
        return {OPAQUE: self.opaque[place]}

    def _describe_tuple(self, value: tuple[Any, ...], place: str) -> Json:
        """A tuple's items."""
        num_opaque = len(self.opaque)
        items: list[Json] = [self.describe(item, f"{place}/{number}") for number, item in enumerate(value)]
        # One that holds what can only be named, as an `optax` optimiser, is never made again from its description.
        if type(value) is not tuple and len(self.opaque) == num_opaque:
            raise ValueError(
                f"{place} is a {type(value).__name__}, which would come back as a plain tuple; make it a dataclass, "
                "or a tuple"
            )
        return items

    def _store(self, array: Array | np.ndarray | np.generic, place: str) -> str:
        """An array that stands in several places is stored once."""
        if id(array) not in self._array_names:
            self._array_names[id(array)] = place
            self.arrays[place] = to_numpy(array, place)
        return self._array_names[id(array)]


class Rebuilder:
    """Makes values from descriptions."""

    def __init__(self, known: Mapping[str, Any], own: Mapping[str, type], arrays: Mapping[str, np.ndarray]) -> None:
        """Prepares it.

        Args:
            known: as the describer's.
            own: the user's classes by name.
            arrays: as the describer's.
        """
        self._known = known
        self._own = own
        self._arrays = arrays
        self._placed: dict[str, Array] = {}

    def rebuild(self, description: Json) -> Any:
        """The value.

        Raises:
            LookupError: for a name that no table has; its one argument says what, and the remedy.
            ValueError: when the value refuses to be made, or the description is not one.
        """
        if description is None or isinstance(description, (bool, int, float, str)):
            return description
        if isinstance(description, list):
            return tuple(self.rebuild(item) for item in description)
        match description:
            case {"float": str(text)}:
                return float(text)
            case {"array": str(name)}:
                return self._place(name)
            case {"dict": dict(items)}:
                return {key: self.rebuild(item) for key, item in items.items()}
            case {"function": str(name)}:
                return self._find(self._known, name, "made by a later version of humain")
            case {"class": str(name), "fields": dict(fields)}:
                return self._make(self._find(self._known, name, "made by a later version of humain"), fields)
            case {"own class": str(name), "fields": dict(fields)}:
                return self._make(self._find(self._own, name, f"hand the class over: classes=({name},)"), fields)
            case {"opaque": str(name)}:
                raise LookupError(f"{name} can't be made from its name; hand over the whole model: model=...")
        raise ValueError(f"{description!r:.200} describes nothing")

    def _make(self, kind: Any, fields: Mapping[str, Json]) -> Any:
        if not hasattr(kind, "__dataclass_fields__"):
            raise ValueError(f"{kind.__name__} is not a dataclass")
        try:
            return kind(**{name: self.rebuild(value) for name, value in fields.items()})
        except TypeError as error:
            raise ValueError(f"{kind.__name__} has other fields: {error}") from error

    def _place(self, name: str) -> Array:
        if name not in self._placed:
            if name not in self._arrays:
                raise ValueError(f"there is no array {name}")
            self._placed[name] = jax.numpy.asarray(self._arrays[name])
        return self._placed[name]

    @staticmethod
    def _find(table: Mapping[str, Any], name: str, remedy: str) -> Any:
        if name not in table:
            raise LookupError(f"{name} is not known here; {remedy}")
        return table[name]


def to_numpy(array: Any, place: str) -> np.ndarray:
    """The numbers of an array on the host.

    Raises:
        ValueError: for a random key, whose bits are its generator's own.
    """
    if hasattr(array, "dtype") and jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
        raise ValueError(f"{place} is a random key, which can't be saved; keep jax.random.key_data(key) in its stead")
    return np.asarray(array)
