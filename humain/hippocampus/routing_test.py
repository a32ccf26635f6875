"""Each encoding goes to the part that it acts on, and to no other."""

import pytest

from humain.hippocampus import encodings, routing
from humain.hippocampus.location import Located, PlacesOfIds, Scales
from humain.hippocampus.rotary import Rotary
from humain.spaces import Discrete

SPACE = Discrete(2)
LOCATION = routing.Location(PlacesOfIds(((0.0,), (1.0,))), Scales(4.0), own_features=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("none", routing.Routing("none", SPACE, encodings.none, None)),
        ("sinusoidal", routing.Routing("sinusoidal", SPACE, encodings.sinusoidal, None)),
        ("rotary", routing.Routing("rotary", SPACE, encodings.none, Rotary())),
        (
            "location",
            routing.Routing(
                "location",
                Located(SPACE, LOCATION.places, LOCATION.scales, own_features=True),
                encodings.none,
                None,
            ),
        ),
    ],
)
def test_an_encoding_acts_on_one_part(name, expected):
    assert routing.route(name, SPACE, location=LOCATION) == expected


def test_all_names_can_be_routed():
    assert [routing.route(name, SPACE, location=LOCATION).name for name in routing.NAMES] == list(routing.NAMES)


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="encoding 'rotten' is not one of none, sinusoidal, rotary, location"):
        routing.route("rotten", SPACE)


def test_location_needs_coordinates():
    with pytest.raises(ValueError, match="'location' needs states that have 1 to 3 coordinates"):
        routing.route("location", SPACE)


@pytest.mark.parametrize(
    ("name", "features", "attention", "message"),
    [
        ("rotary", True, False, "'rotary' acts inside self-attention, but kernel 'mine' has none"),
        ("rotary", False, False, "'rotary' acts inside self-attention, but kernel 'mine' has none"),
        ("sinusoidal", False, False, "'sinusoidal' acts on features, but kernel 'mine' reads ids"),
        ("location", False, False, "'location' acts on features, but kernel 'mine' reads ids"),
    ],
)
def test_a_kernel_that_would_not_notice_is_refused(name, features, attention, message):
    routed = routing.route(name, SPACE, location=LOCATION)
    with pytest.raises(ValueError, match=message):
        routed.check_kernel("mine", features=features, attention=attention)


@pytest.mark.parametrize(
    ("name", "features", "attention"),
    [("none", False, False), ("sinusoidal", True, False), ("location", True, False), ("rotary", True, True)],
)
def test_a_kernel_with_the_part_is_taken(name, features, attention):
    routing.route(name, SPACE, location=LOCATION).check_kernel("mine", features=features, attention=attention)


def test_a_location_has_no_features_of_its_own_unless_asked_to():
    plain = routing.Location(LOCATION.places, LOCATION.scales)
    assert plain == routing.Location(LOCATION.places, LOCATION.scales, own_features=False)
    assert routing.route("location", SPACE, location=plain).space.num_features == 2 * 6
