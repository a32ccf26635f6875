"""Every variant of the hierarchy's config loads and makes models; what it runs is in tasks/lm_test.py."""

import jax
import numpy as np
import pytest

from configs import lm_guide_train
from humain.abstraction.skip import Skip
from tasks.harness import config as config_lib
from tasks.language import layers, models

_VARIANTS = ("default", "kmeans", "linear", "smoke")


def _built(config, name):
    """The model of a config for embeddings of MiniLM's width, 384."""
    chosen = config.models[name]
    known = [np.zeros((2, 384), np.float32)] * len(chosen.context_lengths)
    return layers.build_model(chosen, known, num_updates=config.num_updates, stop=config.stop)


def _initial(model):
    return model.init(jax.random.key(0), (Skip(1),) * len(model.layers))


@pytest.mark.parametrize("variant", _VARIANTS)
def test_a_variant_loads_as_the_harness_loads_it_and_makes_models(variant):
    loaded = config_lib.load(f"configs/lm_guide_train.py:{variant}", "configs/lm_guide_train.py")
    assert loaded.to_dict() == lm_guide_train.get_config(variant).to_dict()
    assert loaded.is_locked
    assert loaded.num_updates % loaded.chunk_steps == 0
    num_layers = {name: len(_built(loaded, name).layers) for name in loaded.models}
    assert num_layers == {"hierarchy": 3, "flat": 1, "regression": 3}


@pytest.mark.parametrize("variant", ["default", "kmeans", "linear"])
def test_the_flat_model_has_as_many_parameters_as_the_hierarchy(variant):
    config = lm_guide_train.get_config(variant)
    sizes = {name: models.num_parameters(_initial(_built(config, name))) for name in ("hierarchy", "flat")}
    above = models.milestones_config(config, config.models.hierarchy)
    # It sees how much a sentence takes of each of the 82 that all goals share.
    layer = layers.build_model(above, [np.zeros((2, 82), np.float32)], num_updates=10, stop=config.stop)
    assert sizes["flat"] == pytest.approx(sizes["hierarchy"] + models.num_parameters(_initial(layer)), rel=0.1)


def test_the_flat_model_learns_from_as_many_examples_as_the_hierarchy():
    config = lm_guide_train.get_config()
    # Three layers and that of milestones.
    layers_below = 3 * config.num_updates * config.models.hierarchy.batch_factor
    above = config.milestones.num_updates * config.milestones.batch_factor
    assert config.num_updates * config.models.flat.batch_factor == layers_below + above


def test_variants_share_nothing_that_could_change():
    first = lm_guide_train.get_config()
    first.models.hierarchy.kernel.width = 4
    assert lm_guide_train.get_config().models.hierarchy.kernel.width > 4
    assert first.models.flat.kernel.width > 4


def test_no_variant_is_the_default_one():
    assert lm_guide_train.get_config().to_dict() == lm_guide_train.get_config("default").to_dict()


def test_an_unknown_variant_is_an_error():
    with pytest.raises(
        ValueError, match="there is no variant 'smok' of this config; there are default, kmeans, linear, smoke"
    ):
        lm_guide_train.get_config("smok")
