"""Every variant of the memory's config loads and fits its experiments; what it runs is in tasks/memory_test.py."""

import dataclasses

import pytest

from configs import memory
from tasks.ablations import experiments
from tasks.harness import config as config_lib

_VARIANTS = ("default", "smoke")


@pytest.mark.parametrize("variant", _VARIANTS)
def test_a_variant_loads_as_the_harness_loads_it_and_fits(variant):
    loaded = config_lib.load(f"configs/memory.py:{variant}", "configs/memory.py")
    assert loaded.to_dict() == memory.get_config(variant).to_dict()
    assert loaded.is_locked
    assert tuple(loaded.experiments) == tuple(experiments.EXPERIMENTS)
    for name in loaded.experiments:
        settings = experiments.build_settings(name, loaded[name].to_dict())
        # Every field is in the config, so that the command line can change it.
        assert set(loaded[name]) == set(dataclasses.asdict(settings))
        for field, value in dataclasses.asdict(settings).items():
            assert not isinstance(value, dict) or set(loaded[name][field]) == set(value)


def test_the_default_is_what_the_experiments_are_without_a_config():
    config = memory.get_config()
    assert config.num_seeds == 10
    for name in config.experiments:
        assert experiments.build_settings(name, config[name].to_dict()) == experiments.build_settings(name, {})


def test_no_variant_is_the_default_one():
    assert memory.get_config().to_dict() == memory.get_config("default").to_dict()


def test_an_unknown_variant_is_an_error():
    with pytest.raises(ValueError, match="there is no variant 'smok' of this config; there are default, smoke"):
        memory.get_config("smok")
