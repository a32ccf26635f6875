"""A stack whose layers have different spaces: vectors, the places that they lie in, and crossroads among these.

The maze has five cells of 4 x 4 units, an L of two arms, and a step leads from `s` to `s + 0.2 a`:

    4
    3
    0 1 2
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from humain import acting, errors, learning, planning, saving, training_run
from humain.abstraction.entropy import Entropy
from humain.abstraction.nearest_centroid import NearestCentroid, find_places
from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric, Linear
from humain.kernels.inverse_model import InverseModelConfig
from humain.kernels.linear import LinearConfig
from humain.kernels.table import TableConfig
from humain.kernels.transformer import TransformerConfig
from humain.layer import Layer
from humain.learning import LearningConfig, ReplayConfig
from humain.model import Model
from humain.replay.steps import make_steps
from humain.spaces import Continuous, Discrete
from humain.testing.probe import Probe
from humain.types import Trajectories

CENTRES = np.array([[0, 0], [4, 0], [8, 0], [8, 4], [8, 8]], np.float32)
STATES, PLACES = Continuous(2, tolerance=0.05), Discrete(5)
ACTIONS = Continuous(2)
PLACED = NearestCentroid(jnp.asarray(CENTRES))
# The ends and the corner are crossroads.
CROSSROADS = Entropy(jnp.array([2, 1, 2, 1, 2]))
ABSTRACTIONS = (PLACED, CROSSROADS, Skip(99))
CONFIG = LearningConfig(batch_size=128)
RULE = Geometric(0.99)


def walks(num_walks=40, length=150, seed=0):
    """To and fro between the ends, to one cell's centre after the other, with noise on the actions."""
    rng = np.random.default_rng(seed)
    states = np.zeros((num_walks, length, 2))
    actions = np.zeros((num_walks, length, 2))
    for walk in range(num_walks):
        forth = rng.random() < 0.5
        cell = int(rng.integers(5))
        here = CENTRES[cell] + rng.uniform(-1, 1, 2)
        for time in range(length):
            if np.linalg.norm(here - CENTRES[cell]) < 1:
                forth = cell == 0 or (forth and cell < 4)
                cell += 1 if forth else -1
            way = CENTRES[cell] - here
            action = np.clip(way / np.linalg.norm(way) + rng.normal(0, 0.5, 2), -1, 1)
            states[walk, time], actions[walk, time] = here, action
            here = here + 0.2 * action
    return Trajectories.from_arrays(states, actions=actions)


def stack(bottom=None):
    """Places and crossroads above a layer that answers actions: by an inverse model, or as given."""
    if bottom is None:
        bottom = Cortex(InverseModelConfig().build(STATES, ACTIONS), RULE, max_steps=1)
    table = Cortex(TableConfig().build(PLACES, PLACES), RULE)
    return Model((Layer(bottom), Layer(table), Layer(table)), STATES, group_layers=False)


@pytest.fixture(scope="module")
def trained():
    model = stack()
    return model, training_run.train(model, walks(), abstractions=ABSTRACTIONS, steps=100, config=CONFIG)


def same(first, second):
    assert str(jax.tree.structure(first)) == str(jax.tree.structure(second))
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def act(model, state, starts, goals, num_steps):
    """The states `[T, B, 2]` that agents come through in the world, and their reactions."""
    states: list[np.ndarray] = [np.asarray(starts, np.float32)]
    episode, reactions = acting.begin(model, len(starts)), []
    for _ in range(num_steps):
        episode, reaction = acting.react(model, state, episode, states[-1], np.asarray(goals, np.float32))
        reactions.append(reaction)
        states.append(states[-1] + 0.2 * np.asarray(reaction.action))
    return np.stack(states), reactions


def simulated(start, goal, num_steps):
    """What should be done: to the centre of the next cell until the goal's cell is the next one, then to the goal."""
    cells = [int(np.argmin(np.linalg.norm(CENTRES - place, axis=1))) for place in (start, goal)]
    states = [np.array(start, np.float64)]
    for _ in range(num_steps):
        cell = int(np.argmin(np.linalg.norm(CENTRES - states[-1], axis=1)))
        following = cell + np.sign(cells[1] - cell)
        aim = goal if following == cells[1] else CENTRES[following]
        action = 5 * (aim - states[-1])
        states.append(states[-1] + 0.2 * action / max(1, np.abs(action).max()))
    return np.stack(states)


def test_an_agent_goes_from_place_to_place_and_to_the_goal_itself(trained):
    # No state that they come through lies on the border of two cells, where rounding would decide.
    starts = np.array([[0.07, 0.5], [8.3, 8.13], [4.5, -0.5], [8.0, 0.0]])
    goals = np.array([[8.4, 7.7], [-0.4, 0.3], [4.0, 0.6], [8.0, 4.9]])
    model, state = trained
    states, reactions = act(model, state, starts, goals, 80)
    expected = np.stack([simulated(*pair, 80) for pair in zip(starts, goals, strict=True)], axis=1)
    # Rounding of actions adds up.
    np.testing.assert_allclose(states, expected, atol=2e-3)
    np.testing.assert_allclose(states[-1], goals, atol=1e-3)
    # In the first step the first agent goes for the corner, by way of the next place, towards its centre.
    first = reactions[0]
    assert [int(first.goals[number][0]) for number in (2, 1)] == [4, 2]
    np.testing.assert_allclose(first.goals[0][0], CENTRES[1])


def test_the_layers_above_plan_in_places(trained):
    model, state = trained
    above, learned = model.above(1), model.state_above(state, 1)
    assert above.space == PLACES
    plan = planning.think(above, learned, [0, 4, 3], [4, 1, 3])
    assert plan.complete.tolist() == [True, True, True]
    places, crossroads = (
        [row[valid].tolist() for row, valid in zip(np.asarray(layer.states), np.asarray(layer.valid), strict=True)]
        for layer in plan.layers
    )
    # From end to end by way of the corner; from 4 to 1, by way of the corner; and none where there is nowhere to go.
    assert crossroads == [[2, 4], [2, 1], []]
    assert places == [[1, 2, 3, 4], [3, 2, 1], []]
    with pytest.raises(ValueError, match=r"use react, or plan with the layers above it: model.above\(1\)"):
        planning.think(model, state, np.zeros((1, 2)), np.zeros((1, 2)))


def test_places_that_are_found_serve_as_well():
    data = walks(seed=1)
    found = find_places(jnp.reshape(data.states, (-1, 2)), radius=1.0, key=jax.random.key(0))
    assert 5 <= found.num_places <= 7
    table = Cortex(TableConfig().build(*[Discrete(found.num_places)] * 2), RULE)
    model = Model((stack().layers[0], Layer(table)), STATES)
    state = training_run.train(model, data, abstractions=(found, Skip(99)), steps=100, config=CONFIG)
    states, _ = act(model, state, [[0.0, 0.5]], [[8.4, 7.7]], 120)
    np.testing.assert_allclose(states[-1], [[8.4, 7.7]], atol=1e-3)


def test_a_step_does_not_compile_again(trained):
    model, state = trained
    act(model, state, np.zeros((3, 2)), np.ones((3, 2)), 2)
    jitted: Any = acting._react
    before = jitted._cache_size()
    act(model, state, np.ones((3, 2)), np.zeros((3, 2)), 3)
    assert jitted._cache_size() == before


def test_from_its_file_it_answers_the_same_bits(trained, tmp_path):
    model, state = trained
    saving.save(tmp_path / "maze.humain", model, state)
    loaded, learned = saving.load(tmp_path / "maze.humain")
    assert loaded == model
    same(learned, state)
    starts, goals = [[0.0, 0.5]], [[8.4, 7.7]]
    same(act(loaded, learned, starts, goals, 5)[1], act(model, state, starts, goals, 5)[1])
    plans = [
        planning.think(each.above(1), each.state_above(known, 1), [0], [4])
        for each, known in ((model, state), (loaded, learned))
    ]
    same(*plans)


def test_training_that_was_interrupted_ends_in_the_same_bits(trained, tmp_path):
    model, state = trained
    for steps in (40, 100):
        resumed = training_run.train(
            model, walks(), abstractions=ABSTRACTIONS, steps=steps, config=CONFIG, workdir=tmp_path
        )
    same(resumed, state)


def test_a_network_at_the_bottom_goes_the_same_ways():
    # As from place to place goals are as far as the next one, it learns them so far too.
    config = TransformerConfig(
        num_slots=1, num_heads=1, width=16, hidden=32, relative=True, offset=1.0, learning_rate=5e-3, num_updates=300
    )
    model = stack(Cortex(config.build(STATES, ACTIONS), RULE, goal_discount=0.95))
    state = training_run.train(model, walks(), abstractions=ABSTRACTIONS, steps=300, config=CONFIG)
    goals = [[8.4, 7.7], [-0.4, 0.3]]
    states, _ = act(model, state, [[0.0, 0.5], [8.3, 8.2]], goals, 200)
    assert np.min(np.linalg.norm(states - np.array(goals)[None], axis=2), axis=0).max() < 0.5


def networks(num_layers=3):
    """Layers of equal networks, which learn together."""
    cortex = Cortex(LinearConfig(num_slots=2, num_keys=4).build(PLACES, PLACES), Linear(8))
    model = Model((Layer(cortex),) * num_layers, PLACES)
    return model, model.init(jax.random.key(0), (Skip(2),) * num_layers)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_stack_above_a_layer_has_what_its_layers_have_learned(number):
    model, state = networks()
    assert model.groups == ((0, 1, 2),)
    above, learned = model.above(number), model.state_above(state, number)
    assert above.layers == model.layers[number:]
    assert len(learned.abstractions) == 3 - number
    for layer in range(3 - number):
        same(above.kernel_state(learned, layer), model.kernel_state(state, number + layer))
    same(model.with_above(state, number, learned), state)


def test_what_is_learned_above_goes_back_into_the_whole():
    model, state = networks()
    above = model.above(1)
    other = above.init(jax.random.key(1), (Skip(3), Skip(3)))
    joined = model.with_above(state, 1, other)
    same(model.kernel_state(joined, 0), model.kernel_state(state, 0))
    for layer in range(2):
        same(model.kernel_state(joined, 1 + layer), above.kernel_state(other, layer))
    assert [each.stride for each in joined.abstractions] == [2, 3, 3]


def test_there_is_nothing_above_the_top():
    model, state = networks()
    with pytest.raises(ValueError, match="no layer 3; there are 3, numbered from 0"):
        model.above(3)
    with pytest.raises(ValueError, match="no layer -1"):
        model.state_above(state, -1)
    with pytest.raises(ValueError, match="2 layers need as many abstractions, not 3"):
        model.with_above(state, 1, state)


def probes(*spaces):
    return Model(tuple(Layer(Cortex(Probe(space, space), Linear(2))) for space in spaces), spaces[0])


@dataclasses.dataclass(frozen=True)
class Sunk:
    """Lifts ids to vectors, and leaves them there."""

    def is_pivot(self, previous, state, following, position):
        return position == 0

    def lift(self, state):
        return jnp.stack([state, state], axis=-1).astype(jnp.float32)

    def specify(self, goal, state):
        return goal


@pytest.mark.parametrize(
    ("spaces", "abstractions", "message"),
    [
        (
            (STATES, STATES),
            (PLACED, Skip(2)),
            r"layer 0 \(NearestCentroid\) lifts to int32\[\], and layer 1 is for Continuous\(.*\), of float32\[2\]",
        ),
        ((STATES, PLACES), (Skip(2), Skip(2)), r"layer 0 \(Skip\) lifts to float32\[2\], and layer 1 is for Discrete"),
        (
            (Continuous(3), PLACES),
            (PLACED, Skip(2)),
            r"layer 0 \(NearestCentroid\) chooses no pivots among Continuous\(size=3.*vectors of 2 numbers",
        ),
        # One for all layers, of which the upper one has places already.
        ((STATES, PLACES), (PLACED, PLACED), r"layer 1 \(NearestCentroid\) chooses no pivots among Discrete"),
        (
            (PLACES, STATES),
            (Sunk(), Skip(2)),
            r"layer 0 \(Sunk\) specifies goals as float32\[2\], and layer 0 is for Discrete.*, of int32\[\]",
        ),
    ],
)
def test_what_does_not_lead_from_space_to_space_is_refused_in_one_line(spaces, abstractions, message):
    with pytest.raises(ValueError, match=message) as refused:
        probes(*spaces).init(jax.random.key(0), abstractions)
    assert "\n" not in str(refused.value)


def test_more_places_than_the_layer_above_has_are_refused_at_once_and_with_a_file(tmp_path):
    message = "layer 0 .NearestCentroid. lifts to the ids 0 to 4, and those of layer 1 are 0 to 3; give .* of 5 ids"
    model = probes(STATES, Discrete(4))
    with pytest.raises(ValueError, match=message):
        model.init(jax.random.key(0), (PLACED, Skip(2)))
    # Of a space with more ids than there are places, some are never met.
    assert probes(STATES, Discrete(6)).init(jax.random.key(0), (PLACED, Skip(2))).abstractions[0] is PLACED
    four = dataclasses.replace(PLACED, centroids=PLACED.centroids[:4])
    state = model.init(jax.random.key(0), (four, Skip(2)))
    saving.save(tmp_path / "wrong.humain", model, dataclasses.replace(state, abstractions=(PLACED, Skip(2))))
    with pytest.raises(errors.UserError, match=message):
        saving.load(tmp_path / "wrong.humain", classes=[Probe])


@struct.dataclass
class Uncounted:
    """As `NearestCentroid`, but it does not say how many ids it lifts to."""

    places: NearestCentroid

    def is_pivot(self, previous, state, following, position):
        return self.places.is_pivot(previous, state, following, position)

    def lift(self, state):
        return self.places.lift(state)

    def specify(self, goal, state):
        return self.places.specify(goal, state)


def test_places_that_the_layer_above_does_not_have_are_refused_with_the_data():
    model = probes(STATES, Discrete(4))
    state = model.init(jax.random.key(0), (Uncounted(PLACED), Skip(2)))
    data = Trajectories.from_arrays(np.array([[[0.0, 0.0], [8.0, 4.0]]]))
    assert model.gather(state, data).states[1].tolist() == [[0, 3]]
    with pytest.raises(ValueError, match="the states lifted to layer 1 hold 4, and the ids of .* are 0 to 3"):
        model.gather(state, Trajectories.from_arrays(np.array([[[0.0, 0.0], [8.0, 9.0]]])))
    # What lies behind a trajectory's end is not looked at.
    short = Trajectories.from_arrays([np.zeros((2, 2)), np.zeros((5, 2))])
    padded = dataclasses.replace(short, states=short.states.at[0, 2:].set(9.0))
    model.gather(state, padded)


def test_balance_needs_ids_on_all_layers():
    with pytest.raises(ValueError, match="Continuous.* is not a space of ids"):
        learning.check(stack(), LearningConfig(candidates=2))
    with pytest.raises(ValueError, match="Continuous.* is not a space of ids"):
        learning.check(stack(), LearningConfig(replay=ReplayConfig(sweep_batch_size=8)))


def test_places_above_vectors_are_swept_by_steps_and_the_vectors_learn_from_hindsight():
    # To and fro, up costs 2 and down 3; walks say nothing of that.
    model = stack()
    up, down = np.arange(4), np.arange(1, 5)
    steps = make_steps(5, [*up, *down], [*(up + 1), *(down - 1)], [2] * 4 + [3] * 4)
    config = LearningConfig(batch_size=16, replay=ReplayConfig(sweep_goals=8, sweep_layer=1))
    learner = learning.begin(model, config, ABSTRACTIONS, jax.random.key(0))
    assert [waits.shape for waits in learner.waiting] == [(5,)]
    data = learning.gather(model, config, learner.state, walks(num_walks=4), steps=steps)
    update = jax.jit(learning.build_update(model, config))
    before = learner.state
    for step in range(2):
        learner, metrics = update(learner, data, jnp.int32(step))
    assert int(metrics["sweep/waiting"]) == 0
    bottom = [jax.tree.leaves(model.kernel_state(state, 0)) for state in (before, learner.state)]
    assert any(bool(jnp.any(one != other)) for one, other in zip(*bottom, strict=True))
    here, goals = (jnp.asarray(ids.ravel()) for ids in np.meshgrid(range(5), range(5), indexing="ij"))
    layer = model.layers[1]
    answer = layer.cortex.answer(
        model.kernel_state(learner.state, 1), layer.context(layer.begin(25), here, goals), goals
    )
    apart = np.asarray(goals - here)
    other = apart != 0
    costs = np.where(apart > 0, 2 * apart, -3 * apart)
    np.testing.assert_array_equal(answer.value[other], (here + np.sign(apart))[other])
    np.testing.assert_allclose(answer.score[other], 0.99 ** costs[other], atol=1e-4)


@dataclasses.dataclass(frozen=True)
class Gates:
    """All ids are gates of one community."""

    def is_pivot(self, previous, state, following, position):
        return jnp.ones(jnp.shape(state), bool)

    def lift(self, state):
        return state

    def specify(self, goal, state):
        return goal

    def community(self, states):
        return jnp.zeros_like(states)

    def together(self, first, second):
        return jnp.ones(first.shape, bool)

    def gates(self, states):
        return states[..., None], jnp.ones((*states.shape, 1), bool)


@pytest.mark.parametrize("abstractions", [(PLACED, Gates(), Skip(99)), (Gates(), CROSSROADS, Skip(99))])
def test_above_layer_0_no_steps_are_swept_by_way_of_gates(abstractions):
    config = LearningConfig(replay=ReplayConfig(sweep_goals=8, sweep_layer=1))
    with pytest.raises(ValueError, match="sweep_layer is 1, and an abstraction below the top layer has gates; .* to 0"):
        learning.check(stack(), config, abstractions)
    learning.check(
        stack().above(1), dataclasses.replace(config, replay=ReplayConfig(sweep_goals=8)), (Gates(), Skip(9))
    )
