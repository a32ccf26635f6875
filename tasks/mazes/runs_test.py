"""Every ablation is run as a run does it, in a maze with one corner that only a layer of places leads round."""

import numpy as np
import pytest

from tasks.mazes import corner, evaluation, runs, sets
from tasks.mazes.dataset import MazeData
from tasks.mazes.evaluation import PlayedEpisode
from tasks.mazes.sets import DataSet


def _walk(size, policy, asked, **_):
    """An episode in the corner's passage, which is 2 wide; a step into its walls is not taken."""
    goal, path = np.array([4.0, 4.0], np.float32), [np.zeros(2, np.float32)]
    memory = policy.begin(1)
    while len(path) < 100 and np.linalg.norm(path[-1] - goal) > 0.5:
        memory, decision = policy.act(memory, path[-1][None], goal[None])
        x, y = following = (path[-1] + 0.2 * np.clip(decision.actions[0], -1, 1)).astype(np.float32)
        inside = (-1 < x < 5 and -1 < y < 1) or (3 < x < 5 and -1 < y < 5)
        path.append(following if inside else path[-1])
    return [PlayedEpisode(1, np.stack(path), goal, None, bool(np.linalg.norm(path[-1] - goal) <= 0.5))]


@pytest.fixture(scope="module")
def part(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        data = MazeData(corner.walks(), "", 0.0)
        patch.setattr(sets, "read", lambda task, data_set: data)
        patch.setattr(evaluation, "run", _walk)
        yield runs.SetRun(corner.task(tmp_path_factory.mktemp("corner")), DataSet("corner", "stitch"))


@pytest.mark.parametrize("ablation", runs.ABLATIONS)
def test_an_ablation_goes_round_the_corner_unless_it_knows_no_places(part, ablation):
    entry = part.measure_ablation(ablation)
    assert entry["success"]["mean"] == (ablation != "one_layer")
    # 8 less the 0.5 at the end, by steps of 0.2 at most, whose corner may be cut.
    assert entry["mean_steps"] is None if ablation == "one_layer" else 30 <= entry["mean_steps"] < 60


def test_what_an_ablation_changes_is_what_its_name_says(part):
    edges = {name: part.measure_ablation(name)["edges"] for name in ("undo_all", "undo_none", "grid")}
    # Of steps that are taken one way only, those that lead back as well are as many again.
    assert edges["undo_all"] > 1.5 * edges["undo_none"]
    places = {name: part.measure_ablation(name)["places"] for name in ("undo_all", "undo_none", "grid", "random")}
    assert len(set(places.values())) == 1
