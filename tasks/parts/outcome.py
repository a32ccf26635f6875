"""The outcome of an experiment in which one part of the library is on, and off."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tasks.parts.shares import Shares


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What an experiment came to.

    Attributes:
        title: one line: the world, and what is asked of the agent.
        on_name: what has the part.
        off_name: what lacks it.
        on: shares of the optimum with the part.
        off: shares of the optimum without it.
        notes: more numbers, plain JSON.
    """

    title: str
    on_name: str
    off_name: str
    on: Shares
    off: Shares
    notes: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """`on` and `off`, and the notes beside them."""
        return {"on": self.on.to_json(), "off": self.off.to_json(), **self.notes}
