"""Replay on graphs small enough to know all that can be composed."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.abstraction.entropy import count_visits
from humain.abstraction.pivots import pivot_mask, reverse_mask, with_end
from humain.abstraction.skip import Skip
from humain.cortex import hindsight
from humain.replay import composition
from humain.testing import stacks
from humain.types import Trajectories


def experience_of(*walks, stride=2, num_layers=2):
    longest = max(len(walk) for walk in walks)
    states = jnp.array([list(walk) + [0] * (longest - len(walk)) for walk in walks], jnp.int32)
    lengths = jnp.array([len(walk) for walk in walks])
    return hindsight.gather(Trajectories(states=states, lengths=lengths), (Skip(stride),) * num_layers)


def listed(examples):
    """The distinct unmasked examples as (state, goal, target, score)."""
    rows = zip(
        examples.context.states[:, -1].tolist(),
        examples.goals.tolist(),
        examples.targets.tolist(),
        np.round(examples.scores, 5).tolist(),
        examples.mask.tolist(),
        strict=True,
    )
    return {row[:-1] for row in rows if row[-1]}


def compose(model, state, experience, *, pivot_share, seed=0, size=512):
    return jax.jit(composition.compose, static_argnames=("model", "batch_size", "pivot_share"))(
        model, state, experience=experience, key=jax.random.key(seed), batch_size=size, pivot_share=pivot_share
    )


@pytest.fixture(scope="module")
def chain():
    """0 -> 1 -> 2 -> 3, of which single steps are stored: scores 1 - 1/16."""
    model = stacks.table_stack(4, 2)
    step = 1 - 1 / 16
    return model, stacks.store(model, stacks.init(model), 0, [(0, 1, 1, step), (1, 2, 2, step), (2, 3, 3, step)])


def test_two_steps_compose_to_a_way_of_two(chain):
    # Through the next state: 0 -> 1 with 1 -> 2 gives 0 -> 2 by 1, and 1 -> 2 with 2 -> 3 gives 1 -> 3 by 2; at
    # distance 2 the score is 1 - 2/16. Nothing else can be composed: a part of 0 -> 3 would have to be
    # longer.
    model, state = chain
    composed = compose(model, state, experience_of([0, 1, 2, 3]), pivot_share=0.0)
    assert listed(composed) == {(0, 2, 1, 0.875), (1, 3, 2, 0.875)}


def test_composing_again_closes_the_chain(chain):
    model, state = chain
    experience = experience_of([0, 1, 2, 3])
    state, _ = model.learn(state, {0: compose(model, state, experience, pivot_share=0.0)})
    composed = compose(model, state, experience, pivot_share=0.0)
    # Now 0 -> 1 and 1 -> 3, distance 2, make 0 -> 3.
    assert listed(composed) == {(0, 2, 1, 0.875), (1, 3, 2, 0.875), (0, 3, 1, 0.8125)}


def test_through_pivots_the_middle_is_the_next_pivot():
    # Stored are 0 -> 2 (by 1) and 2 -> 4 (by 3), the pivots of the walk, two steps ahead: together 0 -> 4, distance 4.
    model = stacks.table_stack(6, 2)
    entries = [(0, 2, 1, 0.875), (2, 4, 3, 0.875)]
    state = stacks.store(model, stacks.init(model), 0, entries)
    experience = experience_of([0, 1, 2, 3, 4])
    assert listed(compose(model, state, experience, pivot_share=1.0)) == {(0, 4, 1, 0.75)}
    assert listed(compose(model, state, experience, pivot_share=0.0)) == set()


@pytest.mark.parametrize("seed", range(3))
def test_the_middle_is_the_pivot_that_stands_for_the_next_state(seed):
    # What replay goes through is the reverse mask, as an index: from each state of a walk, the pivot whose row of the
    # mask holds the state after it, the walk's end counting as one.
    rng = np.random.default_rng(seed)
    walks = Trajectories(states=jnp.asarray(rng.integers(0, 7, (3, 12)), jnp.int32), lengths=jnp.array([12, 9, 2]))
    counted = count_visits(walks, 7)
    experience = hindsight.gather(walks, (counted, counted))
    for walk, length in enumerate(walks.lengths.tolist()):
        path = jnp.arange(12) < length
        owners = np.asarray(reverse_mask(with_end(pivot_mask(counted, walks.states[walk], path), path), path))
        for time in range(length - 1):
            middle = min(int(experience.paths[1].following(jnp.array([walk]), jnp.array([time]))[0]), length - 1)
            assert np.flatnonzero(owners[:, time + 1]).tolist() == [middle]


def test_the_end_of_a_walk_is_a_pivot():
    # 0 1 2 3 has its last pivot at 2; from 2 the next one is the end, 3, which another walk goes on from.
    model = stacks.table_stack(6, 2)
    state = stacks.store(model, stacks.init(model), 0, [(2, 3, 3, 15 / 16), (3, 5, 5, 15 / 16)])
    experience = experience_of([0, 1, 2, 3], [3, 5])
    assert (2, 5, 3, 0.875) in listed(compose(model, state, experience, pivot_share=1.0))


def test_what_was_not_seen_behind_another_is_not_composed():
    # 0 -> 1 and 1 -> 2 are stored, but no walk goes on from 0.
    model = stacks.table_stack(4, 2)
    state = stacks.store(model, stacks.init(model), 0, [(0, 1, 1, 0.5), (1, 2, 2, 0.5)])
    assert listed(compose(model, state, experience_of([1, 2]), pivot_share=0.5)) == set()


def test_what_is_too_far_is_not_composed():
    # 9 and 7 steps are 16, where the score reaches 0; 8 and 7 are just within.
    model = stacks.table_stack(6, 2)
    entries = [(0, 1, 1, 1 - 9 / 16), (2, 1, 1, 1 - 8 / 16), (1, 3, 3, 1 - 7 / 16)]
    state = stacks.store(model, stacks.init(model), 0, entries)
    experience = experience_of([0, 1, 3], [2, 1])
    assert listed(compose(model, state, experience, pivot_share=0.0)) == {(2, 3, 1, 1 / 16)}


def test_ways_back_to_the_start_are_not_composed():
    model = stacks.table_stack(3, 2)
    state = stacks.store(model, stacks.init(model), 0, [(0, 1, 1, 15 / 16), (1, 0, 0, 15 / 16)])
    composed = listed(compose(model, state, experience_of([0, 1, 0]), pivot_share=0.5))
    assert all(here != goal for here, goal, _, _ in composed)


def shortest_paths(num_nodes, edges):
    """Floyd and Warshall's algorithm, in plain loops."""
    distance = {(a, b): 0 if a == b else np.inf for a, b in itertools.product(range(num_nodes), repeat=2)}
    distance |= dict.fromkeys(edges, 1)
    for middle, start, goal in itertools.product(range(num_nodes), repeat=3):
        distance[start, goal] = min(distance[start, goal], distance[start, middle] + distance[middle, goal])
    return distance


@pytest.mark.parametrize(("seed", "pivot_share"), [(0, 0.0), (1, 0.5), (2, 0.5)])
def test_on_a_finite_graph_replay_finds_all_shortest_ways_over_what_was_seen(seed, pivot_share):
    rng = np.random.default_rng(seed)
    neighbours = [rng.choice(12, size=2, replace=False) for _ in range(12)]
    walks = []
    for start in rng.integers(0, 12, 9):
        walk = [int(start)]
        for _ in range(4):
            walk.append(int(rng.choice(neighbours[walk[-1]])))
        walks.append(walk)
    seen = {pair for walk in walks for pair in itertools.pairwise(walk) if pair[0] != pair[1]}
    expected = shortest_paths(12, seen)
    model = stacks.table_stack(12, 2)
    experience = experience_of(*walks)

    @jax.jit
    def update(state, key):
        observe_key, compose_key = jax.random.split(key)
        state, _ = model.observe(state, experience, observe_key, 256)
        composed = composition.compose(
            model, state, experience=experience, key=compose_key, batch_size=512, pivot_share=pivot_share
        )
        return model.learn(state, {0: composed})[0]

    state = stacks.init(model)
    for step in range(40):
        state = update(state, jax.random.fold_in(jax.random.key(seed), step))
    starts, goals = (jnp.asarray(ids.ravel(), jnp.int32) for ids in np.indices((12, 12)))
    layer = model.layers[0]
    answer = layer.cortex.answer(model.kernel_state(state, 0), layer.context(layer.begin(144), starts, goals), goals)
    met_later = {state for walk in walks for state in walk[1:]}
    some_way = some_unseen = 0
    for at, (start, goal) in enumerate(itertools.product(range(12), repeat=2)):
        if start == goal:
            continue
        steps = expected[start, goal]
        if np.isinf(steps) or goal not in met_later:
            assert not answer.known[at], (start, goal)
            some_unseen += 1
        else:
            assert float(answer.score[at]) == pytest.approx(1 - steps / 16, abs=1e-5), (start, goal)
            # The first step is an edge, and leads one nearer.
            assert expected[start, int(answer.value[at])] == 1
            assert expected[int(answer.value[at]), goal] == steps - 1
            some_way += 1
    assert some_way > 20
    assert some_unseen > 0


def imagine(model, state, experience, *, max_steps=8, size=256):
    return jax.jit(composition.imagine, static_argnames=("model", "batch_size", "max_steps"))(
        model, state, experience=experience, key=jax.random.key(0), batch_size=size, max_steps=max_steps
    )


def test_upper_layers_learn_from_imagined_ways():
    # The line 0 .. 3 known below. Ways begin at 0, 1, 2 (followed by a state) and end at 1, 2, 3 (met after another).
    model, state = stacks.line_world(4, num_layers=2)
    examples = imagine(model, state, experience_of([0, 1, 2, 3]))
    assert examples.keys() == {1}
    # Two steps towards the goal, or the goal: 1 - d/16.
    assert listed(examples[1]) == {
        (0, 1, 1, 0.9375),
        (0, 2, 2, 0.875),
        (0, 3, 2, 0.8125),
        (1, 2, 2, 0.9375),
        (1, 3, 3, 0.875),
        (2, 1, 1, 0.9375),
        (2, 3, 3, 0.9375),
    }


def test_a_third_layer_aims_farther():
    model, state = stacks.line_world(7, num_layers=3)
    examples = imagine(model, state, experience_of(range(7), num_layers=3), size=512)
    assert examples.keys() == {1, 2}
    targets = [{row[:3] for row in listed(examples[layer]) if row[:2] in {(0, 6), (5, 1)}} for layer in (1, 2)]
    assert targets == [{(0, 6, 2), (5, 1, 3)}, {(0, 6, 4), (5, 1, 1)}]


def test_nothing_is_learned_from_a_way_that_does_not_arrive():
    # 0 -> 1 -> 2 is known, what leads on from 2 is not; 3 and 4 send each other round in circles.
    model = stacks.table_stack(6, 2)
    entries = [(0, 5, 1, 0.5), (1, 5, 2, 0.5), (0, 2, 1, 0.5), (1, 2, 2, 0.5), (3, 5, 4, 0.5), (4, 5, 3, 0.5)]
    state = stacks.store(model, stacks.init(model), 0, entries)
    examples = imagine(model, state, experience_of([0, 1, 2, 5], [3, 4, 5]))
    # Of all starts and goals only these arrive; the layer's step of two takes 0 to 2 at once.
    assert listed(examples[1]) == {(0, 2, 2, 0.875), (1, 2, 2, 0.9375)}


def test_a_way_that_is_too_long_is_not_learned():
    model, state = stacks.line_world(6)
    rows = {row[:2] for row in listed(imagine(model, state, experience_of(range(6)), max_steps=2)[1])}
    assert (0, 2) in rows
    assert all(abs(here - goal) <= 2 for here, goal in rows)


def test_a_way_that_has_arrived_stays_as_it_is_while_others_go_on():
    model, state = stacks.line_world(6)
    goals = jnp.array([0, 1, 2, 3, 4])
    ways, arrived = composition._roll(model, state, jnp.zeros(5, jnp.int32), goals, 3)
    np.testing.assert_array_equal(ways.lengths, [1, 2, 3, 4, 4])
    np.testing.assert_array_equal(ways.states, [[0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 2, 0], [0, 1, 2, 3], [0, 1, 2, 3]])
    # 4 is one step too far.
    np.testing.assert_array_equal(arrived, [True, True, True, True, False])


def test_replaying_again_does_not_recompile(chain):
    model, state = chain
    experience = experience_of([0, 1, 2, 3])
    traced = []

    @jax.jit
    def update(state, key):
        traced.append(True)
        first, second = jax.random.split(key)
        composed = composition.compose(model, state, experience=experience, key=first, batch_size=8, pivot_share=0.5)
        state, _ = model.learn(state, {0: composed})
        imagined = composition.imagine(model, state, experience=experience, key=second, batch_size=8, max_steps=4)
        return model.learn(state, imagined)[0]

    for step in range(3):
        state = update(state, jax.random.key(step))
    assert len(traced) == 1
