"""Every variant of the graph planner's config loads and makes models, and the smoke variant runs through."""

import json
import pathlib

import pytest

from configs import simple
from tasks import simple as task
from tasks.graphs import layers, sets, small_runs
from tasks.harness import config as config_lib

_VARIANTS = ("default", "smoke", "curve", "scale")
_LAYERS = ("layers", "layers_256", "layers_10000", "layers_smoke")


@pytest.mark.parametrize("variant", [*_VARIANTS, *_LAYERS])
def test_a_variant_loads_as_the_harness_loads_it(variant):
    loaded = config_lib.load(f"configs/simple.py:{variant}", "configs/simple.py")
    assert loaded.to_dict() == simple.get_config(variant).to_dict()
    assert loaded.is_locked


def test_no_variant_is_the_default_one():
    assert simple.get_config().to_dict() == simple.get_config("default").to_dict()
    tables = {"table", "table_half", "table_half_alone", "table_half_replay", "table_replay"}
    flat = {"one_layer", "one_layer_half"}
    assert set(simple.get_config().sets) == {"skip", "entropy", "linear", "linear_unbalanced"} | tables | flat


def test_an_unknown_variant_is_an_error():
    with pytest.raises(ValueError, match="there is no variant 'smok' of this config; there are default, smoke, curve"):
        simple.get_config("smok")


@pytest.mark.parametrize("variant", _VARIANTS)
def test_every_set_of_a_variant_can_be_trained(variant):
    config = simple.get_config(variant)
    for name, set_config in config.sets.items():
        sets.check(name, set_config, config.world.num_nodes)
        num_layers = 1 if name.startswith("one_layer") else 3
        assert len(sets.build_model(set_config, config.world.num_nodes).layers) == num_layers


@pytest.mark.parametrize("variant", _LAYERS)
def test_every_number_of_layers_can_be_trained(variant, tmp_path):
    settings = simple.get_config(variant)
    layers.check(small_runs.task(tmp_path, settings))
    assert {"1", "3"} <= set(settings.sets)
    assert [settings.sets[name].num_layers for name in ("1", "3")] == [1, 3]
    # A single layer has as much memory as the others, or more.
    assert sum(layers.split_rows([10**9], settings.max_rows)) >= settings.max_rows
    assert all(settings.sets[name].bounded for name in ("1", "3"))


def test_variants_share_nothing_that_could_change():
    first = simple.get_config()
    first.sets.skip.num_steps = 1
    first.sets.skip.kernel.width = 4
    assert simple.get_config().sets.skip.num_steps > 1
    assert simple.get_config().sets.skip.kernel.width > 4
    assert first.sets.entropy.kernel.width > 4


def test_the_smoke_variant_of_layers_runs_through(tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]):
    workdir = tmp_path / "smoke"
    with pytest.raises(SystemExit) as ended:
        task.main(["--config=configs/simple.py:layers_smoke", f"--workdir={workdir}"])
    printed = capfd.readouterr()
    assert ended.value.code == 0, printed.err
    results = json.loads((workdir / "results.json").read_text())["results"]
    assert set(results) == {"world", "max_rows", "layers", "baselines"}
    for entry in results["layers"].values():
        assert {"arrived", "within_5_percent", "think_us", "rows", "train_seconds"} <= set(entry)
    assert "54 nodes" in printed.out
    assert "Traceback" not in printed.err
    assert (workdir / "report.html").exists()


def test_the_smoke_variant_runs_through(tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]):
    workdir = tmp_path / "smoke"
    with pytest.raises(SystemExit) as ended:
        task.main(["--config=configs/simple.py:smoke", f"--workdir={workdir}"])
    printed = capfd.readouterr()
    assert ended.value.code == 0, printed.err
    results = json.loads((workdir / "results.json").read_text())["results"]
    assert set(results["sets"]) == set(simple.get_config("smoke").sets)
    assert set(results["baselines"]) == {"random", "dijkstra"}
    assert "Traceback" not in printed.err
    for name in results["sets"]:
        assert f"\n{name} " in printed.out
