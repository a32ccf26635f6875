"""Tags against values worked out by hand, and against plain lists."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.hippocampus import tagging
from humain.hippocampus.tagging import Tagging
from humain.spaces import Continuous, Discrete

IDS = Discrete(50)
FIELDS = ("identity", "order", "visits", "age", "absence")


@pytest.fixture(scope="module")
def step():
    """One compiled step for all tests; settings are static."""
    return jax.jit(tagging.tag, static_argnums=(0, 1))


def walk(step, settings, space, states):
    """The memory after some states, and the tag of each as a row of `FIELDS`."""
    tags, rows = tagging.empty(settings, space), []
    for state in states:
        tags, found = step(settings, space, tags, jnp.asarray(state, space.dtype))
        rows.append([int(getattr(found, name)) for name in FIELDS])
    return tags, rows


@dataclasses.dataclass
class Prototype:
    """What the slow memory keeps of one."""

    state: np.ndarray
    order: int
    visits: int
    first_met: int
    last_met: int


def walk_slowly(settings, space, states):
    """The same as `walk`, by a list of prototypes that is searched from the front."""
    places: list[Prototype | None] = [None] * settings.capacity
    made, rows = 0, []
    for time, state in enumerate(states):
        best, best_distance = None, settings.threshold
        for place, prototype in enumerate(places):
            if prototype is None:
                continue
            apart = np.asarray(space.encode(jnp.asarray(prototype.state)) - space.encode(jnp.asarray(state)))
            distance = float(np.sqrt((apart**2).sum()))
            if distance < best_distance or (distance == best_distance and best is None):
                best, best_distance = place, distance
        if best is None:
            if None in places:
                best = places.index(None)
            else:
                key = {"first_met": "first_met", "last_met": "last_met", "least_met": "visits"}[settings.eviction]
                ranks = [getattr(prototype, key) for prototype in places]
                best = ranks.index(min(ranks))
            places[best] = Prototype(state, made, 0, time, time)
            made += 1
        known = places[best]
        assert known is not None
        rows.append([best, known.order, known.visits + 1, time - known.first_met, time - known.last_met])
        known.visits, known.last_met = known.visits + 1, time
    return rows


def test_tags_by_hand(step):
    _, rows = walk(step, Tagging(capacity=3), IDS, [7, 4, 4, 7, 9, 4])
    assert rows == [
        # identity, order, visits, age, absence
        [0, 0, 1, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 2, 1, 1],  # stays: counts again
        [0, 0, 2, 3, 3],  # 7 was met at 0, now is 3
        [2, 2, 1, 0, 0],
        [1, 1, 3, 4, 3],  # 4 was first met at 1 and last at 2, now is 5
    ]


def test_a_tag_says_whether_its_state_is_new(step):
    tags, found = step(Tagging(), IDS, tagging.empty(Tagging(), IDS), jnp.int32(3))
    assert found.is_new
    assert not step(Tagging(), IDS, tags, jnp.int32(3))[1].is_new


@pytest.mark.parametrize(
    ("eviction", "lost"),
    [
        ("first_met", 1),  # 1 was met first
        ("last_met", 2),  # last met: 1 at 4, 2 at 1, 3 at 3
        ("least_met", 3),  # met: 1 twice, 2 twice, 3 once
    ],
)
def test_the_prototype_that_gives_way(step, eviction, lost):
    settings = Tagging(capacity=3, eviction=eviction)
    met = [2, 2, 1, 3, 1] if eviction == "least_met" else [1, 2, 3, 3, 1]
    tags, rows = walk(step, settings, IDS, [*met, 8])
    left = set(np.asarray(tags.prototypes).tolist())
    assert left == {1, 2, 3, 8} - {lost}
    # It is the fourth that was made, in the lost one's place.
    assert rows[-1] == [list(dict.fromkeys(met)).index(lost), 3, 1, 0, 0]
    # What has given way is new when it comes again, and the fifth.
    assert walk(step, settings, IDS, [*met, 8, lost])[1][-1][1:3] == [4, 1]


def test_among_equals_the_first_place_gives_way(step):
    tags, _ = walk(step, Tagging(capacity=3, eviction="least_met"), IDS, [5, 6, 7, 8])
    np.testing.assert_array_equal(tags.prototypes, [8, 6, 7])


def test_states_near_a_prototype_are_taken_for_it_and_it_stays_where_it_was(step):
    settings = Tagging(capacity=4, threshold=1.0)
    # 1.0 is exactly at the threshold from 0; 1.75 is near 1.0, which is no prototype, and 1.75 from 0.
    tags, rows = walk(step, settings, Continuous(1), [[0.0], [1.0], [1.75], [1.0]])
    # The last lies 1.0 from the first and 0.75 from the second: the nearest counts.
    assert [row[0] for row in rows] == [0, 0, 1, 1]
    np.testing.assert_array_equal(tags.prototypes[:2], [[0.0], [1.75]])


def test_between_two_equally_near_the_first_place_counts(step):
    _, rows = walk(step, Tagging(capacity=4, threshold=1.0), Continuous(1), [[0.0], [2.0], [1.0]])
    assert rows[-1][0] == 0


def test_distance_is_that_of_all_features_together(step):
    # 0.6 and 0.8 make 1.0, just beyond 0.9; the larger alone would be within.
    _, rows = walk(step, Tagging(capacity=4, threshold=0.9), Continuous(2), [[0.0, 0.0], [0.6, 0.8]])
    assert rows[-1][0] == 1


def test_ids_are_as_far_apart_as_their_features():
    settings = Tagging(capacity=4)
    tags = tagging.empty(settings, IDS)
    for state in (3, 5):
        tags, _ = tagging.tag(settings, IDS, tags, jnp.int32(state))
    found = tagging.distances(tags, IDS, jnp.int32(5))
    features = np.asarray(IDS.encode(jnp.array([3, 5]))) - np.asarray(IDS.encode(jnp.int32(5)))
    np.testing.assert_allclose(found[:2], np.linalg.norm(features, axis=-1), rtol=1e-6)
    assert np.all(np.isinf(found[2:]))


@pytest.mark.parametrize("threshold", [1.4, 1.5])
def test_a_threshold_beyond_the_square_root_of_two_takes_all_ids_for_one(step, threshold):
    _, rows = walk(step, Tagging(threshold=threshold), IDS, [1, 2, 3])
    assert [row[0] for row in rows] == ([0, 0, 0] if threshold > 2**0.5 else [0, 1, 2])


def test_zeros_are_no_prototype_before_they_are_met(step):
    _, rows = walk(step, Tagging(capacity=2), IDS, [0, 0])
    assert [row[2] for row in rows] == [1, 2]


def test_after_a_refresh_all_is_new_and_only_when_told(step):
    tags, _ = walk(step, Tagging(capacity=2), IDS, [1, 2, 1])
    kept, found = step(Tagging(capacity=2), IDS, tagging.refresh(tags, False), jnp.int32(1))
    assert (int(found.visits), int(kept.time)) == (3, 4)
    _, found = step(Tagging(capacity=2), IDS, tagging.refresh(tags), jnp.int32(2))
    assert [int(getattr(found, name)) for name in FIELDS] == [0, 0, 1, 0, 0]


@pytest.mark.parametrize("eviction", ["first_met", "last_met", "least_met"])
@pytest.mark.parametrize("capacity", [1, 4, 12])
def test_random_walks_are_tagged_as_by_plain_lists(step, eviction, capacity):
    settings = Tagging(capacity=capacity, eviction=eviction)
    rng = np.random.default_rng(capacity)
    for _ in range(3):
        states = rng.integers(0, 8, 40)
        assert walk(step, settings, IDS, states)[1] == walk_slowly(settings, IDS, states)


def test_random_points_are_tagged_as_by_plain_lists(step):
    settings, space = Tagging(capacity=5, threshold=0.4, eviction="least_met"), Continuous(2)
    states = np.random.default_rng(0).random((60, 2)).astype(np.float32)
    assert walk(step, settings, space, states)[1] == walk_slowly(settings, space, states)


def test_batches_scans_and_jit_give_what_each_episode_gives_alone(step):
    settings = Tagging(capacity=3)
    episodes = np.random.default_rng(1).integers(0, 6, (4, 15))
    alone = np.array([walk(partial(tagging.tag), settings, IDS, states)[1] for states in episodes])

    def scan(states):
        tag_next = partial(tagging.tag, settings, IDS)
        _, found = jax.lax.scan(tag_next, tagging.empty(settings, IDS), states)
        return jnp.stack([getattr(found, name) for name in FIELDS], axis=-1)

    np.testing.assert_array_equal(jax.jit(jax.vmap(scan))(jnp.asarray(episodes, jnp.int32)), alone)


def test_a_step_keeps_the_memorys_shapes_and_compiles_once():
    settings, calls = Tagging(capacity=3), list[None]()

    def counted(tags, state):
        calls.append(None)
        return tagging.tag(settings, IDS, tags, state)

    compiled = jax.jit(counted)
    tags = tagging.empty(settings, IDS)
    shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tags)
    for state in range(6):
        tags, _ = compiled(tags, jnp.int32(state))
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tags) == shapes
    assert len(calls) == 1


def test_a_step_costs_in_proportion_to_the_capacity():
    def operations(capacity):
        settings, space = Tagging(capacity=capacity), Continuous(8)
        lowered = jax.jit(partial(tagging.tag, settings, space)).lower(tagging.empty(settings, space), jnp.zeros(8))
        costs = lowered.compile().cost_analysis()
        assert costs is not None
        return costs["flops"]

    small, large = operations(256), operations(1024)
    assert 3 < large / small < 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"capacity": 0}, "at least 1 prototype, not 0"),
        ({"threshold": -0.1}, "a number of at least 0, not -0.1"),
        ({"threshold": float("nan")}, "a number of at least 0, not nan"),
        ({"eviction": "oldest"}, "not 'oldest'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Tagging(**settings)


def test_the_defaults():
    assert Tagging() == Tagging(capacity=64, threshold=0.5, eviction="last_met")
    assert (Tagging(capacity=1).capacity, Tagging(threshold=0.0).threshold) == (1, 0.0)
