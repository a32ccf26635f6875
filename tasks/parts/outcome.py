"""What an experiment with one part of the library on, and off, comes to."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tasks.parts.shares import Shares


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Shares of the optimum with the part on and with it off.

    Attributes:
        title: one line, the world and its optimum.
        on_name: the part that makes the difference.
        off_name: what stands in its place.
        on: shares with the part.
        off: shares without it.
        notes: further numbers, plain JSON.
    """

    title: str
    on_name: str
    off_name: str
    on: Shares
    off: Shares
    notes: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The shares under `on` and `off`, and the notes beside them."""
        return {"on": self.on.to_json(), "off": self.off.to_json(), **self.notes}
