"""The hot paths are the project's own, and every one gives its rows."""

import jax
import numpy as np

from humain import acting, planning
from tasks.benchmarks import hot_paths, small_settings


def test_the_model_is_that_of_the_graph_planner():
    model, _ = hot_paths.build_model()
    kernel = model.layers[0].cortex.kernel
    assert len(model.layers) == 3
    assert kernel.build.config.width == 64
    assert kernel.build.config.hidden == 512
    assert model.space.num_elements == 32


def test_every_part_is_measured():
    parts = hot_paths.parts(small_settings.SIZES, small_settings.EFFORT, jax.devices("cpu")[0])
    assert tuple(parts) == hot_paths.HOT_PATHS
    found = {name: part() for name, part in parts.items()}
    rows = {row.name: row for part in found.values() for row in part.rows}
    one_by_one = [f"update_{kernel}_one_by_one" for kernel in ("table", "linear", "transformer")]
    assert set(rows) == {*hot_paths.HOT_PATHS, *one_by_one}
    for row in rows.values():
        assert (row.framework, row.device, row.repeats) == ("jax", "cpu", 6)
        assert 0 < row.low <= row.median_seconds <= row.high
        assert (row.gbytes_per_second, row.gflops) == (None, None)
    assert (rows["react_1"].size, rows["react_256"].size, rows["think"].size, rows["kmeans"].size) == (1, 256, 1, 20)
    assert (rows["update_linear"].work, rows["update_linear_one_by_one"].work) == (3, 3)
    assert rows["kmeans"].work >= 1
    for kernel in ("table", "linear", "transformer"):
        (ratio,) = found[f"update_{kernel}"].ratios
        assert (ratio.kernel, ratio.device, ratio.rounds) == (kernel, "cpu", 6)
        assert 0 < ratio.low <= ratio.ratio <= ratio.high


def test_a_plan_of_the_untrained_model_is_the_most_that_it_can_be():
    model, state = hot_paths.build_model()
    plan = planning.think(model, state, *(np.array([node], np.int32) for node in (0, 5)))
    assert not plan.complete[0]
    # Sixteen answers for the one goal of the top layer, and for the first goal of each layer below.
    assert [int(np.sum(layer.valid)) for layer in plan.layers] == [16, 16, 16]


def test_react_is_compiled_once_for_a_batch_size():
    model, state = hot_paths.build_model()
    episode = acting.begin(model, 3)
    ids = jax.numpy.zeros(3, jax.numpy.int32)
    before = acting.react._cache_size()
    for _ in range(3):
        episode, _ = acting.react(model, state, episode, ids, ids)
    assert acting.react._cache_size() == before + 1
