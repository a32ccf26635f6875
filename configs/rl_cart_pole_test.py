"""Every variant of the cart pole's config loads and makes a model; what it runs is in tasks/rl_cart_pole_test.py."""

import pytest

from configs import rl_cart_pole
from tasks.control import cart_pole, sets
from tasks.harness import config as config_lib

_VARIANTS = ("default", "linear", "smoke")


@pytest.mark.parametrize("variant", _VARIANTS)
def test_a_variant_loads_as_the_harness_loads_it_and_makes_a_model(variant):
    loaded = config_lib.load(f"configs/rl_cart_pole.py:{variant}", "configs/rl_cart_pole.py")
    assert loaded.to_dict() == rl_cart_pole.get_config(variant).to_dict()
    assert loaded.is_locked
    domain = cart_pole.domain()
    assert len(sets.build_model(loaded.model, loaded.num_updates, domain).layers) == 2
    sets.build_imagination(loaded.learning, domain)
    sets.build_world(loaded.world, domain)
    sets.build_exploration(loaded.exploration)
    assert loaded.num_updates % loaded.chunk_steps == 0
    assert loaded.asked_set in loaded.sets


def test_no_variant_is_the_default_one():
    assert rl_cart_pole.get_config().to_dict() == rl_cart_pole.get_config("default").to_dict()


def test_an_unknown_variant_is_an_error():
    with pytest.raises(ValueError, match="there is no variant 'smok' of this config; there are default, linear, smoke"):
        rl_cart_pole.get_config("smok")
