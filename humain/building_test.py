"""Stacks in few words."""

import jax
import pytest

from humain import building
from humain.abstraction.skip import Skip
from humain.cortex.scores import Geometric
from humain.hippocampus import encodings
from humain.kernels.linear import LinearConfig
from humain.kernels.network import NetworkKernel
from humain.kernels.table import Table, TableConfig
from humain.kernels.transformer import TransformerConfig
from humain.spaces import Continuous, Discrete


def test_ids_are_kept_in_tables_and_each_layer_answers_states():
    model = building.stack(Discrete(7), num_layers=3)
    assert len(model.layers) == 3
    assert model.space == Discrete(7)
    assert all(isinstance(layer.cortex.kernel, Table) for layer in model.layers)
    assert all(layer.cortex.kernel.target_space == Discrete(7) for layer in model.layers)
    assert model.layers[0].cortex.score_rule == Geometric(0.95)
    # One table a layer: stacked ones would be copied at each update.
    assert model.groups == ((0,), (1,), (2,))


def test_only_the_bottom_layer_answers_actions():
    model = building.stack(Continuous(2), actions=Discrete(3))
    assert [layer.cortex.kernel.target_space for layer in model.layers] == [Discrete(3), Continuous(2)]
    assert all(isinstance(layer.cortex.kernel, NetworkKernel) for layer in model.layers)
    assert isinstance(building.stack(Discrete(4), actions=Discrete(2)).layers[0].cortex.kernel, Table)
    assert isinstance(building.stack(Discrete(4), actions=Continuous(2)).layers[0].cortex.kernel, NetworkKernel)


def test_layers_of_equal_networks_learn_together():
    assert building.stack(Continuous(2), kernel=LinearConfig(num_keys=8)).groups == ((0, 1),)


def test_contexts_and_their_encoding_reach_layer_and_kernel():
    model = building.stack(
        Discrete(5), kernel=LinearConfig(num_keys=8), context_length=3, encoding="sinusoidal", max_nodes=9
    )
    layer = model.layers[1]
    assert (layer.context_length, layer.encoding, layer.max_nodes) == (3, encodings.sinusoidal, 9)
    model.init(jax.random.key(0), (Skip(2), Skip(2)))
    assert isinstance(building.stack(Discrete(5), encoding="sinusoidal").layers[0].cortex.kernel, NetworkKernel)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_layers": 0}, "num_layers must be at least 1, not 0"),
        (
            {"actions": Discrete(4)},
            r"actions are of Discrete\(num_elements=4\), and so are states.*make one of the two lar",
        ),
        ({"kernel": TableConfig(), "encoding": "sinusoidal"}, "'sinusoidal' acts on features"),
        ({"kernel": LinearConfig(), "encoding": "rotary"}, "'rotary' acts inside self-attention"),
        ({"kernel": TransformerConfig(), "encoding": "sines"}, "'sines'"),
    ],
)
def test_what_does_not_fit_together_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        building.stack(Discrete(4), **settings)


def test_actions_that_are_as_many_as_states_are_told_from_them_by_an_id_too_many():
    model = building.stack(Discrete(4), actions=Discrete(5), num_layers=1)
    assert not model.layers[0].answers_states
    plane = building.stack(Continuous(2), actions=Continuous(2, tolerance=0.5), num_layers=1)
    assert not plane.layers[0].answers_states


def test_the_defaults_of_a_stack():
    assert building.stack.__kwdefaults__ == {
        "actions": None,
        "num_layers": 2,
        "kernel": None,
        "score_rule": Geometric(0.95),
        "lookahead": 2,
        "context_length": 1,
        "encoding": "none",
        "max_sub_steps": 16,
        "max_nodes": 64,
    }
    plain = building.stack(Discrete(4))
    assert len(plain.layers) == 2
    assert not plain.group_layers
    assert building.stack(Continuous(2), num_layers=1).group_layers
