"""The layers that a config asks for."""

import numpy as np
import pytest
from ml_collections import ConfigDict

from humain import errors
from humain.hippocampus import encodings
from tasks.language import guiding, layers
from tasks.language.small_model import CONFIG

_KNOWN = (np.eye(4, dtype=np.float32), np.ones((2, 4), np.float32))


def _model(**values):
    kernel = {**CONFIG.kernel, "num_keys": 6, "sharpness": 1.0, "name": values.pop("kernel", "transformer")}
    config = ConfigDict({**CONFIG.to_dict(), **values, "kernel": kernel})
    return layers.build_model(config, _KNOWN, num_updates=100, stop=2.0)


@pytest.mark.parametrize("kernel", ["transformer", "linear"])
def test_layers_have_the_sizes_of_the_config(kernel):
    model = _model(kernel=kernel)
    assert [layer.context_length for layer in model.layers] == [2, 1]
    assert model.space.num_features == 4
    for number, layer in enumerate(model.layers):
        assert layer.cortex.kernel.num_slots == 4
        assert layer.cortex.kernel.loss.suppression_weight == 0.1
        assert layer.cortex.kernel.target_space.weight == 2.0
        np.testing.assert_array_equal(guiding.known_states(model, number).known, _KNOWN[number])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kernel": "mlp"}, "model: kernel 'mlp' is not one of table, linear, transformer"),
        ({"access": "best"}, "model: access must be 'value' or 'score', not 'best'"),
        ({"score_discount": 2.0}, "model: .*2.0"),
        ({"num_slots": 0}, "model: num_slots must be at least 1, not 0"),
        ({"encoding": "rotten"}, "model: encoding 'rotten' is "),
        ({"encoding": "location"}, "model: encoding 'location' needs states that have 1 to 3 coordinates"),
        ({"encoding": "rotary", "kernel": "linear"}, "model: encoding 'rotary' acts inside self-attention"),
        ({"context_lengths": (2,)}, "model: context_lengths must be one for each of the 2 layers, not 1"),
    ],
)
def test_what_can_not_be_is_one_line_for_the_user(values, message):
    with pytest.raises(errors.UserError, match=f"^{message}"):
        _model(**values)


@pytest.mark.parametrize(
    ("name", "added"),
    [("none", encodings.none), ("sinusoidal", encodings.Scaled(encodings.sinusoidal, 0.1)), ("rotary", encodings.none)],
)
def test_every_encoding_that_makes_sense_is_taken(name, added):
    assert all(layer.encoding == added for layer in _model(encoding=name).layers)
