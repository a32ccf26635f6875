"""Which part of a layer an encoding acts on: the one that a config names, sent to where it belongs.

`sinusoidal` is added to the states' features, `rotary` turns queries and keys inside self-attention, `location` is how
states and goals are shown.
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
    """What `location` needs to know.

    Attributes:
        places: where states and goals are.
        scales: of the code.
        own_features: whether a state's own features are shown too, see `Located`.
    """

    places: Places
    scales: Scales
    own_features: bool = False


@dataclasses.dataclass(frozen=True)
class Routing:
    """An encoding, by the parts that it acts on; the others are as without one.

    Attributes:
        name: of the encoding, one of `NAMES`.
        space: of states and goals, for the model and its kernels.
        added: to the features of the context's states by their position, for the layer.
        rotary: for the kernel's self-attention, or None.
    """

    name: str
    space: Space
    added: Encoding
    rotary: Rotary | None

    def check_kernel(self, kernel: str, *, features: bool, attention: bool) -> None:
        """Refuses a kernel on which the encoding would have no effect.

        Args:
            kernel: its name.
            features: whether it reads the features of states and goals.
            attention: whether it attends from state to state.

        Raises:
            ValueError: naming both and what would do.
        """
        if self.rotary is not None and not attention:
            raise ValueError(
                f"encoding {self.name!r} acts inside self-attention, which the kernel {kernel!r} has not; choose the "
                "kernel 'transformer', or another encoding"
            )
        if self.name in ("sinusoidal", "location") and not features:
            raise ValueError(
                f"encoding {self.name!r} acts on features, and the kernel {kernel!r} reads ids; choose another kernel, "
                "or the encoding 'none'"
            )


def route(name: str, space: Space, *, location: Location | None = None) -> Routing:
    """An encoding by its name.

    Args:
        name: one of `NAMES`.
        space: of states and goals.
        location: where they are; None if they have no coordinates.

    Raises:
        ValueError: for another name, and for `location` where states have no coordinates.
    """
    if name not in NAMES:
        raise ValueError(f"encoding {name!r} is none of {', '.join(NAMES)}")
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
