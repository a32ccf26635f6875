"""Every variant of the acrobot's config loads and makes a model; what it runs is in tasks/rl_acrobot_test.py."""

import pytest

from configs import rl_acrobot
from tasks.control import acrobot, sets
from tasks.harness import config as config_lib


@pytest.mark.parametrize("variant", ["default", "linear", "smoke"])
def test_a_variant_loads_as_the_harness_loads_it_and_makes_a_model(variant):
    loaded = config_lib.load(f"configs/rl_acrobot.py:{variant}", "configs/rl_acrobot.py")
    assert loaded.to_dict() == rl_acrobot.get_config(variant).to_dict()
    assert loaded.is_locked
    domain = acrobot.domain()
    assert len(sets.build_model(loaded.model, loaded.num_updates, domain).layers) == 2
    sets.build_imagination(loaded.learning, domain)
    sets.build_world(loaded.world, domain)


def test_an_unknown_variant_is_an_error():
    with pytest.raises(ValueError, match="there is no variant 'smok' of this config; there are default, linear, smoke"):
        rl_acrobot.get_config("smok")
