"""Where the tasks find what the others have made, and what is said where it is not there."""

import types

import pytest

from humain import errors
from humain.files import records
from tasks.language import family


def _task(folder):
    workdir = folder / "lm_guide_inference"
    return types.SimpleNamespace(workdir=workdir, shared=workdir)


def test_what_another_task_made_lies_in_its_own_folder(tmp_path):
    task = _task(tmp_path)
    assert family.data(task) == tmp_path / "lm_data_prepare" / "data"
    assert family.models(task) == tmp_path / "lm_guide_train" / "models"
    assert (family.data(task).parent.parent / family.MANIFEST) == family.data(task) / "manifest.json"


def test_a_ledger_lies_beside_the_tasks_own_folders(tmp_path):
    assert family.ledger(_task(tmp_path), "written") == tmp_path / "written.jsonl"


def test_the_config_of_another_task_is_read_from_its_results(tmp_path):
    config = {"models": {"hierarchy": {"chunks": [4, 4]}}, "stop": 2.0}
    records.write_json(tmp_path / "lm_guide_train" / "results.json", {"config": config})
    found = family.config_of(_task(tmp_path), family.TRAIN)
    assert found.models.hierarchy.chunks == (4, 4)
    assert found.stop == 2.0


@pytest.mark.parametrize("content", [None, "{", "[]", "{}"])
def test_a_task_that_has_not_finished_is_to_be_run(tmp_path, content):
    path = tmp_path / "lm_guide_train" / "results.json"
    if content is not None:
        path.parent.mkdir()
        path.write_text(content)
    with pytest.raises(errors.UserError) as raised:
        family.config_of(_task(tmp_path), family.TRAIN)
    assert str(raised.value) == f"{path} can't be read; run //tasks:lm_guide_train with the same --workdir first"


def _made(folder, maker, digest):
    records.write_json(folder / maker / ".humain_workdir.json", {"inputs": {family.MANIFEST: digest}})


def _task_from(folder, digest):
    return types.SimpleNamespace(
        workdir=folder / "lm_guide_inference", identity=types.SimpleNamespace(inputs={family.MANIFEST: digest})
    )


def test_what_was_made_from_the_same_file_is_taken(tmp_path):
    _made(tmp_path, family.TRAIN, "ab")
    family.check_made_from(_task_from(tmp_path, "ab"), family.TRAIN, family.MANIFEST)


def test_what_was_made_from_another_file_is_refused(tmp_path):
    _made(tmp_path, family.TRAIN, "ab")
    with pytest.raises(errors.UserError) as raised:
        family.check_made_from(_task_from(tmp_path, "cd"), family.TRAIN, family.MANIFEST)
    assert str(raised.value) == (
        "lm_guide_train worked from another lm_data_prepare/data/manifest.json; run //tasks:lm_guide_train --clear, "
        "then it and this again (this too with --clear first)"
    )


@pytest.mark.parametrize("content", [None, "{", "[]", "{}", '{"inputs": {}}'])
def test_who_does_not_say_what_it_worked_from_is_to_be_run(tmp_path, content):
    path = tmp_path / "lm_guide_train" / ".humain_workdir.json"
    if content is not None:
        path.parent.mkdir()
        path.write_text(content)
    with pytest.raises(errors.UserError) as raised:
        family.check_made_from(_task_from(tmp_path, "ab"), family.TRAIN, family.MANIFEST)
    assert str(raised.value) == f"{path} can't be read; run //tasks:lm_guide_train with the same --workdir first"


@pytest.mark.parametrize("name", ["model", "baselines", "candidates64", "candidates5"])
def test_a_split_with_the_name_of_a_result_is_refused(name):
    with pytest.raises(errors.UserError, match=f"^a split can't be called '{name}', as .*; rename it$"):
        family.check_split(name)


@pytest.mark.parametrize("name", ["train", "heldout", "models", "candidates", "candidates64b"])
def test_other_splits_are_not(name):
    family.check_split(name)
