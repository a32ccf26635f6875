"""Every encoding does what is promised, with every kernel on which it acts; a new one is a line here."""

from typing import Any

import pytest

from humain.hippocampus.location import PlacesInVectors, PlacesOfIds
from humain.hippocampus.routing import NAMES
from humain.kernels import configs
from humain.kernels.linear import LinearConfig
from humain.kernels.transformer import TransformerConfig
from humain.spaces import Continuous, Discrete
from humain.testing.encoding_conformance import CHECKS, CONTEXT_LENGTH, NUM_STATES, EncodingCase


def make_linear(routing):
    config = LinearConfig(num_slots=2, num_keys=16, learning_rate=0.01)
    return configs.build(config, routing, context_length=CONTEXT_LENGTH)


def make_transformer(routing):
    config = TransformerConfig(num_slots=2, num_heads=2, width=16, hidden=16, offset=0.3, learning_rate=0.01)
    return configs.build(config, routing, context_length=CONTEXT_LENGTH)


_CORNERS = ((0.0, 0.5), (0.0, 2.0), (2.0, 1.0), (3.0, 2.0))
_IDS: dict[str, Any] = {
    "space": Discrete(NUM_STATES),
    "elements": tuple(range(NUM_STATES)),
    "places": PlacesOfIds(_CORNERS),
}
_VECTORS: dict[str, Any] = {"space": Continuous(2), "elements": _CORNERS, "places": PlacesInVectors((1, 0))}
_POSITIONS = ("sinusoidal", "rotary")

CASES = {
    f"{name}-{kernel}-{kind}": EncodingCase(
        name,
        make,
        **elements,
        # A linear kernel reads each place of the context by itself.
        tells_order=name in _POSITIONS or kernel == "linear",
    )
    for name in NAMES
    for kernel, make in (("linear", make_linear), ("transformer", make_transformer))
    for kind, elements in (("ids", _IDS), ("vectors", _VECTORS))
    if (name, kernel) != ("rotary", "linear")
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_conformance(case, check):
    check(case)


def test_a_kernel_without_attention_refuses_rotary():
    case = EncodingCase("rotary", make_linear, **_IDS, tells_order=True)
    with pytest.raises(ValueError, match="'rotary' acts inside self-attention, but kernel 'linear' has none"):
        case.make(case.routing)
