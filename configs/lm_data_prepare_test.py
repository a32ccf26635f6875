"""Every variant of the config of the language tasks' first one loads; what it runs is in tasks/lm_test.py."""

import pytest

from configs import lm_data_prepare
from tasks.harness import config as config_lib
from tasks.language import crafting, embedding, recipes

_VARIANTS = ("default", "smoke")


@pytest.mark.parametrize("variant", _VARIANTS)
def test_a_variant_loads_as_the_harness_loads_it_and_names_what_there_is(variant):
    loaded = config_lib.load(f"configs/lm_data_prepare.py:{variant}", "configs/lm_data_prepare.py")
    assert loaded.to_dict() == lm_data_prepare.get_config(variant).to_dict()
    assert loaded.is_locked
    embedding.check(loaded.embedder)
    crafting.corpus(recipes.load(), seed=0, **loaded.crafting)


def test_no_variant_is_the_default_one():
    assert lm_data_prepare.get_config().to_dict() == lm_data_prepare.get_config("default").to_dict()


def test_an_unknown_variant_is_an_error():
    with pytest.raises(ValueError, match="there is no variant 'smok' of this config; there are default, smoke"):
        lm_data_prepare.get_config("smok")
