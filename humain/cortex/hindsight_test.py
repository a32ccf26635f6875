"""Hindsight examples on trajectories of a few steps, all listed by hand."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from humain.abstraction.entropy import Entropy
from humain.abstraction.pivots import Strided, Tabled
from humain.abstraction.skip import Skip
from humain.cortex import hindsight
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear, Return
from humain.hippocampus import encodings
from humain.kernels.table import TableConfig
from humain.layer import Layer
from humain.spaces import Discrete
from humain.testing.blocks import Blocks
from humain.testing.probe import Probe
from humain.types import Trajectories

SPACE = Discrete(100)
SKIPS = (Skip(2),) * 3
LINEAR = Linear(8)


def walk(*states, **rest):
    """One trajectory."""
    return Trajectories(states=jnp.array([states], jnp.int32), lengths=jnp.array([len(states)]), **rest)


def cortex_of(rule=LINEAR, **settings):
    return Cortex(Probe(SPACE, SPACE), rule, **settings)


@partial(jax.jit, static_argnames=("layer", "cortex", "context_length", "batch_size"))
def draw(experience, *, layer, cortex, context_length=1, batch_size=512, seed=0):
    return hindsight.sample(
        experience, Layer(cortex, context_length), number=layer, key=jax.random.key(seed), batch_size=batch_size
    )


def listed(examples):
    """The distinct examples as (state, goal, target, score)."""
    assert np.all(examples.mask)
    return set(
        zip(
            examples.context.states[:, -1].tolist(),
            examples.goals.tolist(),
            examples.targets.tolist(),
            examples.scores.tolist(),
            strict=True,
        )
    )


def test_the_bottom_layer_of_five_states():
    # States 10 .. 50 at times 0 .. 4; the pivots ahead of t lie at t + 2 and t + 4, so goals lie up to 4 steps ahead.
    # The target is the next state, the score 1 - d / 8.
    experience = hindsight.gather(walk(10, 20, 30, 40, 50), SKIPS)
    assert listed(draw(experience, layer=0, cortex=cortex_of())) == {
        (10, 20, 20, 0.875),
        (10, 30, 20, 0.75),
        (10, 40, 20, 0.625),
        (10, 50, 20, 0.5),
        (20, 30, 30, 0.875),
        (20, 40, 30, 0.75),
        (20, 50, 30, 0.625),
        (30, 40, 40, 0.875),
        (30, 50, 40, 0.75),
        (40, 50, 50, 0.875),
    }


def test_examples_at_places_given_by_hand():
    # From 10 to 40 by 20, 3 steps, and from 30 to 50 by 40, 2 steps; the last goes nowhere.
    experience, layer = hindsight.gather(walk(10, 20, 30, 40, 50), SKIPS), Layer(cortex_of(), 1)
    zeros = jnp.zeros(3, jnp.int32)
    places = hindsight.Draws(walks=zeros, times=jnp.array([0, 2, 4]), goal_times=jnp.array([3, 4, 4]), kept=zeros)
    examples = hindsight.examples_at(experience, layer, places, number=0)
    assert examples.mask.tolist() == [True, True, False]
    assert listed(jax.tree.map(lambda column: column[:2], examples)) == {(10, 40, 20, 0.625), (30, 50, 40, 0.75)}


def test_draws_lie_ahead_and_within_their_walk():
    experience, layer = hindsight.gather(walk(10, 20, 30, 40, 50), SKIPS), Layer(cortex_of(), 1)
    places = hindsight.draw(experience, layer, number=0, key=jax.random.key(0), batch_size=64)
    assert np.all((places.times >= 0) & (places.times < places.goal_times) & (places.goal_times <= 4))
    assert set(places.walks.tolist()) == {0}


def test_one_pivot_ahead_on_the_bottom_layer():
    # Only goals up to 2 steps ahead.
    experience = hindsight.gather(walk(10, 20, 30, 40, 50), SKIPS)
    assert listed(draw(experience, layer=0, cortex=cortex_of(lookahead=1))) == {
        (10, 20, 20, 0.875),
        (10, 30, 20, 0.75),
        (20, 30, 30, 0.875),
        (20, 40, 30, 0.75),
        (30, 40, 40, 0.875),
        (30, 50, 40, 0.75),
        (40, 50, 50, 0.875),
    }


def test_the_middle_layer_of_five_states():
    # Its next state is two steps ahead, or the goal where that is nearer.
    experience = hindsight.gather(walk(10, 20, 30, 40, 50), SKIPS)
    assert listed(draw(experience, layer=1, cortex=cortex_of(lookahead=1))) == {
        (10, 20, 20, 0.875),
        (10, 30, 30, 0.75),
        (10, 40, 30, 0.625),
        (10, 50, 30, 0.5),
        (20, 30, 30, 0.875),
        (20, 40, 40, 0.75),
        (20, 50, 40, 0.625),
        (30, 40, 40, 0.875),
        (30, 50, 50, 0.75),
        (40, 50, 50, 0.875),
    }


def test_the_top_layer_of_six_states():
    # Its next state is four steps ahead; its own pivot, eight ahead, lies beyond the end, which counts as one.
    experience = hindsight.gather(walk(10, 20, 30, 40, 50, 60), SKIPS)
    assert listed(draw(experience, layer=2, cortex=cortex_of(lookahead=1))) == {
        (10, 20, 20, 0.875),
        (10, 30, 30, 0.75),
        (10, 40, 40, 0.625),
        (10, 50, 50, 0.5),
        (10, 60, 50, 0.375),
        (20, 30, 30, 0.875),
        (20, 40, 40, 0.75),
        (20, 50, 50, 0.625),
        (20, 60, 60, 0.5),
        (30, 40, 40, 0.875),
        (30, 50, 50, 0.75),
        (30, 60, 60, 0.625),
        (40, 50, 50, 0.875),
        (40, 60, 60, 0.75),
        (50, 60, 60, 0.875),
    }


def test_crossroads_as_pivots():
    # Visits of 1 .. 6: the path 1 2 3 4 5 6 has maxima at 2 and 5 (times 1 and 4).
    counts = jnp.zeros(100, jnp.int32).at[jnp.arange(1, 7)].set(jnp.array([1, 3, 2, 1, 4, 1]))
    experience = hindsight.gather(walk(1, 2, 3, 4, 5, 6), (Entropy(counts),) * 2)
    assert isinstance(experience.paths[1], Tabled)
    bottom = listed(draw(experience, layer=0, cortex=cortex_of(lookahead=1)))
    # From each state up to the next crossroads after it, or the end.
    assert {(state, goal) for state, goal, _, _ in bottom} == {
        (1, 2),
        (2, 3),
        (2, 4),
        (2, 5),
        (3, 4),
        (3, 5),
        (4, 5),
        (5, 6),
    }
    assert all(target == state + 1 for state, _, target, _ in bottom)
    # Of the crossroads 2 and 5, visited 3 and 4 times, 5 is the maximum: the goal of the layer above, and for it the
    # next state is the next crossroads.
    above = listed(draw(experience, layer=1, cortex=cortex_of(lookahead=1)))
    assert {(state, goal, target) for state, goal, target, _ in above if state == 1} == {
        (1, 2, 2),
        (1, 3, 2),
        (1, 4, 2),
        (1, 5, 2),
    }
    assert {(state, goal, target) for state, goal, target, _ in above if state == 3} == {(3, 4, 4), (3, 5, 5)}
    assert {(state, goal, target) for state, goal, target, _ in above if state == 5} == {(5, 6, 6)}


def test_actions_are_the_bottom_layers_targets_and_only_its():
    experience = hindsight.gather(walk(10, 20, 30, actions=jnp.array([[7, 8, 99]])), SKIPS)
    bottom = listed(draw(experience, layer=0, cortex=cortex_of()))
    assert {(state, goal, target) for state, goal, target, _ in bottom} == {(10, 20, 7), (10, 30, 7), (20, 30, 8)}
    above = listed(draw(experience, layer=1, cortex=cortex_of()))
    assert {(state, goal, target) for state, goal, target, _ in above} == {(10, 20, 20), (10, 30, 30), (20, 30, 30)}


def test_returns_are_what_was_collected_on_the_way():
    # Rewards 1, 2, 4 for the three steps; on [0, 8] the returns 1, 3, 7, 2, 6, 4 score an eighth each.
    experience = hindsight.gather(walk(10, 20, 30, 40, rewards=jnp.array([[1.0, 2.0, 4.0, 99.0]])), SKIPS)
    examples = listed(draw(experience, layer=0, cortex=cortex_of(Return(0.0, 8.0))))
    assert {(state, goal, score) for state, goal, _, score in examples} == {
        (10, 20, 1 / 8),
        (10, 30, 3 / 8),
        (10, 40, 7 / 8),
        (20, 30, 2 / 8),
        (20, 40, 6 / 8),
        (30, 40, 4 / 8),
    }


def test_padding_is_never_drawn():
    states = jnp.array([[10, 20, 99, 99], [30, 99, 99, 99], [40, 50, 60, 99], [99, 99, 99, 99]])
    experience = hindsight.gather(Trajectories(states=states, lengths=jnp.array([2, 1, 3, 0])), SKIPS)
    assert experience.walks.tolist() == [0, 2, 2]
    assert experience.times.tolist() == [0, 0, 1]
    for layer in range(3):
        examples = listed(draw(experience, layer=layer, cortex=cortex_of()))
        assert {(state, goal) for state, goal, _, _ in examples} == {(10, 20), (40, 50), (40, 60), (50, 60)}


def test_contexts_are_the_path_before_or_less_of_it():
    # Layer 1 keeps the even times. With room for two earlier states, a refresh may have left 0, 1 or 2 of them.
    experience = hindsight.gather(walk(*range(0, 90, 10)), SKIPS)
    examples = draw(experience, layer=1, cortex=cortex_of(), context_length=3, batch_size=2048)
    contexts = examples.context
    seen = {
        tuple(state for state, there in zip(states, mask, strict=True) if there)
        for states, mask in zip(contexts.states.tolist(), contexts.mask.tolist(), strict=True)
    }
    assert {context for context in seen if context[-1] == 50} == {(50,), (40, 50), (20, 40, 50)}
    assert {context for context in seen if context[-1] == 40} == {(40,), (20, 40), (0, 20, 40)}
    assert {context for context in seen if context[-1] == 10} == {(10,), (0, 10)}
    assert {context for context in seen if context[-1] == 0} == {(0,)}
    np.testing.assert_array_equal(contexts.features, SPACE.encode(contexts.states))


def test_contexts_of_the_bottom_layer_are_all_earlier_states():
    experience = hindsight.gather(walk(10, 20, 30, 40), SKIPS)

    def encoding(positions, size):
        return jnp.broadcast_to(100.0 * positions[..., None], (*positions.shape, size))

    contexts = hindsight.contexts(
        experience,
        Layer(cortex_of(), context_length=3, encoding=encoding),
        number=0,
        walks=jnp.zeros(4, jnp.int32),
        times=jnp.array([0, 1, 3, 3]),
        kept=jnp.array([2, 2, 2, 1]),
    )
    np.testing.assert_array_equal(
        contexts.mask, [[False, False, True], [False, True, True], [True, True, True], [False, True, True]]
    )
    np.testing.assert_array_equal(contexts.states[2], [20, 30, 40])
    # Positions count from the oldest state that is there: the encoding adds 0, 100, 200.
    np.testing.assert_array_equal(jnp.floor(contexts.features.max(-1) / 100)[2], [0, 1, 2])
    np.testing.assert_array_equal(jnp.floor(contexts.features.max(-1) / 100)[3, 1:], [0, 1])


@pytest.mark.parametrize("discount", [1.0, 0.5, 0.9])
def test_distances_are_drawn_in_proportion_to_the_discount(discount):
    # One trajectory of two lengths: from time 0 goals lie 1 .. 4 ahead.
    size = 40_000
    experience = hindsight.gather(walk(*range(5)), (Skip(4),))
    cortex = cortex_of(Linear(8), lookahead=1, goal_discount=discount)
    examples = draw(experience, layer=0, cortex=cortex, batch_size=size)
    from_start = np.asarray(examples.goals)[np.asarray(examples.context.states[:, -1]) == 0]
    counted = np.bincount(from_start, minlength=5)[1:] / len(from_start)
    expected = discount ** np.arange(1, 5)
    expected /= expected.sum()
    # About 10,000 draws: four standard deviations of a share of one half are 0.02.
    np.testing.assert_allclose(counted, expected, atol=0.02)


@pytest.mark.parametrize("layer", [0, 1])
def test_goals_lie_at_most_so_many_steps_ahead(layer):
    experience = hindsight.gather(walk(1, 2, 3, 4, 5), (Skip(4),) * 2)
    single = {(1, 2, 2, 7 / 8), (2, 3, 3, 7 / 8), (3, 4, 4, 7 / 8), (4, 5, 5, 7 / 8)}
    assert listed(draw(experience, layer=layer, cortex=cortex_of(max_steps=1))) == single
    # The bottom layer answers the next state. To the layer above goals before its next pivot, at 5, are answers.
    double = {(1, 3), (2, 4), (3, 5)}
    farther = {(state, goal, goal if layer else state + 1, 6 / 8) for state, goal in double}
    assert listed(draw(experience, layer=layer, cortex=cortex_of(max_steps=2))) == single | farther


def test_an_upper_layer_learns_of_states_as_it_sees_them():
    # Seen from above, 1 2 3 4 7 are 0 2 2 4 6; its path is the start and what enters a block: times 0, 1, 3 and 4.
    experience = hindsight.gather(walk(1, 2, 3, 4, 7), (Blocks(2),) * 2)
    assert listed(draw(experience, layer=1, cortex=cortex_of(lookahead=1))) == {
        (0, 2, 2, 0.875),
        (2, 2, 2, 0.875),  # within the block, from 2 to 3
        (2, 4, 4, 0.75),
        (2, 4, 4, 0.875),
        (4, 6, 6, 0.875),
    }
    # Below they are what they are: from each state the goals up to the next that enters a block.
    assert {row[:3] for row in listed(draw(experience, layer=0, cortex=cortex_of(lookahead=1)))} == {
        (1, 2, 2),
        (2, 3, 3),
        (2, 4, 3),
        (3, 4, 4),
        (4, 7, 7),
    }


def test_places_are_drawn_evenly():
    experience = hindsight.gather(
        Trajectories(states=jnp.arange(12).reshape(3, 4), lengths=jnp.array([4, 2, 3])), (Skip(2),)
    )
    walks, times = hindsight.sample_places(experience, jax.random.key(0), 12_000)
    counted = np.bincount(4 * walks + times, minlength=12)
    assert np.flatnonzero(counted).tolist() == [0, 1, 2, 4, 8, 9]
    np.testing.assert_allclose(counted[counted > 0] / 12_000, 1 / 6, atol=0.014)  # four standard deviations


def test_the_horizon_is_the_last_pivot_ahead_or_the_end():
    experience = hindsight.gather(walk(*range(8)), SKIPS)
    walks, times = jnp.zeros(4, jnp.int32), jnp.array([0, 1, 5, 6])
    spans = [
        hindsight.horizon(experience, walks, times, number=layer, lookahead=ahead).tolist()
        for layer, ahead in itertools.product((0, 1), (1, 2))
    ]
    assert spans == [[2, 3, 7, 7], [4, 5, 7, 7], [4, 5, 7, 7], [7, 7, 7, 7]]


@pytest.mark.parametrize("lookahead", [3, 4, 5, 30])
def test_many_pivots_ahead_are_as_far_as_one_after_the_other(lookahead):
    experience = hindsight.gather(walk(*range(20)), (Blocks(3),) * 2)
    walks, times = jnp.zeros(20, jnp.int32), jnp.arange(20)
    far = jax.jit(hindsight.horizon, static_argnames=("number", "lookahead"))(
        experience, walks, times, number=0, lookahead=lookahead
    )
    # The next multiples of 3, and 19 at most.
    np.testing.assert_array_equal(far, [min(19, 3 * (time // 3 + lookahead)) for time in range(20)])


def test_paths_of_skips_are_strided_and_others_tabled():
    states = jnp.array([[0, 1, 2, 3]])

    def layer_paths(abstractions):
        return hindsight.layer_paths((states,) * 3, jnp.array([4]), abstractions)

    # A state is stored one step late on the two lower layers; then a layer waits for the next state of the one below.
    assert layer_paths(SKIPS) == (Strided(1), Strided(2), Strided(4, delay=3), Strided(8, delay=7))
    mixed = layer_paths((Skip(2), Entropy(jnp.ones(4, jnp.int32)), Skip(2)))
    assert [type(path) for path in mixed] == [Strided, Strided, Tabled, Tabled]


@struct.dataclass
class EveryThird:
    """Somebody's own abstraction; all that hindsight knows of it is its Protocol."""

    def is_pivot(self, previous, state, following, position):
        return position % 3 == 0

    def pivot_stride(self):
        return 3

    def lift(self, state):
        return state

    def specify(self, goal, state):
        return goal


def test_anybodys_abstraction_with_a_stride_is_strided():
    experience = hindsight.gather(walk(*range(0, 80, 10)), (EveryThird(),) * 2)
    assert experience.paths == (Strided(1), Strided(3), Strided(9, delay=4))
    # Counted from where an example begins: from 10 the next pivot is 40, though the trajectory's own are 0, 30 and 60.
    targets = {row[2] for row in listed(draw(experience, layer=1, cortex=cortex_of(), batch_size=512)) if row[0] == 10}
    assert targets == {20, 30, 40}


@pytest.mark.parametrize(
    ("lengths", "message"),
    [([4], "between 0 and 3"), ([-1], "between 0 and 3"), ([1], "at least one must have two states")],
)
def test_experience_without_steps_or_with_wrong_lengths_is_refused(lengths, message):
    with pytest.raises(ValueError, match=message):
        hindsight.gather(Trajectories(states=jnp.zeros((1, 3), jnp.int32), lengths=jnp.array(lengths)), SKIPS)


def test_sampling_again_does_not_recompile():
    traced = []

    @jax.jit
    def sample(experience, key):
        traced.append(True)
        layer = Layer(cortex_of(), context_length=2, encoding=encodings.sinusoidal)
        return hindsight.sample(experience, layer, number=1, key=key, batch_size=4)

    first, second = (hindsight.gather(walk(*states), SKIPS) for states in ((1, 2, 3), (4, 5, 6)))
    sample(first, jax.random.key(0))
    sample(second, jax.random.key(1))
    assert len(traced) == 1


def test_what_a_table_learns_from_it_is_the_shortest_way_seen():
    # 1 -> 2 -> 3 -> 9 and the shorter 1 -> 4 -> 9: asked for 9 in 1, the answer is 4, at 1 - 2 / 8.
    states = jnp.array([[1, 2, 3, 9], [1, 4, 9, 0]])
    experience = hindsight.gather(Trajectories(states=states, lengths=jnp.array([4, 3])), SKIPS)
    kernel = TableConfig().build(SPACE, SPACE)
    cortex = Cortex(kernel, Linear(8))
    state, _ = kernel.learn(kernel.init(jax.random.key(0)), draw(experience, layer=0, cortex=cortex))
    state, _ = kernel.learn(state, draw(experience, layer=0, cortex=cortex, seed=1))
    zero = jnp.array([0])
    context = hindsight.fresh_contexts(experience, Layer(cortex), number=0, walks=zero, times=zero)
    answer = cortex.answer(state, context, jnp.array([9]))
    assert (int(answer.value[0]), bool(answer.known[0])) == (4, True)
    assert float(answer.score[0]) == pytest.approx(0.75)


def test_there_is_an_abstraction_for_each_layer():
    for number in (1, 3):
        with pytest.raises(ValueError, match=f"there are states for 2 layers and {number} abstractions; one for each"):
            hindsight.layer_paths((jnp.zeros((1, 3)),) * 2, jnp.array([3]), (Skip(2),) * number)


def test_what_lies_behind_the_end_is_on_no_path():
    # The same crossroads 2 and 5, and behind the end visits of 7 and 8, which would be another.
    counts = jnp.zeros(100, jnp.int32).at[jnp.arange(1, 9)].set(jnp.array([1, 3, 2, 1, 4, 1, 9, 1]))
    states = jnp.array([[1, 2, 3, 4, 5, 6, 7, 8]])
    experience = hindsight.gather(Trajectories(states=states, lengths=jnp.array([6])), (Entropy(counts),) * 2)
    walks, times = jnp.zeros(6, jnp.int32), jnp.arange(6)
    assert experience.paths[1].following(walks, times).tolist() == [1, 4, 4, 4, 8, 8]
    bottom = listed(draw(experience, layer=0, cortex=cortex_of(lookahead=1)))
    assert max(goal for _, goal, _, _ in bottom) == 6


def test_what_layers_can_answer_are_the_states_of_their_paths_and_the_ends():
    # Walks 10 20 30 40 50 and 10 20 60 (and padding): of every second state 30, 50 and 60; the first ones lead nowhere.
    states = jnp.array([[10, 20, 30, 40, 50], [10, 20, 60, 99, 99]])
    bottom, top = hindsight.answers(Trajectories(states=states, lengths=jnp.array([5, 3])), (Skip(2), Skip(2)))
    assert bottom.tolist() == [20, 30, 40, 50, 60]
    assert top.tolist() == [30, 50, 60]
    # An end counts above too, where it is no pivot.
    _, top = hindsight.answers(Trajectories(states=states, lengths=jnp.array([4, 2])), (Skip(2), Skip(2)))
    assert top.tolist() == [30, 40, 20]
