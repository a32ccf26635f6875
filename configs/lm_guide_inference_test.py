"""Every variant of the config of guidance loads; what it runs is in tasks/lm_test.py."""

import pytest

from configs import lm_guide_inference
from tasks.harness import config as config_lib

_VARIANTS = ("default", "smoke")


@pytest.mark.parametrize("variant", _VARIANTS)
def test_a_variant_loads_as_the_harness_loads_it(variant):
    loaded = config_lib.load(f"configs/lm_guide_inference.py:{variant}", "configs/lm_guide_inference.py")
    assert loaded.to_dict() == lm_guide_inference.get_config(variant).to_dict()
    assert loaded.is_locked
    assert loaded.mode == "think"
    assert min(loaded.max_steps, loaded.max_sub_steps, loaded.max_top_steps) >= 1


def test_no_variant_is_the_default_one():
    assert lm_guide_inference.get_config().to_dict() == lm_guide_inference.get_config("default").to_dict()


def test_an_unknown_variant_is_an_error():
    with pytest.raises(ValueError, match="there is no variant 'smok' of this config; there are default, smoke"):
        lm_guide_inference.get_config("smok")
