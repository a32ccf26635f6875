"""The JSON form of an outcome."""

from tasks.ablations.outcome import AblationOutcome
from tasks.ablations.shares import Shares


def test_notes_stand_beside_the_shares():
    on, off = Shares.of([1.0, 0.8]), Shares.of([0.5])
    outcome = AblationOutcome("a world", "with", "without", on, off, {"more": 3})
    assert outcome.to_json() == {"on": on.to_json(), "off": off.to_json(), "more": 3}
