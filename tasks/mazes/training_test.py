"""A small maze is learned: places, jumps, steps and the way round a corner."""

from typing import Any

import jax
import ml_collections
import numpy as np
import pytest

from humain import guards
from tasks.mazes import corner, training


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    task = corner.task(tmp_path_factory.mktemp("corner"))
    return training.Learning(task, "corner", corner.walks()).learn(task.config.model)


def test_actions_lead_where_they_are_meant_to(learned):
    ask = training.inverse(learned)
    # A step of 0.1 is half an action; one of 10 is more than any action, and keeps its direction.
    found = ask(np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([[1.1, 1.0], [10.0, 5.0]]))
    np.testing.assert_allclose(found[0], [0.5, 0.0], atol=1e-3)
    np.testing.assert_allclose(found[1, 1] / found[1, 0], 0.5, atol=1e-3)
    assert 0.9 <= np.abs(found[1]).max() <= 1.0


def test_distances_are_those_round_the_corner(learned):
    start, goal = training.assign(learned)(np.array([[0.0, 0.0], [4.0, 4.0]]))
    away = training.distances(learned, int(goal))
    # 4 + 4 at 0.9 x 0.2 a step: 44 steps, less what a place is wide.
    assert 30 < away[start] < 52
    assert away[goal] == 0
    # And back, since these steps can be undone.
    assert 30 < training.distances(learned, int(start))[goal] < 52


def test_it_walks_round_the_corner_and_back(learned):
    policy = training.Stack(learned.model, learned.state)
    at = np.array([[0.0, 0.0], [4.0, 4.0]], np.float32)
    goals = at[::-1].copy()
    memory, nearest = policy.begin(2), np.full(2, np.inf)
    for _ in range(80):
        memory, decision = policy.act(memory, at, goals)
        at = (at + 0.2 * np.clip(decision.actions, -1, 1)).astype(np.float32)
        nearest = np.minimum(nearest, np.linalg.norm(at - [4.0, 0.0], axis=1))
    np.testing.assert_allclose(at, goals, atol=0.05)
    assert nearest.max() < 1.5
    assert decision.subgoals is not None and decision.subgoals.shape == (2, 3, 2)
    # Of one layer, the straight line is all there is.
    alone = training.Stack(learned.model, learned.state, 1)
    _, decision = alone.act(alone.begin(1), np.zeros((1, 2), np.float32), np.full((1, 2), 4.0, np.float32))
    np.testing.assert_allclose(decision.actions[0, 0], decision.actions[0, 1], atol=1e-3)


def test_what_was_learned_is_found_again(learned, tmp_path):
    training.save(tmp_path, learned)
    found = training.load(tmp_path)
    assert found.figures == learned.figures
    for goal in (0, 3):
        np.testing.assert_array_equal(training.distances(found, goal), training.distances(learned, goal))


def test_jumps_are_nobodys_choice(tmp_path):
    task = corner.task(tmp_path)
    trained = training.Learning(task, "jumps", corner.walks(jumps=True)).learn(task.config.model)
    assert trained.figures["jumps"] == 10
    below, entry, beyond = training.assign(trained)(np.array([[4.0, 0.0], [4.0, 2.0], [9.0, 9.2]]))
    # Whoever goes to where others jumped may jump, by chance: it takes longer than to come there. Nobody came back.
    there = training.distances(trained, int(beyond))[below]
    assert training.distances(trained, int(entry))[below] < there < np.inf
    assert training.distances(trained, int(below))[beyond] == np.inf


def test_paths_of_places_are_cut_at_jumps_and_where_they_are_long():
    ids = np.array([[1, 1, 2, 2, 7, 8, 8, 9], [3, 3, 3, 3, 3, 3, 0, 0]])
    jumps = np.zeros((2, 7), bool)
    jumps[0, 3] = True
    found = training.place_paths(ids, jumps, np.array([8, 6]), longest=2)
    # 1 2 | 7 8 9, of which pieces of two share their ends; the other trajectory never moves.
    assert found.states.tolist() == [[1, 2], [7, 8], [8, 9]]
    assert found.lengths.tolist() == [2, 2, 2]


def test_that_layers_fit_is_checked_of_the_whole_stack(tmp_path, monkeypatch):
    checked, check = [], guards.check_lifts

    def watched(spaces, abstractions):
        checked.append(len(spaces))
        check(spaces, abstractions)

    monkeypatch.setattr(guards, "check_lifts", watched)
    task = corner.task(tmp_path)
    trained = training.Learning(task, "corner", corner.walks()).learn(task.config.model)
    # Actions, places and crossroads; before, each was begun without those below.
    assert checked[-1] == len(trained.model.layers) == 3


def test_settings_that_are_changed_are_learned_with_and_others_are_not_learned_twice(tmp_path, monkeypatch):
    task = corner.task(tmp_path)
    learning = training.Learning(task, "corner", corner.walks())
    calls = []

    def counted(name, function):
        def call(*arguments, **named):
            calls.append(name)
            return function(*arguments, **named)

        return call

    for name in ("perceive", "place"):
        monkeypatch.setattr(training, name, counted(name, getattr(training, name)))

    def learn(variant, **changed):
        calls.clear()
        config = ml_collections.ConfigDict(task.config.model.to_dict())
        config.update(changed)
        return learning.learn(ml_collections.FrozenConfigDict(config), variant).figures

    whole = learn("")
    assert calls == ["perceive", "place"]
    assert learn("two", num_layers=2)["places"] == whole["places"]
    assert calls == []
    # Cells of half the radius are four times as many, fewer at the ends of the way.
    assert learn("fine", place_radius=1.0)["places"] > 1.5 * whole["places"]
    assert calls == ["place"]
    # Surprise is measured in what is normal: some steps are less surprising than that, and some are more.
    strict = learn("strict", undo_surprise=1.0)
    assert calls == ["perceive", "place"]
    assert 0 < strict["regular_share"] < whole["regular_share"] - 0.1


def test_no_setting_is_read_by_which_nothing_is_told_apart(tmp_path):
    task, seen = corner.task(tmp_path), set()

    class Watched:
        def __getattr__(self, name):
            seen.add(name)
            return task.config.model[name]

    watched: Any = Watched()
    perceived = training.perceive(task, "corner", corner.walks(), watched)
    assert seen == set(training.PERCEIVED_BY)
    training.place(corner.walks(), watched, speed=perceived.speed, key=jax.random.key(0))
    assert seen == set(training.PLACED_BY)
