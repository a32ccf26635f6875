"""What a run is made of depends on its seed, and each part on nothing else."""

import jax
import numpy as np
import pytest

from humain import errors
from tasks.graphs import small_runs, training, world


def _settings():
    overrides = {"num_layers": 1, "num_steps": 4, "chunk_steps": 2, "batch_size": 8, "demonstrations": False}
    return small_runs.config("smoke", sets=["table"], **overrides)


def _graph(seed: int = 0) -> world.Graph:
    return world.random_graph(np.random.default_rng(seed), num_nodes=10, edge_probability=0.2)


def _train(path, seed: int = 0, name: str = "table") -> training.TrainedSet:
    settings = _settings()
    task = small_runs.task(path, settings, seed=seed)
    config = task.config.sets.table
    trajectories = training.make_trajectories(config, task.config.world, _graph(), seed=0)
    return training.train_set(task, name, config, trajectories, 10)


def _same(first, second) -> bool:
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in pairs)


def test_generators_are_told_apart_by_seed_and_purpose():
    numbers = [training.generator(seed, purpose).random() for seed in (0, 1) for purpose in (0, 1)]
    assert len(set(numbers)) == 4
    assert training.generator(1, 0).random() == numbers[2]


def test_the_graph_is_that_of_the_seed(tmp_path):
    settings = _settings()
    first, again, other = (
        training.make_graph(small_runs.task(tmp_path / str(number), settings, seed=seed))
        for number, seed in enumerate((0, 0, 1))
    )
    assert first.num_nodes == settings.world.num_nodes
    assert np.array_equal(first.edges, again.edges)
    assert not np.array_equal(first.edges, other.edges)


def test_a_graph_that_the_user_brings_takes_its_place(tmp_path):
    (tmp_path / "edges.txt").write_text("home work\nwork home\n")
    task = small_runs.task(tmp_path / "w", _settings(), graph=str(tmp_path / "edges.txt"))
    assert training.make_graph(task).names == ("home", "work")


def test_sets_share_their_walks_and_demonstrations_come_on_top():
    settings, graph = _settings(), _graph()
    config = settings.sets.table
    walks = training.make_trajectories(config, settings.world, graph, seed=0)
    assert walks.states.shape[0] == settings.world.num_walks
    config.demonstrations = True
    both = training.make_trajectories(config, settings.world, graph, seed=0)

    def as_set(trajectories) -> set[tuple[int, ...]]:
        rows = zip(np.asarray(trajectories.states).tolist(), np.asarray(trajectories.lengths).tolist(), strict=True)
        return {tuple(states[:length]) for states, length in rows}

    starts, goals = world.reachable_pairs(graph)
    assert both.states.shape[0] == settings.world.num_walks + len(starts)
    demonstrated = {
        (int(row[0]), int(row[-1]))
        for row in as_set(both)
        if len(row) > 1 and graph.distances[row[0], row[-1]] == len(row) - 1
    }
    assert as_set(walks) <= as_set(both)
    assert demonstrated >= set(zip(starts.tolist(), goals.tolist(), strict=True))
    other = training.make_trajectories(config, settings.world, graph, seed=1)
    assert as_set(other) != as_set(both)


def _ends(trajectories) -> set[tuple[int, int]]:
    states, lengths = np.asarray(trajectories.states), np.asarray(trajectories.lengths)
    return {(int(row[0]), int(row[length - 1])) for row, length in zip(states, lengths, strict=True)}


def test_half_of_the_pairs_are_demonstrated_and_the_others_tested():
    settings, graph = _settings(), _graph()
    config = settings.sets.table
    config.update({"walks": False, "demonstrations": True, "demonstrated_share": 0.5})
    every = training.make_pairs(graph, 0, max_pairs=90)
    tested = training.tested_pairs(config, graph, every, seed=0)
    shown = training.make_trajectories(config, settings.world, graph, seed=0)
    num_shown = round(0.5 * len(every.starts))
    hidden = set(zip(tested.starts.tolist(), tested.goals.tolist(), strict=True))
    assert (shown.states.shape[0], len(tested.starts)) == (num_shown, len(every.starts) - num_shown)
    assert _ends(shown) | hidden == set(zip(every.starts.tolist(), every.goals.tolist(), strict=True))
    assert not _ends(shown) & hidden
    assert np.array_equal(tested.shortest, graph.distances[tested.starts, tested.goals])
    # Which half it is depends on the seed; walks come on top of it.
    assert _ends(shown) != _ends(training.make_trajectories(config, settings.world, graph, seed=1))
    config.walks = True
    both = training.make_trajectories(config, settings.world, graph, seed=0)
    assert both.states.shape[0] == num_shown + settings.world.num_walks


def test_without_a_share_all_pairs_are_tested():
    graph, config = _graph(), _settings().sets.table
    every = training.make_pairs(graph, 0, max_pairs=90)
    for demonstrations in (False, True):
        config.demonstrations = demonstrations
        assert training.tested_pairs(config, graph, every, seed=0) is every


@pytest.mark.parametrize(("share", "counts"), [(0.1, "shows 0 of .* tests 2"), (0.9, "shows 2 of .* tests 0")])
def test_a_share_that_leaves_nothing_is_refused(share, counts):
    # Two nodes make two pairs: 0.2 of them round to none, 1.8 to both.
    config, graph = _settings().sets.table, world.Graph(names=("a", "b"), edges=np.array([[0, 1], [1, 0]], np.int32))
    config.update({"demonstrations": True, "demonstrated_share": share})
    with pytest.raises(errors.UserError, match=f"demonstrated_share {share} {counts}"):
        training.tested_pairs(config, graph, training.make_pairs(graph, 0, max_pairs=9), seed=0)


def test_all_pairs_are_tested_where_they_are_few():
    graph = _graph()
    pairs = training.make_pairs(graph, 0, max_pairs=90)
    starts, goals = world.reachable_pairs(graph)
    assert np.array_equal(pairs.starts, starts)
    assert np.array_equal(pairs.goals, goals)
    assert np.array_equal(pairs.shortest, graph.distances[starts, goals])


def test_pairs_are_drawn_where_they_are_many():
    graph = _graph()
    every = set(zip(*(side.tolist() for side in world.reachable_pairs(graph)), strict=True))
    pairs = training.make_pairs(graph, 0, max_pairs=20)
    drawn = list(zip(pairs.starts.tolist(), pairs.goals.tolist(), strict=True))
    assert len(drawn) == len(set(drawn)) == 20
    assert set(drawn) < every
    assert pairs.shortest.tolist() == [int(graph.distances[pair]) for pair in drawn]
    assert np.array_equal(pairs.starts, training.make_pairs(graph, 0, max_pairs=20).starts)
    assert not np.array_equal(pairs.starts, training.make_pairs(graph, 1, max_pairs=20).starts)


def test_training_depends_on_seed_and_name_and_is_restored(tmp_path):
    first = _train(tmp_path / "a")
    assert (first.result.first_step, first.result.step) == (0, 4)
    again = _train(tmp_path / "b")
    assert _same(first.state, again.state)
    assert not _same(first.state, _train(tmp_path / "c", seed=1).state)
    assert not _same(first.state, _train(tmp_path / "d", name="other").state)

    restored = _train(tmp_path / "a")
    assert (restored.result.first_step, restored.result.step) == (4, 4)
    assert restored.result.run_seconds == first.result.run_seconds > 0
    assert _same(restored.state, first.state)
