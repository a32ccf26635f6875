"""From walks in an array to plans that can be read, and a saved model.

    tools/bazelw run //examples:walks                       # 1,000 walks round a ring of 24 places
    tools/bazelw run //examples:walks -- walks.csv 3 17     # your own: a walk a line, numbers of places; from 3 to 17

It prints the plan, saves the model as a file, and asks what was loaded from it for the first step.
"""

import os
import pathlib
import sys
from collections.abc import Sequence

import numpy as np

import humain as hm


def example_walks() -> list[list[int]]:
    """Walks round a ring of 24 places: back and on by foot, or six places on by tram."""
    steps = np.random.default_rng(0).choice([-1, 1, 6], (1000, 40))
    return (steps.cumsum(axis=1) % 24).tolist()


def read_walks(path: pathlib.Path) -> list[list[int]]:
    """A walk of each line, numbers with commas between them."""
    return [[int(place) for place in line.split(",")] for line in path.read_text().splitlines() if line.strip()]


def main(arguments: Sequence[str]) -> None:
    """Learns from the walks, plans, saves, loads, and takes the first step."""
    if len(arguments) not in (0, 3):
        print("usage: walks [FILE START GOAL]", file=sys.stderr)
        sys.exit(2)
    # Under `bazel run`, paths are relative to where the user stands.
    os.chdir(os.environ.get("BUILD_WORKING_DIRECTORY", "."))
    walks, start, goal = example_walks(), 2, 17
    if arguments:
        walks = read_walks(pathlib.Path(arguments[0]))
        start, goal = (int(place) for place in arguments[1:])
    trajectories = hm.Trajectories.from_arrays(walks)
    model = hm.stack(hm.Discrete(int(trajectories.states.max()) + 1), num_layers=2)
    state = hm.train(model, trajectories, abstractions=hm.Skip(3), steps=500)
    plan = hm.think(model, state, [start], [goal])
    print(hm.plan_text(plan))
    hm.save("artifacts/examples/walks.humain", model, state)
    model, state = hm.load("artifacts/examples/walks.humain")
    _, reaction = hm.react(model, state, hm.begin(model, 1), [start], [goal])
    print("first step:", reaction.action[0])


if __name__ == "__main__":
    main(sys.argv[1:])
