"""What layers are worth, on a world of a few communities; quality and the rival by hand."""

import ml_collections
import numpy as np
import pytest

from configs import simple
from humain import errors
from humain.abstraction.bridges import find_bridges
from humain.abstraction.skip import Skip
from humain.types import Trajectories
from tasks.graphs import layers, small_runs
from tasks.graphs.world import Pairs
from tasks.harness import context


def _pairs(*shortest: int) -> Pairs:
    nodes = np.arange(len(shortest), dtype=np.int32)
    return Pairs(nodes, nodes, np.array(shortest, np.int32))


def test_within_5_percent_counts_those_that_arrive_in_time():
    # 20, 21 and 22 steps where 20 are shortest: 1.05 and 1.1 times. The last one has not arrived.
    found = layers.quality(np.array([True, True, True, False]), np.array([20, 21, 22, 20]), _pairs(20, 20, 20, 20))
    assert (found.arrived, found.within_5_percent, found.optimal) == (0.75, 0.5, 0.25)
    assert abs(found.ratio_to_optimal - (1 + 1.05 + 1.1) / 3) < 1e-12
    assert np.isnan(layers.quality(np.array([False]), np.array([1]), _pairs(1)).ratio_to_optimal)


def test_what_abstractions_store_counts_as_rows():
    # Two communities of 3 and a bridge: the community of each of 6 states, and one gate for each of two.
    edges = [[a, b] for a in range(6) for b in range(6) if a != b and (a // 3 == b // 3 or {a, b} == {2, 3})]
    (gates,) = find_bridges(Trajectories.from_arrays(edges), 6)
    assert layers.abstraction_rows((gates, Skip(1))) == 6 + 2
    # The top layer's own stores nothing new.
    assert layers.abstraction_rows((gates, gates)) == 6 + 2


def test_rows_are_needed_for_pairs_within_reach():
    # As above: 3 * 2 pairs in both communities, both ways between two gates, and the two steps of the bridge.
    edges = np.array([[a, b] for a in range(6) for b in range(6) if a != b and (a // 3 == b // 3 or {a, b} == {2, 3})])
    (gates,) = find_bridges(Trajectories.from_arrays(edges), 6)
    assert layers.rows_needed((gates, gates), edges, 6) == [6 + 6 + 2, 2]
    assert layers.rows_needed((Skip(1),), edges, 6) == [6 * 5]


def _settings() -> ml_collections.ConfigDict:
    settings = simple.get_config("layers_smoke")
    settings.lock()
    return settings


def test_with_the_same_memory_layers_arrive_where_one_does_not(tmp_path):
    task = small_runs.task(tmp_path, _settings())
    layers.check(task)
    flat, three = (layers.measure(task, name) for name in ("1", "3"))
    # Each pair that arrives has a row of its own in a flat table; 1,024 rows serve 36 % of 54 * 53 pairs.
    assert flat["arrived"] < 0.5
    assert sum(flat["rows"]) <= 1024
    assert flat["rows_refused"] > 0
    assert three["arrived"] == three["optimal"] == three["within_5_percent"] == three["react_arrived"] == 1
    assert sum(three["rows"]) < sum(three["capacities"]) == three["capacity"] <= 1024 - three["abstraction_rows"]
    assert (three["rows_refused"], three["sweep_waiting"], three["sweep_dropped"]) == (0, 0, 0)
    assert sum(three["rows"]) == three["rows_needed"]
    assert all(rows <= capacity for rows, capacity in zip(three["rows"], three["capacities"], strict=True))
    found = layers.measure_search(task)
    assert found["optimal"] == 1
    assert found["think_us"] == min(found["form_us"].values())
    edges = len(layers.make_world(task.config, 0)[0].edges)
    assert found["rows"] == [2 * edges if found["form"] == "from_both_ends" else edges]


@pytest.mark.parametrize(
    ("needed", "max_rows", "expected"),
    [
        # Twice what is needed, or the next power of two above that.
        ([100, 8], None, (256, 16)),
        ([100], None, (256,)),
        # Room enough for all is the same as no bound.
        ([100, 8], 272, (256, 16)),
        # 256 + 16 is too much by one: both have room, and what is left goes to the top table, which is full.
        ([100, 8], 271, (128, 16)),
        # 128 + 1 is too much for the bottom one. What is left is 64 - 48.
        ([100, 8], 112, (64, 16)),
        # The bottom layer comes first: 64 are enough for 40, and 60 would need them too.
        ([40, 60], 96, (64, 32)),
        ([60, 40], 96, (64, 32)),
        ([100, 8], 69, (64, 4)),
        ([100, 8], 3, (2, 1)),
        # A layer that needs more than the one below it gets more, where there is room.
        ([10, 30, 2], 96, (16, 64, 4)),
        # One table has nobody to share with, and the next power of two.
        ([1000], 80, (128,)),
        ([1000], 128, (128,)),
        # But no more than it needs twice.
        ([10], 80, (32,)),
    ],
)
def test_rows_are_split_by_what_layers_need(needed, max_rows, expected):
    assert layers.split_rows(needed, max_rows) == expected


def test_a_bound_that_leaves_no_rows_for_tables_is_refused(tmp_path):
    settings = _settings()
    # 54 communities on each of two levels, and a row for each of three tables at least.
    settings.max_rows = 110
    with pytest.raises(
        errors.UserError,
        match=r"set 3: abstractions have 108 rows, which leaves none for tables of the 110 of max_rows",
    ):
        layers.check(small_runs.task(tmp_path, settings))
    settings.max_rows = 111
    layers.check(small_runs.task(tmp_path, settings))
    settings.max_rows = 110
    settings.sets["3"].bounded = False
    layers.check(small_runs.task(tmp_path, settings))
    settings.learning.num_steps = 15
    with pytest.raises(errors.UserError, match="learning.num_steps must be a multiple of chunk_steps"):
        layers.check(small_runs.task(tmp_path, settings))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_rows": None}, "the config has no max_rows, which experiment 'layers' needs"),
        ({"sets.3.bounded": None}, "set 3: its config lacks bounded"),
        ({"sets.3.num_layers": None}, "set 3: its config lacks num_layers"),
        ({"sets.3.num_layers": 0}, "set 3: num_layers must be a whole number of at least 1, not 0"),
        ({"sets.3.num_layers": "3"}, "set 3: num_layers must be a whole number of at least 1, not 3"),
        ({"sets.3.bounded": "no"}, "set 3: bounded must be True or False, not no"),
        ({"max_rows": 0}, "max_rows must be a whole number of at least 1, not 0"),
        ({"learning.sweep_batch_size": 0}, "learning.sweep_batch_size must be a whole number of at least 1, not 0"),
        ({"learning.sweep_batch_size": 2.5}, "learning.sweep_batch_size must be a whole number of at least 1, not 2.5"),
        # Three layers of 33 examples would learn from one less than a single layer of 100.
        (
            {"learning.batch_size": 100},
            "set 3: learning.batch_size must be a multiple of 3, the layers that .* not 100",
        ),
    ],
)
def test_what_can_not_be_trained_is_refused_before_it(tmp_path, changes, message):
    settings = simple.get_config("layers_smoke")
    for key, value in changes.items():
        *groups, last = key.split(".")
        group = settings
        for each in groups:
            group = group[each]
        del group[last]
        if value is not None:
            group[last] = value
    with pytest.raises(errors.UserError, match=message):
        layers.check(small_runs.task(tmp_path, settings))


def test_batches_that_devices_can_not_share_are_refused(tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(context.TaskContext, "check_batches", lambda self, sizes: asked.update(sizes))
    layers.check(small_runs.task(tmp_path, _settings()))
    assert asked == {
        "learning.batch_size of each layer of set 1": 96,
        "learning.batch_size of each layer of set 3": 32,
        "learning.sweep_batch_size": 256,
    }


def test_more_layers_than_the_walks_have_spans_for_are_refused(tmp_path):
    settings = simple.get_config("layers_smoke")
    settings.sets["3"].num_layers = 24
    settings.max_rows = 2**12
    with pytest.raises(errors.UserError, match="set 3: steps of .* different spans make no 23 levels; take fewer lay"):
        layers.measure(small_runs.task(tmp_path, settings), "3")
