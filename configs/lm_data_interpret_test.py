"""Every variant of the config that puts guides into words loads; what it runs is in tasks/lm_test.py."""

import pytest

from configs import lm_data_interpret
from tasks.harness import config as config_lib
from tasks.language import decoding

_VARIANTS = ("default", "smoke")


@pytest.mark.parametrize("variant", _VARIANTS)
def test_a_variant_loads_as_the_harness_loads_it_and_has_a_decoder(variant):
    loaded = config_lib.load(f"configs/lm_data_interpret.py:{variant}", "configs/lm_data_interpret.py")
    assert loaded.to_dict() == lm_data_interpret.get_config(variant).to_dict()
    assert loaded.is_locked
    decoding.check(loaded.decoder)
    assert loaded.num_candidates == 64


def test_no_variant_is_the_default_one():
    assert lm_data_interpret.get_config().to_dict() == lm_data_interpret.get_config("default").to_dict()


def test_an_unknown_variant_is_an_error():
    with pytest.raises(ValueError, match="there is no variant 'smok' of this config; there are default, smoke"):
        lm_data_interpret.get_config("smok")
