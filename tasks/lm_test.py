"""The four language tasks as users run them, one after the other in one work directory, and what is refused."""

import collections
import json
import shutil

import numpy as np
import pytest
import safetensors.numpy

from configs import lm_guide_train as train_config
from humain.testing import openai_server
from tasks import lm_data_interpret, lm_data_prepare, lm_guide_inference, lm_guide_train
from tasks.language import crafting_truth, recipes

_TASKS = (lm_data_prepare, lm_guide_train, lm_guide_inference, lm_data_interpret)
_DATA = "lm_data_prepare/data"
_GOAL = "build a radar"
_CORPUS = (
    {"goal": "make tea", "steps": ["Boil water.", "Pour it over the leaves."]},
    {"goal": "make coffee", "text": "Boil water. Grind the beans. Pour it over the beans."},
    {"goal": "have a drink", "steps": ["Boil water.", "Grind the beans."], "split": "heldout"},
)


def _name(task):
    return task.__name__.removeprefix("tasks.")


def _run(task, folder, *words):
    with pytest.raises(SystemExit) as ended:
        task.main([f"--config=configs/{_name(task)}.py:smoke", f"--workdir={folder}", *words])
    return ended.value.code


def _refusal(capfd, task, folder, *words, code=1):
    """The one line on which a task refuses to run."""
    capfd.readouterr()
    assert _run(task, folder, *words) == code
    error = capfd.readouterr().err
    assert error.startswith(f"{_name(task)}: ")
    assert error.count("\n") == 1
    return error


def _copy(folder, target):
    shutil.copytree(folder, target)
    return target


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory):
    """The work directory after all four have run. Nothing in it is to be changed but by the tasks."""
    folder = tmp_path_factory.mktemp("run") / "w"
    for task in _TASKS:
        assert _run(task, folder) == 0
    return folder


def test_the_results_are_as_documented(folder):
    record = json.loads((folder / "results.json").read_text())
    assert record == json.loads((folder / "lm_data_interpret" / "results.json").read_text())
    found = record["results"]
    assert found["model"] == "hierarchy"
    assert set(found["baselines"]) == {"flat", "regression", "nearest_plan", "retriever"}
    for scores in (found, *found["baselines"].values()):
        for split in ("train", "heldout", "pairs"):
            assert set(scores[split]) == {"exact", "valid", "complete", "minimal"}
            assert all(0 <= share <= 1 for share in scores[split].values())
            assert scores[split]["minimal"] <= scores[split]["complete"] <= scores[split]["valid"]
        assert 0 <= scores["candidates64"]["nearest1"] <= scores["candidates64"]["top1"] <= 1
    # Each is the most similar to itself, so that the plans of training come back as they are.
    assert found["baselines"]["nearest_plan"]["train"] == dict.fromkeys(("exact", "valid", "complete", "minimal"), 1)
    plans = [
        json.loads(line) for line in (folder / "lm_data_prepare" / "data" / "plans.jsonl").read_text().splitlines()
    ]
    num_questions = sum(len(plan["steps"]) for plan in plans if plan["split"] == "heldout")
    assert found["candidates64"]["questions"] == num_questions > 0


def _lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_plans_are_in_words_for_every_model_and_goal(folder):
    spoken = _lines(folder / "lm_data_interpret" / "plans.jsonl")
    told = _lines(folder / "lm_guide_inference" / "guides.jsonl")
    vocabulary = _lines(folder / "lm_data_prepare" / "data" / "vocabulary.jsonl")
    # 60 plans of training, 14 held out and 20 pairs, by three models.
    assert len(spoken) == len(told) == 3 * (60 + 14 + 20)
    assert {plan["model"] for plan in spoken} == {"hierarchy", "flat", "regression"}
    assert all(plan["outline"][0] == plan["goal"] for plan in spoken)
    for plan, guide in zip(spoken, told, strict=True):
        assert (plan["model"], plan["goal"]) == (guide["model"], guide["goal"])
        # What the bottom layer's answers were taken for, less what was done before.
        steps = [node for node in guide["nodes"] if node["layer"] == 0 and not node["repeated"]]
        assert plan["steps"] == [vocabulary[node["known"]]["sentence"] for node in steps]
    assert sum(len(plan["steps"]) for plan in spoken) > len(spoken)


def test_the_scores_are_those_of_the_plans_in_words(folder):
    found = json.loads((folder / "results.json").read_text())["results"]
    items = {plan["goal"]: plan["items"] for plan in _lines(folder / _DATA / "plans.jsonl")}
    verdicts = collections.defaultdict(list)
    for plan in _lines(folder / "lm_data_interpret" / "plans.jsonl"):
        verdict = crafting_truth.check(recipes.load(), plan["steps"], goals=items[plan["goal"]])
        works = verdict.valid and verdict.complete
        exact = plan["steps"] == plan["reference"]
        verdicts[plan["model"], plan["split"]].append((exact, verdict.valid, works, works and verdict.minimal))
    assert len(verdicts) == 3 * 3
    for (model, split), rows in verdicts.items():
        scores = (found if model == found["model"] else found["baselines"][model])[split]
        expected = dict(zip(("exact", "valid", "complete", "minimal"), np.mean(rows, axis=0), strict=True))
        assert scores == pytest.approx(expected)


def test_the_nearest_sentences_are_those_of_the_next_steps_as_written(folder):
    found = json.loads((folder / "results.json").read_text())["results"]
    plans = _lines(folder / _DATA / "plans.jsonl")
    answers = safetensors.numpy.load_file(folder / "lm_guide_inference" / "guides.safetensors")["answers"]
    embeddings = safetensors.numpy.load_file(folder / _DATA / "embeddings.safetensors")["vocabulary"]
    right = collections.defaultdict(list)
    for asked in _lines(folder / "lm_guide_inference" / "candidates.jsonl"):
        plan = plans[asked["plan"]]
        if plan["split"] == "heldout":
            named = None
            if asked["row"] is not None:
                named = int(np.argmin(np.linalg.norm(embeddings - answers[asked["row"]], axis=1)))
            right[asked["model"]].append(named == plan["steps"][asked["time"]])
    assert set(right) == {"hierarchy", "flat", "regression"}
    for model, hits in right.items():
        scores = (found if model == found["model"] else found["baselines"][model])["candidates64"]
        assert scores["questions"] == len(hits)
        assert scores["nearest1"] == pytest.approx(np.mean(hits))


def test_the_report_shows_figures_and_plans(folder):
    report = (folder / "report.html").read_text()
    for text in ("Guides in words", "nearest_plan", "1 of 64 %", "heldout: 8 of 14 plans", "to reach:"):
        assert text in report


def test_what_is_finished_is_not_done_again(folder, capfd):
    models = folder / "lm_guide_train" / "models"
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in models.iterdir()}
    assert {path.name for path in before} == {f"{name}.safetensors" for name in ("flat", "hierarchy", "regression")}
    for task in _TASKS:
        assert _run(task, folder) == 0
        printed = capfd.readouterr()
        assert printed.out.startswith(f"{_name(task)}: finished already")
        assert printed.err == ""
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in models.iterdir()} == before


def test_a_goal_of_one_s_own_is_answered_with_an_outline(folder, capfd):
    assert _run(lm_guide_inference, folder, f"--goal={_GOAL}", "--goal=  dig a   hole ") == 0
    lines = capfd.readouterr().out.splitlines()
    for goal in (_GOAL, "dig a hole"):
        at = lines.index(goal)
        assert lines[at + 1].startswith("  to reach: ")
        assert lines[at + 2].startswith("    towards: ")
    at = lines.index(_GOAL)
    # The same in words, and in the report, though that was written before anything was asked.
    assert _run(lm_data_interpret, folder) == 0
    interpreted = capfd.readouterr().out.splitlines()
    assert interpreted[interpreted.index(_GOAL) :] == [line for line in lines[at:] if "(not finished" not in line]
    told = _lines(folder / "lm_guide_inference" / "goals.jsonl")
    spoken = _lines(folder / "lm_data_interpret" / "goals.jsonl")
    assert [plan["goal"] for plan in told] == [plan["goal"] for plan in spoken] == [_GOAL, "dig a hole"]
    for plan in spoken:
        assert plan["reference"] is None
        assert len(plan["steps"]) >= 1
        numbered = [line.strip() for line in plan["outline"] if line.strip()[0].isdigit()]
        assert all(step in line for step, line in zip(plan["steps"], numbered, strict=True))
    for directory in (folder, folder / "lm_data_interpret"):
        report = (directory / "report.html").read_text()
        for text in ("Goals of your own", "dig a hole", "nearest_plan", "heldout: 8 of 14 plans"):
            assert text in report
    # The last ones are kept.
    assert _run(lm_guide_inference, folder, "--goal=dig a hole") == 0
    assert [plan["goal"] for plan in _lines(folder / "lm_guide_inference" / "goals.jsonl")] == ["dig a hole"]


def test_reactions_stand_under_what_asked_for_them(folder, tmp_path):
    target = tmp_path / "w"
    for task in (lm_data_prepare, lm_guide_train):
        shutil.copytree(folder / _name(task), target / _name(task))
    assert _run(lm_guide_inference, target, "--config.mode=react") == 0
    layers_above = {"hierarchy": [1, 2], "flat": [], "regression": [1, 2]}
    num_steps = 0
    for guide in _lines(target / "lm_guide_inference" / "guides.jsonl"):
        for place, node in enumerate(guide["nodes"]):
            if node["layer"] > 0:
                continue
            num_steps += 1
            above, parent = [], node["parent"]
            while parent is not None:
                assert parent < place
                assert guide["nodes"][parent]["goal"] == node["goal"]
                above.append(guide["nodes"][parent]["layer"])
                parent = guide["nodes"][parent]["parent"]
            assert above == layers_above[guide["model"]]
    assert num_steps > 3 * (60 + 14 + 20)
    assert _run(lm_data_interpret, target) == 0
    spoken = _lines(target / "lm_data_interpret" / "plans.jsonl")
    first = next(plan for plan in spoken if plan["model"] == "hierarchy" and plan["steps"])
    assert [line.split(":")[0] for line in first["outline"][1:4]] == ["  to reach", "    towards", "      towards"]
    assert first["outline"][4].startswith("        1. ")


def test_a_changed_byte_in_the_data_is_refused_on_one_line(folder, tmp_path, capfd):
    copy = _copy(folder, tmp_path / "w")
    shutil.rmtree(copy / "lm_guide_train")
    path = copy / "lm_data_prepare" / "data" / "vocabulary.jsonl"
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    error = _refusal(capfd, lm_guide_train, copy)
    assert "vocabulary.jsonl is not what was prepared: its SHA-256 is " in error
    assert error.endswith("prepare the data again\n")


def test_guides_that_are_damaged_are_refused_on_one_line(folder, tmp_path, capfd):
    copy = _copy(folder, tmp_path / "w")
    shutil.rmtree(copy / "lm_data_interpret")
    path = copy / "lm_guide_inference" / "guides.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert "holds no guides" in _refusal(capfd, lm_data_interpret, copy)


def test_a_model_that_is_missing_is_refused_on_one_line(folder, tmp_path, capfd):
    copy = _copy(folder, tmp_path / "w")
    shutil.rmtree(copy / "lm_guide_inference")
    (copy / "lm_guide_train" / "models" / "flat.safetensors").unlink()
    assert "flat.safetensors can't be read" in _refusal(capfd, lm_guide_inference, copy)


@pytest.mark.parametrize(
    ("task", "first"),
    [
        (lm_guide_train, "lm_data_prepare"),
        (lm_guide_inference, "lm_data_prepare"),
        (lm_data_interpret, "lm_data_prepare"),
    ],
)
def test_a_task_before_its_turn_says_what_to_run(tmp_path, capfd, task, first):
    assert f"run //tasks:{first} with the same --workdir first" in _refusal(capfd, task, tmp_path / "w")


def test_guides_before_training_say_what_to_run(folder, tmp_path, capfd):
    shutil.copytree(folder / "lm_data_prepare", tmp_path / "w" / "lm_data_prepare")
    error = _refusal(capfd, lm_guide_inference, tmp_path / "w")
    assert "run //tasks:lm_guide_train with the same --workdir first" in error


def test_plans_of_one_s_own_work_through_all_four(tmp_path, capfd):
    corpus = tmp_path / "plans.jsonl"
    corpus.write_text("".join(json.dumps(plan) + "\n" for plan in _CORPUS))
    folder = tmp_path / "w"
    only = f"--config.models={ ({'hierarchy': _small_hierarchy()}) }"
    assert _run(lm_data_prepare, folder, f"--corpus={corpus}") == 0
    assert _run(lm_guide_train, folder, only) == 0
    assert _run(lm_guide_inference, folder, "--goal=make tea and make coffee") == 0
    assert "  to reach: Pour it over the leaves.\n" in capfd.readouterr().out
    assert _run(lm_data_interpret, folder) == 0
    found = json.loads((folder / "results.json").read_text())["results"]
    # Only what the data says is known of such plans.
    assert set(found["train"]) == set(found["heldout"]) == {"exact"}
    assert "pairs" not in found
    assert found["candidates64"]["questions"] == 2
    assert set(found["baselines"]) == {"nearest_plan", "retriever"}


def _small_hierarchy():
    return train_config.get_config("smoke").models.hierarchy.to_dict()


def test_a_line_of_a_corpus_that_is_no_plan_is_named(tmp_path, capfd):
    corpus = tmp_path / "plans.jsonl"
    corpus.write_text(json.dumps(_CORPUS[0]) + "\n\n{'goal': 'no JSON'}\n")
    assert f"{corpus}, line 3, is no JSON" in _refusal(capfd, lm_data_prepare, tmp_path / "w", f"--corpus={corpus}")


@pytest.mark.parametrize(
    ("task", "word", "code", "message"),
    [
        (lm_data_prepare, "--config.embedder.name=glove", 1, "embedder.name 'glove' is none of minilm"),
        (lm_data_prepare, "--config.embedder.batch_size=0", 1, "embedder.batch_size must be 1 or more, not 0"),
        (lm_data_prepare, "--corpus=nowhere", 1, "--corpus=nowhere can't be read: No such file or directory"),
        (lm_guide_inference, "--goal= ", 2, "--goal is empty; say what is to be reached"),
        (lm_guide_inference, "--config.mode=dream", 1, "mode must be 'think' or 'react', not 'dream'"),
        (lm_guide_inference, "--config.max_top_steps=0", 1, "max_top_steps must be 1 or more, not 0"),
        (lm_guide_train, "--config.chunk_steps=7", 1, "num_updates must be a multiple of chunk_steps, and 40 is none"),
        (lm_guide_train, "--config.batch_size=0", 1, "batch_size must be 1 or more, not 0"),
        (lm_guide_train, "--config.models={}", 1, "models is empty; there must be at least one"),
        (lm_data_interpret, "--config.num_candidates=0", 1, "num_candidates must be 1 or more, not 0"),
        (lm_data_interpret, "--config.decoder.name=loud", 1, "decoder.name must be nearest, rewrite or steered"),
    ],
)
def test_what_can_t_be_is_refused_on_one_line(folder, tmp_path, capfd, task, word, code, message):
    # Beside what the tasks before it have made.
    target = tmp_path / "w"
    for other in _TASKS[: _TASKS.index(task)]:
        shutil.copytree(folder / _name(other), target / _name(other))
    assert message in _refusal(capfd, task, target, word, code=code)


def test_plans_and_goals_are_not_asked_for_at_once(tmp_path, capfd):
    path = tmp_path / "text"
    path.write_text("")
    words = (f"--corpus={path}", f"--goals={path}")
    assert "pass one of the two" in _refusal(capfd, lm_data_prepare, tmp_path / "w", *words, code=2)
    assert f"there is no goal in {path}" in _refusal(capfd, lm_data_prepare, tmp_path / "v", words[1])


def test_plans_that_a_model_writes_for_goals_become_a_data_set(tmp_path, capfd, monkeypatch):
    goals = tmp_path / "goals.txt"
    goals.write_text("make tea\n\n  make   coffee\n")
    words = (f"--goals={goals}", "--config.writer.model=m")
    with openai_server.serving(reply=lambda prompt: "1. Boil water.\n2. Pour it.\n") as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        assert _run(lm_data_prepare, tmp_path / "w", *words) == 0
        assert sorted("tea" in request.prompt for request in server.requests) == [False, True]
        assert "2 train plans by openai:m, 2 sentences by minilm" in capfd.readouterr().out
        server.reply = lambda prompt: "---"
        assert _run(lm_data_prepare, tmp_path / "v", *words) == 1
        error = capfd.readouterr().err.splitlines()[-1]
    assert error == ("lm_data_prepare: the writer's text for the goal 'make tea' has no sentence; try another model")
    plans = (tmp_path / "w" / "lm_data_prepare" / "data" / "plans.jsonl").read_text().splitlines()
    assert [json.loads(plan)["goal"] for plan in plans] == ["make tea", "make coffee"]
    assert [json.loads(plan)["steps"] for plan in plans] == [[0, 1], [0, 1]]
