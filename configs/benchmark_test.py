"""Every variant of the benchmark's config loads, and the smoke variant runs through."""

import json
import pathlib

import pytest

from configs import benchmark
from tasks import benchmark as task
from tasks.harness import config as config_lib

_VARIANTS = ("default", "smoke")


@pytest.mark.parametrize("variant", _VARIANTS)
def test_a_variant_loads_as_the_harness_loads_it(variant):
    loaded = config_lib.load(f"configs/benchmark.py:{variant}", "configs/benchmark.py")
    assert loaded.to_dict() == benchmark.get_config(variant).to_dict()
    assert loaded.is_locked


def test_no_variant_is_the_default_one():
    assert benchmark.get_config().to_dict() == benchmark.get_config("default").to_dict()


@pytest.mark.parametrize("variant", _VARIANTS)
def test_every_variant_takes_as_many_repeats_as_an_interval_is_worth(variant):
    assert benchmark.get_config(variant).repeats >= 30


def test_the_default_is_what_the_task_is_about():
    config = benchmark.get_config()
    assert (config.selu.size, config.selu.applications, config.selu.loop_steps) == (1_000_000, 10_000, 1000)
    assert config.torch_compile
    # 256 MiB are more than the caches of any GPU hold.
    assert config.peaks.gpu.to_dict() == {"matmul_size": 8192, "copy_size": 2**26}


def test_an_unknown_variant_is_an_error():
    with pytest.raises(ValueError, match="there is no variant 'smok' of this config; there are default, smoke"):
        benchmark.get_config("smok")


@pytest.mark.filterwarnings("default")
def test_the_smoke_variant_runs_through(tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]):
    workdir = tmp_path / "smoke"
    with pytest.raises(SystemExit) as ended:
        task.main(["--config=configs/benchmark.py:smoke", f"--workdir={workdir}"])
    printed = capfd.readouterr()
    assert ended.value.code == 0, printed.err
    results = json.loads((workdir / "results.json").read_text())["results"]
    frameworks = {(row["name"], row["framework"]) for row in results["rows"]}
    assert {("selu_eager", "jax"), ("selu_eager", "torch"), ("react_1", "jax")} <= frameworks
    left_out = "torch.compile on cpu: selu_jit left out, since torch_compile is False in the config"
    assert left_out in results["notes"]
    assert f"note: {left_out}" in printed.out
    assert "Traceback" not in printed.err
