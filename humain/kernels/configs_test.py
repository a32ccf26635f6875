"""Configs of kernels: plain values there and back, and equal kernels of equal configs."""

import json

import pytest

from humain.hippocampus.routing import route
from humain.kernels import configs
from humain.kernels.inverse_model import InverseModelConfig
from humain.kernels.linear import LinearConfig
from humain.kernels.table import TableConfig
from humain.kernels.transformer import TransformerConfig
from humain.spaces import Continuous, Discrete

SPACE = Discrete(5)
CONFIGS = [
    TableConfig(num_slots=2, access="score", sparse_capacity=64),
    TableConfig(),
    LinearConfig(num_keys=8, learning_rate=0.25, num_updates=10, suppression="log_sum_exp"),
    TransformerConfig(width=8, num_heads=2, window=3, relative=True),
    InverseModelConfig(forgetting=0.75),
]


@pytest.mark.parametrize("config", CONFIGS, ids=repr)
def test_a_config_goes_through_json_and_back(config):
    assert configs.read(json.loads(json.dumps(configs.to_values(config)))) == config


@pytest.mark.parametrize("name", configs.KERNELS)
def test_equal_configs_give_equal_kernels_and_others_do_not(name):
    # What has but one slot, and no ids, differs in something else.
    field, one, other = ("forgetting", 0.5, 0.75) if name == "inverse_model" else ("num_slots", 2, 3)
    space = Continuous(2) if name == "inverse_model" else SPACE
    first, second = (configs.read({"name": name, field: one}).build(space, space) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)
    assert first != configs.read({"name": name, field: other}).build(space, space)


@pytest.mark.parametrize("name", ["linear", "transformer"])
def test_another_learning_rate_is_another_kernel(name):
    kernels = [
        configs.read({"name": name, "learning_rate": rate, "num_updates": updates}).build(SPACE, SPACE)
        for rate, updates in ((0.1, None), (0.2, None), (0.1, 5), (0.1, 6))
    ]
    assert len(set(kernels)) == 4


def test_fields_of_other_kernels_are_passed_over_and_unknown_ones_refused():
    values = {"name": "linear", "num_keys": 8, "width": 64, "sparse_capacity": None}
    assert configs.read(values) == LinearConfig(num_keys=8)
    with pytest.raises(ValueError, match="no kernel has a field num_kyes; there are access, "):
        configs.read({"name": "linear", "num_kyes": 8})
    with pytest.raises(ValueError, match="kernel 'lstm' is not one of table, linear, transformer"):
        configs.read({"name": "lstm"})


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("table", {"num_slots": 0}, "num_slots must be at least 1, not 0"),
        ("table", {"access": "best"}, "access must be 'value' or 'score', not 'best'"),
        ("table", {"sparse_capacity": 100}, "must be a power of two, not 100"),
        ("linear", {"learning_rate": 0.0}, "learning_rate must be a number above 0, not 0.0"),
        ("linear", {"num_updates": 0}, "num_updates must be at least 1, or None, not 0"),
        ("transformer", {"asymmetry": 1.0}, "asymmetry must lie between 0 and 1, not 1.0"),
        ("transformer", {"window": 0}, "window must be at least 1, or None, not 0"),
    ],
)
def test_what_can_not_be_is_refused_at_construction(name, fields, message):
    with pytest.raises(ValueError, match=message):
        configs.read({"name": name, **fields})


def test_an_encoding_without_effect_is_refused():
    with pytest.raises(ValueError, match="'rotary' acts inside self-attention, but kernel 'linear' has none"):
        configs.build(LinearConfig(), route("rotary", SPACE), context_length=2)
    with pytest.raises(ValueError, match="'sinusoidal' acts on features, but kernel 'table' reads ids"):
        configs.build(TableConfig(), route("sinusoidal", SPACE), context_length=2)


def test_a_table_of_vectors_is_refused():
    with pytest.raises(ValueError, match="a table stores ids, and Continuous"):
        TableConfig().build(Continuous(2), Continuous(2))


@pytest.mark.parametrize(
    "config",
    [
        TransformerConfig(num_slots=1, num_blocks=1, num_heads=1, width=1, hidden=1, window=1, offset=0.0),
        LinearConfig(num_slots=1, num_keys=1, sharpness=1e-6),
        LinearConfig(asymmetry=1e-6, score_delta=1e-6, suppression_weight=0.0, learning_rate=1e-9, num_updates=1),
        LinearConfig(asymmetry=1 - 1e-6),
    ],
)
def test_settings_may_go_to_the_very_edge(config):
    kernel = config.build(Discrete(1), Discrete(1), context_length=1)
    assert kernel.num_slots == config.num_slots


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"asymmetry": 0.0}, "asymmetry must lie between 0 and 1"),
        ({"asymmetry": 1.0}, "asymmetry must lie between 0 and 1"),
        ({"score_delta": 0.0}, "score_delta must be more than 0"),
        ({"suppression_weight": -1e-6}, "suppression_weight must be 0 or more"),
        ({"learning_rate": 0.0}, "learning_rate must be a number above 0"),
        ({"num_updates": 0}, "num_updates must be at least 1"),
        ({"num_blocks": 0}, "num_blocks must be at least 1"),
        ({"num_heads": 0}, "num_heads must be at least 1"),
        ({"width": 0}, "width must be at least 1"),
        ({"hidden": 0}, "hidden must be at least 1"),
        ({"window": 0}, "window must be at least 1"),
        ({"offset": -1e-6}, "offset must be 0 or more"),
    ],
)
def test_settings_beyond_the_edge_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TransformerConfig(**settings)


def test_the_defaults_of_each_kernel():
    # A default is a setting too: whoever leaves it out has learned with it.
    assert configs.to_values(TableConfig()) == {
        "name": "table",
        "num_slots": 4,
        "access": "value",
        "sparse_capacity": None,
    }
    shared = {
        "num_slots": 4,
        "access": "score",
        "asymmetry": 0.9,
        "score_delta": 0.05,
        "suppression": "per_slot",
        "suppression_weight": 0.2,
        "relative": False,
        "learning_rate": 1e-3,
        "num_updates": None,
    }
    assert configs.to_values(LinearConfig()) == {"name": "linear", **shared, "num_keys": 512, "sharpness": 2.0}
    assert configs.to_values(TransformerConfig()) == {
        "name": "transformer",
        **shared,
        "num_blocks": 1,
        "num_heads": 4,
        "width": 96,
        "hidden": 384,
        "window": None,
        "offset": 0.0,
    }


@pytest.mark.parametrize("config", [TableConfig(), LinearConfig(num_keys=2), TransformerConfig(width=4)], ids=repr)
def test_a_context_is_one_state_by_default(config):
    assert config.build(SPACE, SPACE) == config.build(SPACE, SPACE, context_length=1)


def test_what_each_kernel_reads():
    read = {name: (kind.reads_features, kind.attends) for name, kind in configs.KERNELS.items()}
    assert read == {
        "table": (False, False),
        "linear": (True, False),
        "transformer": (True, True),
        "inverse_model": (False, False),
    }
