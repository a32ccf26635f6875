"""Guides go out and come back, and files that are none are refused on one line."""

import json

import numpy as np
import pytest
import safetensors.numpy

from humain import errors
from humain.language.vocabulary import IndexedPlan
from tasks.language import guides
from tasks.language.guiding import Guide, Node

_PLAN = IndexedPlan("make a bar", (0, 1), "heldout", ("bar",))
_NODES = (
    Node(layer=1, parent=None, goal=0, answer=np.array([0.5, 0.25], np.float32), known=3, score=0.75),
    Node(layer=0, parent=0, goal=0, answer=np.array([1, 0], np.float32), known=0, score=0.5),
    Node(layer=0, parent=0, goal=0, answer=np.array([0, 1], np.float32), known=1, score=1.0, repeated=True),
)


def _doubled(answer):
    """Stands for the layers' scaling, undone."""
    return 2 * answer


def _written(folder):
    writing = guides.Writing()
    writing.add_guide(
        model="hierarchy",
        number=4,
        plan=_PLAN,
        goals=(1,),
        guide=Guide(_NODES, finished=True),
        restore=_doubled,
    )
    writing.add_candidate(model="hierarchy", number=4, time=0, reaction=_NODES[:2], restore=_doubled)
    writing.add_candidate(model="hierarchy", number=4, time=1, reaction=(), restore=_doubled)
    writing.add_guide(model="flat", number=4, plan=_PLAN, goals=(1,), guide=Guide((), finished=False), restore=_doubled)
    writing.write(folder)
    return folder


def _replace_line(path, number, **fields):
    lines = path.read_text().splitlines()
    lines[number] = json.dumps({**json.loads(lines[number]), **fields})
    path.write_text("\n".join(lines) + "\n")


def test_what_is_written_is_read_again(tmp_path):
    read = guides.read(_written(tmp_path))
    assert read.models == ("hierarchy", "flat")
    full, empty = read.guides
    assert {key: full[key] for key in ("model", "plan", "split", "goal", "goals", "finished")} == {
        "model": "hierarchy",
        "plan": 4,
        "split": "heldout",
        "goal": "make a bar",
        "goals": [1],
        "finished": True,
    }
    assert full["nodes"] == [
        {"layer": 1, "parent": None, "goal": 0, "known": 3, "score": 0.75, "repeated": False, "row": 0},
        {"layer": 0, "parent": 0, "goal": 0, "known": 0, "score": 0.5, "repeated": False, "row": 1},
        {"layer": 0, "parent": 0, "goal": 0, "known": 1, "score": 1.0, "repeated": True, "row": 2},
    ]
    assert (empty["nodes"], empty["finished"]) == ([], False)
    # Row 3 is the candidate's own, after the guide's three.
    assert read.candidates == (
        {"model": "hierarchy", "plan": 4, "time": 0, "row": 3},
        {"model": "hierarchy", "plan": 4, "time": 1, "row": None},
    )
    np.testing.assert_array_equal(read.answers, np.array([[1, 0.5], [2, 0], [0, 2], [2, 0]], np.float32))
    assert read.answers.dtype == np.float32


def test_nothing_but_the_three_files_is_left(tmp_path):
    assert {path.name for path in _written(tmp_path).iterdir()} == {
        "guides.jsonl",
        "candidates.jsonl",
        "guides.safetensors",
    }


def _written_asked(folder):
    writing = guides.Writing()
    guide = Guide(_NODES, finished=True)
    writing.add_asked(model="hierarchy", goal="make me a bar", goals=(1,), guide=guide, restore=_doubled)
    writing.write_asked(folder)
    return folder


def test_guides_to_a_user_s_goals_lie_beside_the_others(tmp_path):
    _written(tmp_path)
    others = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert guides.read_asked(tmp_path) is None
    read = guides.read_asked(_written_asked(tmp_path))
    assert read is not None
    (asked,) = read.guides
    # As a guide to a plan's goal, but that there is no plan.
    assert asked == {
        **guides.read(tmp_path).guides[0],
        "plan": None,
        "split": "asked",
        "goal": "make me a bar",
    }
    np.testing.assert_array_equal(read.answers, np.array([[1, 0.5], [2, 0], [0, 2]], np.float32))
    assert read.candidates == ()
    assert {path: path.read_bytes() for path in others} == others
    assert {path.name for path in set(tmp_path.iterdir()) - set(others)} == {"goals.jsonl", "goals.safetensors"}


@pytest.mark.parametrize("name", ["goals.jsonl", "goals.safetensors"])
def test_guides_to_a_user_s_goals_that_are_cut_off_are_refused(tmp_path, name):
    path = _written_asked(tmp_path) / name
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(errors.UserError, match=r"holds no guides \(.*\); infer again$"):
        guides.read_asked(tmp_path)


def test_there_may_be_no_guide_at_all(tmp_path):
    guides.Writing().write(tmp_path)
    read = guides.read(tmp_path)
    assert (read.guides, read.candidates, read.models, len(read.answers)) == ((), (), (), 0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_answer_that_is_not_finite_is_refused(tmp_path, value):
    writing = guides.Writing()
    writing.add_candidate(model="flat", number=0, time=0, reaction=_NODES[:1], restore=lambda answer: answer * value)
    writing.write(tmp_path)
    with pytest.raises(
        errors.UserError, match=r"guides.safetensors has answers that are not finite; train and infer again$"
    ):
        guides.read(tmp_path)


def _refusal(folder):
    with pytest.raises(errors.UserError) as raised:
        guides.read(folder)
    message = str(raised.value)
    assert message.startswith(f"{folder} holds no guides (")
    assert message.endswith("); infer again")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["guides.jsonl", "candidates.jsonl", "guides.safetensors"])
def test_a_file_that_is_missing_or_cut_off_is_refused_on_one_line(tmp_path, name):
    path = _written(tmp_path) / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 5])
    _refusal(tmp_path)
    path.unlink()
    assert name in _refusal(tmp_path)


def test_tensors_of_something_else_are_refused(tmp_path):
    safetensors.numpy.save_file({"embeddings": np.zeros((4, 2), np.float32)}, _written(tmp_path) / "guides.safetensors")
    assert "'answers'" in _refusal(tmp_path)


def test_fewer_answers_than_the_guides_name_are_refused(tmp_path):
    # As when a crash leaves the answers of another run beside the guides.
    safetensors.numpy.save_file({"answers": np.zeros((3, 2), np.float32)}, _written(tmp_path) / "guides.safetensors")
    assert "row 3 is named, and there are 3 answers" in _refusal(tmp_path)


_NODE = {"layer": 0, "parent": None, "goal": 0, "known": 0, "score": 0.5, "repeated": False, "row": 0}


@pytest.mark.parametrize("row", [-1, 4, 1.0, True, "1", None])
def test_a_row_that_is_not_there_is_refused(tmp_path, row):
    _replace_line(_written(tmp_path) / "guides.jsonl", 0, nodes=[{**_NODE, "row": row}])
    assert f"row {row!r} is named, and there are 4 answers" in _refusal(tmp_path)


@pytest.mark.parametrize("row", [-1, 4, 0.0])
def test_a_row_of_a_candidate_that_is_not_there_is_refused(tmp_path, row):
    _replace_line(_written(tmp_path) / "candidates.jsonl", 0, row=row)
    assert f"row {row!r} is named, and there are 4 answers" in _refusal(tmp_path)


@pytest.mark.parametrize("key", sorted(_NODE))
def test_a_node_that_lacks_something_is_refused(tmp_path, key):
    node = {name: value for name, value in _NODE.items() if name != key}
    _replace_line(_written(tmp_path) / "guides.jsonl", 0, nodes=[node])
    assert "has not all of goal, known, layer, parent, repeated, row, score" in _refusal(tmp_path)


@pytest.mark.parametrize(("key", "value"), [("layer", -1), ("known", -1), ("known", "0"), ("goal", 0.0)])
def test_a_node_with_numbers_that_are_none_is_refused(tmp_path, key, value):
    _replace_line(_written(tmp_path) / "guides.jsonl", 0, nodes=[{**_NODE, key: value}])
    assert f"{key} is {value!r} and no number from 0 up" in _refusal(tmp_path)


@pytest.mark.parametrize(
    "fields", [{"nodes": 5}, {"nodes": [5]}, {"nodes": [{"layer": 0}]}, {"nodes": [{"row": "1"}]}, {"plan": -1}]
)
def test_lines_of_something_else_are_refused(tmp_path, fields):
    _replace_line(_written(tmp_path) / "guides.jsonl", 0, **fields)
    _refusal(tmp_path)
