"""An outcome as it stands in the results."""

from tasks.parts.outcome import Outcome
from tasks.parts.shares import Shares


def test_notes_stand_beside_the_shares():
    on, off = Shares.of([1.0, 0.9]), Shares.of([0.5, 0.25])
    outcome = Outcome("a world", "sinusoidal", "none", on, off, {"num_examples": 3})
    assert outcome.to_json() == {"on": on.to_json(), "off": off.to_json(), "num_examples": 3}
