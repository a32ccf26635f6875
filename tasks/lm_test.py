"""The four language tasks as users run them, one after the other in one work directory, and what is refused."""

import collections
import hashlib
import json
import shutil

import numpy as np
import pytest
import safetensors.numpy

from configs import lm_guide_train as train_config
from tasks import lm_data_interpret, lm_data_prepare, lm_guide_inference, lm_guide_train
from tasks.language import crafting, crafting_truth, recipes, running

_TASKS = (lm_data_prepare, lm_guide_train, lm_guide_inference, lm_data_interpret)
_DATA = "lm_data_prepare/data"
_GOAL = "build a radar"
_CORPUS = (
    {"goal": "make tea", "steps": ["Boil water.", "Pour it over the leaves."]},
    {"goal": "make coffee", "text": "Boil water. Grind the beans. Pour it over the beans."},
    {"goal": "have a drink", "steps": ["Boil water.", "Grind the beans."], "split": "heldout"},
)


_TRAINED = ("flat", "hierarchy", "hierarchy_milestones", "regression")


def _copy(folder, target):
    shutil.copytree(folder, target)
    return target


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory):
    """The work directory after all four have run. Nothing in it is to be changed but by the tasks."""
    folder = tmp_path_factory.mktemp("run") / "w"
    for task in _TASKS:
        assert running.run(task, folder) == 0
    return folder


def test_the_results_are_as_documented(folder):
    record = json.loads((folder / "results.json").read_text())
    assert record == json.loads((folder / "lm_data_interpret" / "results.json").read_text())
    found = record["results"]
    assert found["model"] == "hierarchy"
    assert set(found["baselines"]) == {
        *("flat", "regression", "lookup", "linear_lookup", "nearest_plan", "retriever"),
    }
    for scores in (found, *found["baselines"].values()):
        for split in ("train", "heldout", "pairs", "composition"):
            assert set(scores[split]) == {"exact", "valid", "complete", "minimal"}
            assert all(0 <= share <= 1 for share in scores[split].values())
            assert scores[split]["minimal"] <= scores[split]["complete"] <= scores[split]["valid"]
        assert 0 <= scores["candidates64"]["nearest1"] <= scores["candidates64"]["top1"] <= 1
    # Each is the most similar to itself, so that the plans of training come back as they are.
    assert found["baselines"]["nearest_plan"]["train"] == dict.fromkeys(("exact", "valid", "complete", "minimal"), 1)
    # What is stored is looked up, and what nobody stored is not.
    lookup = found["baselines"]["lookup"]
    assert lookup["heldout"]["complete"] == lookup["heldout"]["valid"] == 1
    for name in ("lookup", "nearest_plan", "retriever"):
        assert found["baselines"][name]["composition"]["complete"] == 0
    plans = [
        json.loads(line) for line in (folder / "lm_data_prepare" / "data" / "plans.jsonl").read_text().splitlines()
    ]
    train, held_out = ([plan["steps"] for plan in plans if plan["split"] == name] for name in ("train", "heldout"))
    stored = [any(steps == plan[: len(steps)] for plan in train) for steps in held_out]
    assert found["stored_paths"] == np.mean(stored)
    num_questions = sum(len(plan["steps"]) for plan in plans if plan["split"] == "heldout")
    assert found["candidates64"]["questions"] == num_questions > 0


def _lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_plans_are_in_words_for_every_model_and_goal(folder):
    spoken = _lines(folder / "lm_data_interpret" / "plans.jsonl")
    for plan in spoken:
        assert plan["finished"] != any("(not reached: " in line for line in plan["outline"])
    told = _lines(folder / "lm_guide_inference" / "guides.jsonl")
    vocabulary = _lines(folder / "lm_data_prepare" / "data" / "vocabulary.jsonl")
    # 60 plans of training, 14 held out, 20 pairs and 4 compositions, by three models.
    assert len(spoken) == len(told) == 3 * (60 + 14 + 20 + 4)
    assert {plan["model"] for plan in spoken} == {"hierarchy", "flat", "regression"}
    assert all(plan["outline"][0] == plan["goal"] for plan in spoken)
    found = json.loads((folder / "results.json").read_text())["results"]
    for split in ("train", "heldout", "pairs", "composition"):
        ours = [plan for plan in spoken if (plan["model"], plan["split"]) == ("hierarchy", split)]
        for score, share in found[split].items():
            assert share == pytest.approx(sum(plan[score] for plan in ours) / len(ours))
        # What is minimal has nothing against it.
        assert all(bool(plan["faults"]) != plan["minimal"] for plan in ours)
    for plan, guide in zip(spoken, told, strict=True):
        assert (plan["model"], plan["goal"]) == (guide["model"], guide["goal"])
        # What the bottom layer's answers were taken for, less what was done before.
        steps = [node for node in guide["nodes"] if node["layer"] == 0 and not node["repeated"]]
        assert plan["steps"] == [vocabulary[node["known"]]["sentence"] for node in steps]
    assert sum(len(plan["steps"]) for plan in spoken) > len(spoken)


def test_the_scores_are_those_of_the_plans_in_words(folder):
    found = json.loads((folder / "results.json").read_text())["results"]
    items = {plan["goal"]: plan["items"] for plan in _lines(folder / _DATA / "plans.jsonl")}
    truth = crafting.invented_recipes(recipes.load())
    verdicts = collections.defaultdict(list)
    for plan in _lines(folder / "lm_data_interpret" / "plans.jsonl"):
        verdict = crafting_truth.check(truth, plan["steps"], goals=items[plan["goal"]])
        works = verdict.valid and verdict.complete
        exact = plan["steps"] == plan["reference"]
        verdicts[plan["model"], plan["split"]].append((exact, verdict.valid, works, works and verdict.minimal))
    assert len(verdicts) == 3 * 4
    for (model, split), rows in verdicts.items():
        scores = (found if model == found["model"] else found["baselines"][model])[split]
        expected = dict(zip(("exact", "valid", "complete", "minimal"), np.mean(rows, axis=0), strict=True))
        assert scores == pytest.approx(expected)


def test_the_nearest_sentences_are_those_of_the_next_steps_as_written(folder):
    found = json.loads((folder / "results.json").read_text())["results"]
    plans = _lines(folder / _DATA / "plans.jsonl")
    answers = safetensors.numpy.load_file(folder / "lm_guide_inference" / "guides.safetensors")["answers"]
    embeddings = safetensors.numpy.load_file(folder / _DATA / "embeddings.safetensors")["vocabulary"]
    plans_of_all = [plan for plan in plans if not plan["given"]]
    # Sentences that are given with a goal come after all others, and are not picked from.
    embeddings = embeddings[: 1 + max(step for plan in plans_of_all for step in plan["steps"])]
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
    spoken = [json.loads(line) for line in (folder / "lm_data_interpret" / "plans.jsonl").read_text().splitlines()]
    first = next(plan for plan in spoken if (plan["model"], plan["split"]) == ("hierarchy", "heldout"))
    words = [] if first["finished"] else ["not reached"]
    words += [name if first[name] else f"not {name}" for name in ("valid", "complete", "minimal")]
    data = "as in the data" if first["exact"] else "differs from the data"
    assert f"{first['goal']} ({', '.join((*words, data))}" in report


def test_outlines_of_goals_that_were_not_learned_are_printed(folder, capfd):
    assert running.run(lm_data_interpret, folder) == 0
    printed = capfd.readouterr().out
    path = folder / "lm_data_interpret" / "plans.jsonl"
    assert f"heldout: 4 of 14 plans by hierarchy, all are in {path}\n" in printed
    assert f"pairs: 4 of 20 plans by hierarchy, all are in {path}\n" in printed
    spoken = [json.loads(line) for line in path.read_text().splitlines()]
    shown = [plan for plan in spoken if (plan["model"], plan["split"]) == ("hierarchy", "heldout")]
    for plan in shown[:4]:
        assert "\n".join(plan["outline"][1:]) in printed
    assert f"\n{shown[4]['goal']} (" not in printed
    assert "train:" not in printed


def test_what_is_finished_is_not_done_again(folder, capfd):
    models = folder / "lm_guide_train" / "models"
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in models.iterdir()}
    assert {path.name for path in before} == {f"{name}.safetensors" for name in _TRAINED}
    for task in _TASKS:
        assert running.run(task, folder) == 0
        printed = capfd.readouterr()
        assert printed.out.startswith(f"{running.name(task)}: finished already")
        assert printed.err == ""
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in models.iterdir()} == before


def test_a_goal_of_one_s_own_is_answered_with_an_outline(folder, capfd):
    assert running.run(lm_guide_inference, folder, f"--goal={_GOAL}", "--goal=  dig a   hole ") == 0
    lines = capfd.readouterr().out.splitlines()
    for goal in (_GOAL, "dig a hole"):
        at = lines.index(goal)
        assert lines[at + 1].startswith("  to reach: ")
        assert lines[at + 2].startswith("    towards: ")
    at = lines.index(_GOAL)
    # The same in words, and in the report, though that was written before anything was asked.
    assert running.run(lm_data_interpret, folder) == 0
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
    assert running.run(lm_guide_inference, folder, "--goal=dig a hole") == 0
    assert [plan["goal"] for plan in _lines(folder / "lm_guide_inference" / "goals.jsonl")] == ["dig a hole"]


def test_reactions_stand_under_what_asked_for_them(folder, tmp_path):
    target = tmp_path / "w"
    for task in (lm_data_prepare, lm_guide_train):
        shutil.copytree(folder / running.name(task), target / running.name(task))
    assert running.run(lm_guide_inference, target, "--config.mode=react") == 0
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
            expected = [layers_above[guide["model"]]]
            if (guide["model"], guide["split"]) == ("hierarchy", "composition"):
                # Under a milestone; the recipe that is given stands there by itself.
                expected = [[1, 2, 3], [3]]
            assert above in expected
    assert num_steps > 3 * (60 + 14 + 20)
    assert running.run(lm_data_interpret, target) == 0
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
    error = running.refusal(capfd, lm_guide_train, copy)
    assert "vocabulary.jsonl is not what was prepared: its SHA-256 is " in error
    assert error.endswith("prepare the data again\n")


def test_guides_that_are_damaged_are_refused_on_one_line(folder, tmp_path, capfd):
    copy = _copy(folder, tmp_path / "w")
    shutil.rmtree(copy / "lm_data_interpret")
    path = copy / "lm_guide_inference" / "guides.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert "holds no guides" in running.refusal(capfd, lm_data_interpret, copy)


def test_a_model_that_is_missing_is_refused_on_one_line(folder, tmp_path, capfd):
    copy = _copy(folder, tmp_path / "w")
    shutil.rmtree(copy / "lm_guide_inference")
    (copy / "lm_guide_train" / "models" / "flat.safetensors").unlink()
    assert "flat.safetensors can't be read" in running.refusal(capfd, lm_guide_inference, copy)


@pytest.mark.parametrize(
    ("task", "first"),
    [
        (lm_guide_train, "lm_data_prepare"),
        (lm_guide_inference, "lm_data_prepare"),
        (lm_data_interpret, "lm_data_prepare"),
    ],
)
def test_a_task_before_its_turn_says_what_to_run(tmp_path, capfd, task, first):
    assert f"run //tasks:{first} with the same --workdir first" in running.refusal(capfd, task, tmp_path / "w")


def test_guides_before_training_say_what_to_run(folder, tmp_path, capfd):
    shutil.copytree(folder / "lm_data_prepare", tmp_path / "w" / "lm_data_prepare")
    error = running.refusal(capfd, lm_guide_inference, tmp_path / "w")
    assert "run //tasks:lm_guide_train with the same --workdir first" in error


def test_models_of_other_data_are_refused_on_one_line(folder, tmp_path, capfd):
    copy = _copy(folder, tmp_path / "w")
    shutil.rmtree(copy / "lm_guide_inference")
    assert running.run(lm_data_prepare, copy, "--clear") == 0
    assert running.run(lm_data_prepare, copy, "--seed=1") == 0
    error = running.refusal(capfd, lm_guide_inference, copy)
    assert "lm_guide_train worked from another lm_data_prepare/data/manifest.json; run //tasks:lm_guide_train" in error
    shutil.rmtree(copy / "lm_data_interpret")
    shutil.copytree(folder / "lm_guide_inference", copy / "lm_guide_inference", dirs_exist_ok=True)
    error = running.refusal(capfd, lm_data_interpret, copy)
    assert "lm_guide_inference worked from another lm_data_prepare/data/manifest.json" in error


def test_guides_of_other_models_are_refused_on_one_line(folder, tmp_path, capfd):
    copy = _copy(folder, tmp_path / "w")
    shutil.rmtree(copy / "lm_data_interpret")
    path = copy / "lm_guide_train" / "results.json"
    path.write_text(path.read_text().replace('"wall_seconds"', '"wall_seconds_then"'))
    error = running.refusal(capfd, lm_data_interpret, copy)
    assert "lm_guide_inference worked from another lm_guide_train/results.json; run //tasks:lm_guide_inf" in error


def test_plans_of_one_s_own_work_through_all_four(tmp_path, capfd):
    corpus = tmp_path / "plans.jsonl"
    corpus.write_text("".join(json.dumps(plan) + "\n" for plan in _CORPUS))
    folder = tmp_path / "w"
    only = f"--config.models={ ({'hierarchy': _small_hierarchy()}) }"
    assert running.run(lm_data_prepare, folder, f"--corpus={corpus}") == 0
    assert running.run(lm_guide_train, folder, only) == 0
    assert running.run(lm_guide_inference, folder, "--goal=make tea and make coffee") == 0
    assert "  to reach: Pour it over the leaves.\n" in capfd.readouterr().out
    assert running.run(lm_data_interpret, folder) == 0
    found = json.loads((folder / "results.json").read_text())["results"]
    # Only what the data says is known of such plans.
    assert set(found["train"]) == set(found["heldout"]) == {"exact"}
    assert "pairs" not in found
    assert found["candidates64"]["questions"] == 2
    assert set(found["baselines"]) == {"lookup", "linear_lookup", "nearest_plan", "retriever"}


def _small_hierarchy():
    return train_config.get_config("smoke").models.hierarchy.to_dict()


def test_a_line_of_a_corpus_that_is_no_plan_is_named(tmp_path, capfd):
    corpus = tmp_path / "plans.jsonl"
    corpus.write_text(json.dumps(_CORPUS[0]) + "\n\n{'goal': 'no JSON'}\n")
    error = running.refusal(capfd, lm_data_prepare, tmp_path / "w", f"--corpus={corpus}")
    assert f"{corpus}, line 3, is not JSON" in error


def test_a_split_of_a_corpus_that_the_results_can_t_tell_apart_is_refused(tmp_path, capfd):
    corpus = tmp_path / "plans.jsonl"
    corpus.write_text("".join(json.dumps({**plan, "split": "candidates8"}) + "\n" for plan in _CORPUS))
    error = running.refusal(capfd, lm_data_prepare, tmp_path / "w", f"--corpus={corpus}")
    assert "a split can't be called 'candidates8'" in error


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (
            {"steps": ["Boil water.", "Stir."], "given": ["Stir."]},
            "plan 4 ('make it', split 'train') has the given sentence 'Stir.', and plans of this split can have none",
        ),
        (
            {"steps": ["Stir.", "Boil water."], "given": ["Stir."], "split": "blueprints"},
            "plan 4 ('make it', split 'blueprints') has the given sentence 'Stir.', which must be its last step",
        ),
        (
            {"steps": ["Grind the beans."], "given": ["Grind the beans."], "split": "composition"},
            "plan 2 ('make coffee', split 'train') has the step 'Grind the beans.', which is given with plan 4",
        ),
        (
            {"steps": ["Fold a filter.", "Stir."], "given": ["Stir."], "split": "blueprints"},
            "plan 4 ('make it', split 'blueprints') has the step 'Fold a filter.', which is a step of no plan of",
        ),
    ],
)
def test_given_sentences_of_a_corpus_that_nothing_can_be_learned_from_are_refused(tmp_path, capfd, plan, message):
    corpus = tmp_path / "plans.jsonl"
    corpus.write_text("".join(json.dumps(each) + "\n" for each in (*_CORPUS, {"goal": "make it", **plan})))
    error = running.refusal(capfd, lm_data_prepare, tmp_path / "w", f"--corpus={corpus}")
    assert f"{corpus}: {message}" in error


def test_a_model_with_the_name_of_a_baseline_is_refused(folder, tmp_path, capfd):
    copy = _copy(folder, tmp_path / "w")
    shutil.rmtree(copy / "lm_data_interpret")
    path = copy / "lm_guide_train" / "results.json"
    record = json.loads(path.read_text())
    record["config"]["models"]["retriever"] = record["config"]["models"]["flat"]
    path.write_text(json.dumps(record))
    # As if the guides were made with it.
    marker = copy / "lm_guide_inference" / ".humain_workdir.json"
    inputs = json.loads(marker.read_text())
    inputs["inputs"]["lm_guide_train/results.json"] = hashlib.sha256(path.read_bytes()).hexdigest()
    marker.write_text(json.dumps(inputs))
    error = running.refusal(capfd, lm_data_interpret, copy)
    assert "models.retriever has the name of a baseline; train it under another" in error


@pytest.mark.parametrize(
    ("task", "word", "code", "message"),
    [
        (lm_data_prepare, "--config.embedder.name=glove", 1, "embedder.name 'glove' is not one of minilm"),
        (lm_data_prepare, "--config.embedder.batch_size=0", 1, "embedder.batch_size must be at least 1, not 0"),
        (lm_data_prepare, "--config.crafting.num_held_out=500", 1, "crafting: 500 goals cannot be held out, "),
        (lm_data_prepare, "--config.crafting.num_pairs=9999", 1, "crafting: 9999 pairs of goals are not to be had, "),
        (lm_data_prepare, "--config.crafting.num_held_out=-1", 1, "crafting: num_held_out must be 0 or more, not -1"),
        (lm_data_prepare, "--config.crafting.num_pairs=-1", 1, "crafting: num_pairs must be 0 or more, not -1"),
        (lm_data_prepare, "--corpus=nowhere", 1, "--corpus=nowhere can't be read: No such file or directory"),
        (lm_guide_inference, "--goal= ", 2, "--goal is empty; say what is to be reached"),
        (lm_guide_inference, "--config.mode=dream", 1, "mode must be 'think' or 'react', not 'dream'"),
        (lm_guide_inference, "--config.max_top_steps=0", 1, "max_top_steps must be at least 1, not 0"),
        (lm_guide_train, "--config.chunk_steps=7", 1, "num_updates must be a multiple of chunk_steps (7), not 40"),
        (lm_guide_train, "--config.batch_size=0", 1, "batch_size must be at least 1, not 0"),
        (lm_guide_train, "--config.models={}", 1, "models is empty; there must be at least one"),
        (lm_guide_train, "--config.milestones.hidden=0", 1, "milestones.hidden must be at least 1, not 0"),
        (
            lm_guide_train,
            "--config.milestones.width=18",
            1,
            "milestones.width must be a multiple of models.hierarchy.k",
        ),
        (lm_guide_train, "--config.models.regression.blueprints=all", 1, "models.regression.blueprints must be 'divid"),
        (
            lm_guide_train,
            f"--config.models={dict.fromkeys(('hierarchy', 'hierarchy_milestones'), _small_hierarchy())}",
            1,
            "models.hierarchy_milestones has the name of the layer of milestones of models.hierarchy",
        ),
        (lm_data_interpret, "--config.num_candidates=0", 1, "num_candidates must be at least 1, not 0"),
        (lm_data_interpret, "--config.decoder.name=loud", 1, "decoder.name must be nearest, rewrite or steered"),
    ],
)
def test_what_can_t_be_is_refused_on_one_line(folder, tmp_path, capfd, task, word, code, message):
    # Beside what the tasks before it have made.
    target = tmp_path / "w"
    for other in _TASKS[: _TASKS.index(task)]:
        shutil.copytree(folder / running.name(other), target / running.name(other))
    assert message in running.refusal(capfd, task, target, word, code=code)
