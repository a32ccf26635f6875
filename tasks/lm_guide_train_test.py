"""Training of the language layers that is interrupted and goes on comes to the same models, bit for bit."""

import json
import shutil

import pytest

from tasks import lm_data_prepare, lm_guide_train
from tasks.harness import interrupting

_PLANS = (
    {"goal": "make tea", "steps": ["Boil water.", "Pour it over the leaves."]},
    {"goal": "make coffee", "steps": ["Boil water.", "Grind the beans.", "Fold a filter.", "Pour it over the beans."]},
    {
        "goal": "make a new drink",
        "steps": ["Boil water.", "Grind the beans.", "Pour it over the leaves.", "Stir the beans into a new drink."],
        "split": "blueprints",
        "given": ["Stir the beans into a new drink."],
    },
    {"goal": "wash a cup", "steps": ["Boil water.", "Pour it over the leaves.", "Drink the tea.", "Rinse the cup."]},
)
_MODELS = ("flat", "hierarchy", "hierarchy_milestones", "regression")

# Each run of the task compiles the same.
pytestmark = pytest.mark.usefixtures("kept_programs")


def _run(task, folder, *words):
    with pytest.raises(SystemExit) as ended:
        task.main([f"--config=configs/{task.__name__.removeprefix('tasks.')}.py:smoke", f"--workdir={folder}", *words])
    return ended.value.code


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The work directory after training without interruption. Nothing in it is to be changed."""
    parent = tmp_path_factory.mktemp("run")
    corpus = parent / "plans.jsonl"
    corpus.write_text("".join(json.dumps(plan) + "\n" for plan in _PLANS))
    assert _run(lm_data_prepare, parent / "w", f"--corpus={corpus}") == 0
    assert _run(lm_guide_train, parent / "w") == 0
    return parent / "w"


@pytest.mark.parametrize("learner", ["hierarchy", "hierarchy_milestones", "flat"])
def test_training_that_is_interrupted_goes_on_to_the_same_models(folder, tmp_path, monkeypatch, capfd, learner):
    cut = tmp_path / "w"
    shutil.copytree(folder / "lm_data_prepare", cut / "lm_data_prepare")
    # After the first of two chunks of the first model, and of the second one.
    with monkeypatch.context() as patch:
        interrupting.signal_once_saved(patch, learner, 20)
        assert _run(lm_guide_train, cut) == 143
    error = capfd.readouterr().err
    assert error.splitlines()[-1] == "lm_guide_train: interrupted; all is saved, the same command goes on from there"
    assert not (cut / "lm_guide_train" / "models" / f"{learner}.safetensors").exists()
    assert _run(lm_guide_train, cut) == 0
    assert f"{learner}: step 20 of 40 (resumed)" in capfd.readouterr().err.splitlines()

    whole, mended = folder / "lm_guide_train", cut / "lm_guide_train"
    for name in _MODELS:
        model = f"models/{name}.safetensors"
        assert (mended / model).read_bytes() == (whole / model).read_bytes()
    assert (mended / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
