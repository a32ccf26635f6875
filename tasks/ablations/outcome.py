"""The result of an ablation: shares of the optimum with a part on and off, and further numbers."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tasks.ablations.shares import Shares


@dataclasses.dataclass(frozen=True)
class AblationOutcome:
    """The result of one ablation.

    Attributes:
        title: the question that it answers, in one line.
        on_name: what the part is.
        off_name: what replaces it when it is off.
        on: the shares with the part.
        off: the shares without it.
        notes: further numbers, of JSON types.
    """

    title: str
    on_name: str
    off_name: str
    on: Shares
    off: Shares
    notes: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Returns both shares under `on` and `off`, together with the notes."""
        return {"on": self.on.to_json(), "off": self.off.to_json(), **self.notes}
