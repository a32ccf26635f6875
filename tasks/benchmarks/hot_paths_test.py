"""The hot paths are the project's own, and every one gives its rows."""

import jax
import numpy as np

from humain import acting, planning
from humain.spaces import Discrete
from tasks.benchmarks import hot_paths, small_settings


def test_the_model_is_that_of_the_graph_planner():
    model, state = hot_paths.build_model()
    assert len(model.layers) == 3
    assert model.space == Discrete(32)
    (params,) = (kernel.params for kernel in state.kernels)
    # Three layers, and one feed-forward part from 64 to 512.
    assert params["blocks"][0]["expand"]["kernel"].shape == (3, 64, 512)


def test_every_part_is_measured():
    parts = hot_paths.parts(small_settings.SIZES, small_settings.EFFORT, jax.devices("cpu")[0])
    updates = [f"update_{kernel}" for kernel in ("table", "linear", "transformer")]
    assert list(parts) == ["react_1", "react_256", "think", *updates, "kmeans"]
    found = {name: part() for name, part in parts.items()}
    rows = {row.name: row for part in found.values() for row in part.rows}
    # Each of them is judged in a comparison.
    assert tuple(rows) == hot_paths.HOT_PATHS
    assert set(rows) == {*parts, *(f"{update}_one_by_one" for update in updates)}
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


def test_a_plan_of_the_untrained_model_goes_as_far_as_its_bounds():
    model, state = hot_paths.build_model()
    plan = planning.think(model, state, [0], [5])
    assert not plan.complete[0]
    # Sixteen answers without reaching the one goal of the top layer; below, as many for the goal that is not reached.
    sizes = [int(np.sum(layer.valid)) for layer in plan.layers]
    assert sizes[2] == model.layers[2].max_sub_steps == 16
    assert min(sizes) >= 16


def test_react_is_compiled_once_for_a_batch_size():
    model, state = hot_paths.build_model()
    episode = acting.begin(model, 3)
    ids = jax.numpy.zeros(3, jax.numpy.int32)
    cache_size = acting._react._cache_size  # type: ignore[attr-defined]
    before = cache_size()
    for _ in range(3):
        episode, _ = acting.react(model, state, episode, ids, ids)
    assert cache_size() == before + 1
