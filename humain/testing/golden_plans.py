"""Two plans, from walks to text, as files that people can read; a test compares them with what is planned now.

To write them anew: tools/bazelw run //humain/testing:write_golden_plans
"""

import os
import pathlib
from collections.abc import Mapping

import numpy as np

import humain as hm

FOLDER = pathlib.Path(__file__).parent / "goldens"
_COMMAND = "tools/bazelw run //humain/testing:write_golden_plans"

_EDGES = ((0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (4, 5), (5, 6), (5, 7), (6, 8), (7, 8), (9, 10))
"""Two squares, 0 to 3 and 5 to 8, joined by a path through 4; beside them an island, 9 and 10."""

_NUM_NODES = 11


def _walks() -> hm.Trajectories:
    """Random walks of 20 steps, 20 from each node; no walk comes to the island from elsewhere, nor leaves it."""
    beside: list[list[int]] = [[] for _ in range(_NUM_NODES)]
    for one, other in _EDGES:
        beside[one].append(other)
        beside[other].append(one)
    rng = np.random.default_rng(0)
    walks = []
    for start in range(_NUM_NODES):
        for _ in range(20):
            walk = [start]
            while len(walk) < 20:
                walk.append(int(rng.choice(beside[walk[-1]])))
            walks.append(walk)
    return hm.Trajectories.from_arrays(walks)


def texts() -> Mapping[str, str]:
    """The files' contents by their names."""
    trajectories = _walks()
    model = hm.stack(hm.Discrete(_NUM_NODES), num_layers=2, score_rule=hm.LinearScore(32))
    crossroads = hm.count_visits(trajectories, _NUM_NODES)
    state = hm.train(model, trajectories, abstractions=crossroads, steps=400)
    plan = hm.think(model, state, np.array([0, 0]), np.array([8, 10]))
    what = {
        "graph.txt": "From one square to the other, by way of the crossroads, where walks meet most often.",
        "not_reached.txt": "To an island that no walk came to from here.",
    }
    return {
        name: f"# {text}\n# Written by: {_COMMAND}\n\n{hm.plan_text(plan, index)}\n"
        for index, (name, text) in enumerate(what.items())
    }


def main() -> None:
    """Writes the files into the workspace."""
    started_in = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    folder = FOLDER if started_in is None else pathlib.Path(started_in, "humain", "testing", "goldens")
    folder.mkdir(exist_ok=True)
    for name, text in texts().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)


if __name__ == "__main__":
    main()
