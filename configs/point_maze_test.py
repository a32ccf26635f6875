"""Every variant of the point mazes' config loads; what it runs is in tasks/point_maze_test.py."""

import pytest

from configs import point_maze
from tasks.harness import config as config_lib
from tasks.mazes import generator, runs, scale


@pytest.mark.parametrize("variant", ["default", "all", "smoke"])
def test_a_variant_loads_as_the_harness_loads_it(variant):
    loaded = config_lib.load(f"configs/point_maze.py:{variant}", "configs/point_maze.py")
    assert loaded.to_dict() == point_maze.get_config(variant).to_dict()
    assert loaded.is_locked
    for size in loaded.size:
        for kind in loaded.kind:
            generator.rules(size, kind)
    assert set(loaded.baselines) <= set(runs.BASELINES)
    assert set(loaded.ablations) <= set(runs.ABLATIONS)
    # What an ablation changes is there to be changed.
    for changed in runs.ABLATIONS.values():
        assert set(changed) <= set(loaded.model)


def test_the_maze_of_many_places_has_the_settings_that_its_figures_were_measured_with():
    loaded = config_lib.load("configs/point_maze.py:scale", "configs/point_maze.py")
    assert scale.Settings(**loaded.scale.to_dict()) == scale.Settings()
    assert list(loaded) == ["scale"]


def test_all_data_sets_are_learned_with_one_setting():
    everything, one = point_maze.get_config("all"), point_maze.get_config()
    assert everything.model.to_dict() == one.model.to_dict()
    assert len(everything.size) * len(everything.kind) == 8


def test_an_unknown_variant_is_an_error():
    with pytest.raises(ValueError, match="there is no variant 'smok' of this config; there are default, all, smoke, s"):
        point_maze.get_config("smok")
