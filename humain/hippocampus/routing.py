"""Passes the encoding that a config names to the part of a layer that it acts on.

`sinusoidal` is added to the states' features, `rotary` rotates queries and keys inside self-attention, and `location`
replaces the features of states and goals.
"""

import dataclasses

from humain.hippocampus import encodings
from humain.hippocampus.encodings import Encoding
from humain.hippocampus.location import Located, Places, Scales
from humain.hippocampus.rotary import Rotary
from humain.spaces import Space

NAMES = ("none", "sinusoidal", "rotary", "location")
"""The encodings that a config can name."""


@dataclasses.dataclass(frozen=True)
class Location:
    """The arguments of the encoding `location`.

    Attributes:
        places: the coordinates of states and goals.
        scales: the wavelengths of the code.
        own_features: whether the features include the state's own, see `Located`.
    """

    places: Places
    scales: Scales
    own_features: bool = False


@dataclasses.dataclass(frozen=True)
class Routing:
    """An encoding, as the parts of a layer that it acts on; the other parts are as without an encoding.

    Attributes:
        name: the encoding's name, one of `NAMES`.
        space: the space of states and goals, for the model and its kernels.
        added: the encoding that the layer adds to the features of its context, by position.
        rotary: the encoding of the kernel's self-attention, or None.
    """

    name: str
    space: Space
    added: Encoding
    rotary: Rotary | None

    def check_kernel(self, kernel: str, *, features: bool, attention: bool) -> None:
        """Raises an error for a kernel on which the encoding would have no effect.

        Args:
            kernel: the kernel's name.
            features: whether the kernel reads the features of states and goals.
            attention: whether the kernel has self-attention over the states.

        Raises:
            ValueError: if the kernel lacks the part that the encoding acts on; the message names the remedy.
        """
        if self.rotary is not None and not attention:
            raise ValueError(
                f"encoding {self.name!r} acts inside self-attention, but kernel {kernel!r} has none; choose the "
                "kernel 'transformer', or another encoding"
            )
        if self.name in ("sinusoidal", "location") and not features:
            raise ValueError(
                f"encoding {self.name!r} acts on features, but kernel {kernel!r} reads ids; choose another kernel, "
                "or the encoding 'none'"
            )


def route(name: str, space: Space, *, location: Location | None = None) -> Routing:
    """Returns the encoding of a name.

    Args:
        name: one of `NAMES`.
        space: the space of states and goals.
        location: the coordinates of states and goals; None if they have none.

    Raises:
        ValueError: if the name is not one of `NAMES`, or is `location` and states have no coordinates.
    """
    if name not in NAMES:
        raise ValueError(f"encoding {name!r} is not one of {', '.join(NAMES)}")
    if name == "location":
        if location is None:
            raise ValueError(
                "encoding 'location' needs states that have 1 to 3 coordinates, and these have none; choose another"
            )
        space = Located(space, location.places, location.scales, own_features=location.own_features)
    return Routing(
        name=name,
        space=space,
        added=encodings.sinusoidal if name == "sinusoidal" else encodings.none,
        rotary=Rotary() if name == "rotary" else None,
    )
