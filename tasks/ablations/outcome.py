"""What an experiment came to: shares of the optimum with a part on and off, and numbers beside them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tasks.ablations.shares import Shares


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The result of one experiment.

    Attributes:
        title: what was asked, one line.
        on_name: what is on.
        off_name: what stands in its place.
        on: with the part.
        off: without it.
        notes: further numbers, plain JSON.
    """

    title: str
    on_name: str
    off_name: str
    on: Shares
    off: Shares
    notes: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Both shares under `on` and `off`, and the notes beside them."""
        return {"on": self.on.to_json(), "off": self.off.to_json(), **self.notes}
