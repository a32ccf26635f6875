"""`react` on a line of nodes whose answers are known, and what its memories show."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain import acting
from humain.abstraction.abstraction import Abstraction
from humain.abstraction.chunk_mean import ChunkMean
from humain.abstraction.entropy import Entropy
from humain.abstraction.skip import Skip
from humain.cortex import hindsight
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.hippocampus import encodings
from humain.hippocampus.recall import Recall
from humain.kernels.table import TableConfig
from humain.layer import Layer
from humain.model import Model
from humain.spaces import Continuous, Discrete
from humain.testing import stacks
from humain.testing.blocks import Blocks
from humain.testing.probe import Probe
from humain.testing.steps import Ascent
from humain.types import Trajectories


@pytest.fixture(scope="module")
def line():
    """Six nodes in a row; the lower layer steps to the neighbour, the upper one to the node after it."""
    return stacks.line_world(6)


def follow(stack, start, goal, num_steps):
    """What is done and asked for on the way of a single agent that always gets where it wants."""
    model, state = stack
    episode = acting.begin(model, 1)
    here, goals = jnp.array([start]), jnp.array([goal])
    for _ in range(num_steps):
        episode, reaction = acting.react(model, state, episode, here, goals)
        yield int(reaction.action[0]), [int(asked[0]) for asked in reaction.goals]
        here = reaction.action


def test_the_way_along_the_line_with_the_goals_of_each_layer(line):
    # Above, two nodes at a time; below, towards what is asked above.
    assert list(follow(line, 0, 5, 6)) == [
        (1, [2, 5]),
        (2, [3, 5]),
        (3, [4, 5]),
        (4, [5, 5]),
        (5, [5, 5]),  # 5 is one away, and the upper layer answers the goal itself
        (5, [5, 5]),  # at the goal, all layers stay
    ]
    assert [action for action, _ in follow(line, 4, 0, 5)] == [3, 2, 1, 0, 0]


def test_a_third_layer_asks_for_what_lies_farther(line):
    model, state = stacks.line_world(9, num_layers=3)
    assert next(follow((model, state), 0, 8, 1)) == (1, [2, 4, 8])


def test_scores_are_those_of_the_answers(line):
    model, state = line
    _, reaction = acting.react(model, state, acting.begin(model, 1), jnp.array([0]), jnp.array([5]))
    # Above, 5 steps to 5: 1 - 5/16. Below, 2 steps to 2: 1 - 2/16.
    np.testing.assert_allclose([score[0] for score in reaction.scores], [0.875, 0.6875], atol=1e-6)


def test_a_layer_at_its_goal_passes_it_on(line):
    model, state = line
    # The upper layer has been told a way from 3 to 3, and must not take it.
    state = stacks.store(model, state, 1, [(3, 3, 0, 1.0)])
    state = stacks.store(model, state, 0, [(3, 3, 4, 1.0)])
    assert next(follow((model, state), 3, 3, 1)) == (3, [3, 3])


def test_what_a_layer_does_not_know_it_passes_on():
    model = stacks.table_stack(6, 2)
    state = stacks.store(model, stacks.init(model), 0, [(0, 5, 1, 0.5)])
    # Above nothing is stored: its goal, 5, goes down as it is.
    assert next(follow((model, state), 0, 5, 1)) == (1, [5, 5])
    # Below nothing is stored for (1, 5): the agent is told to stay, and that nothing is known.
    episode, reaction = acting.react(model, state, acting.begin(model, 1), jnp.array([1]), jnp.array([5]))
    assert int(reaction.action[0]) == 1
    assert reaction.scores[0][0] == -jnp.inf


def test_a_motor_action_is_asked_for_even_at_the_goal():
    space, motors = Discrete(3), Discrete(2)
    kernel = TableConfig(num_slots=1).build(space, motors)
    model = Model(layers=(Layer(Cortex(kernel, Linear(16))),), space=space)
    state = stacks.store(model, stacks.init(model), 0, [(0, 2, 1, 0.5), (2, 2, 1, 0.5)])
    episode = acting.begin(model, 3)
    _, reaction = acting.react(model, state, episode, jnp.array([0, 2, 1]), jnp.array([2, 2, 2]))
    # Stored, stored (to stay there may take an action), and not known: the first action.
    np.testing.assert_array_equal(reaction.action, [1, 1, 0])


def test_many_agents_at_once_are_as_each_alone(line):
    pairs = list(itertools.product(range(6), range(6)))
    model, state = line
    episode = acting.begin(model, len(pairs))
    here, goals = (jnp.array(ids) for ids in zip(*pairs, strict=True))
    together = []
    for _ in range(3):
        episode, reaction = acting.react(model, state, episode, here, goals)
        together.append((reaction.action.tolist(), [asked.tolist() for asked in reaction.goals]))
        here = reaction.action
    for at, (start, goal) in enumerate(pairs):
        alone = list(follow((model, state), start, goal, 3))
        assert alone == [(actions[at], [asked[at] for asked in goals]) for actions, goals in together]


def test_above_all_is_lifted_and_the_users_goal_comes_down_as_it_is():
    # Above, ten nodes are blocks of two: from 9, in the block of 8, to 3, in that of 2, by way of 6 and 4. Below, the
    # nearest node of such a block is asked for, 7 and then 5; but not for 2, which stands for the user's 3.
    model, state = stacks.line_world(10)
    state = dataclasses.replace(state, abstractions=(Blocks(2),) * 2)
    assert list(follow((model, state), 9, 3, 7)) == [
        (8, [7, 2]),
        (7, [7, 2]),
        (6, [5, 2]),
        (5, [5, 2]),
        (4, [3, 2]),
        (3, [3, 2]),
        (3, [3, 2]),
    ]
    # Between two nodes of one block the upper layer is at its goal.
    assert list(follow((model, state), 2, 3, 2)) == [(3, [3, 2]), (3, [3, 2])]


@pytest.fixture(scope="module")
def ladder():
    """Above 0.9 and then 5.5, which are no states below; there ways end at 2 and at 8, and above with 5.5."""
    below = Ascent((1.0, 2.0, 6.0, 8.0), (False, True, False, True))
    above = Ascent((0.9, 5.5), (False, True))
    model = Model(tuple(Layer(Cortex(kernel, Linear(10))) for kernel in (below, above)), Continuous(1))
    return model, model.init(jax.random.key(0), (ChunkMean(2), Skip(9)))


def climb(ladder, goals):
    """What is done, asked for, and said to end the way, from 0 on; there is a goal for each step."""
    model, state = ladder
    episode, here = acting.begin(model, 1), jnp.zeros((1, 1))
    for goal in goals:
        episode, reaction = acting.react(model, state, episode, here, jnp.array([[goal]]))
        here = reaction.action
        asked = [round(float(asked[0, 0]), 6) for asked in reaction.goals]
        yield float(here[0, 0]), asked, [bool(ends[0]) for ends in episode.ends]


def test_a_sub_goal_stays_until_the_layer_below_says_that_its_way_ends(ladder):
    assert list(climb(ladder, [8.0] * 5)) == [
        (1.0, [0.9, 8.0], [False, False]),
        # At 1 the chunk so far is above 0.9, and the upper layer would ask for 5.5 at once.
        (2.0, [0.9, 8.0], [True, False]),
        # The way to 0.9 has ended with 2, whatever the chunk's mean, 1.5, is.
        (6.0, [5.5, 8.0], [False, True]),
        (8.0, [5.5, 8.0], [True, True]),
        # At the user's goal all that is asked for is to stay.
        (8.0, [8.0, 8.0], [True, True]),
    ]


@dataclasses.dataclass(frozen=True)
class _Rated(Ascent):
    """Its first hypothesis is scored 0.5 less 0.1 for each number below the present one."""

    def recall(self, state, context, goals):
        slots = super().recall(state, context, goals)
        place = jnp.searchsorted(jnp.array(self.numbers), context.states[:, -1, 0], side="right")
        return dataclasses.replace(slots, scores=0.5 - 0.1 * jnp.stack([place + 2, place], axis=1))


def test_a_sub_goal_that_stays_keeps_its_score():
    below = _Rated((1.0, 2.0, 6.0, 8.0), (False, True, False, True))
    above = _Rated((0.9, 5.5), (False, True))
    model = Model(tuple(Layer(Cortex(kernel, Linear(10))) for kernel in (below, above)), Continuous(1))
    state = model.init(jax.random.key(0), (ChunkMean(2), Skip(9)))
    episode, here, found = acting.begin(model, 1), jnp.zeros((1, 1)), []
    for _ in range(4):
        episode, reaction = acting.react(model, state, episode, here, jnp.array([[8.0]]))
        here = reaction.action
        found.append([float(score[0]) for score in reaction.scores])
    # Below at 0, 1, 2 and 6. Above 0.9 is asked for from 0 and 5.5 from 1.5, the mean of 1 and 2, and each stays for
    # two steps, while the upper layer would come to think less of it.
    np.testing.assert_allclose(found, [[0.5, 0.5], [0.4, 0.5], [0.3, 0.4], [0.2, 0.4]], atol=1e-6)


def test_another_goal_ends_the_way_to_a_sub_goal(ladder):
    assert list(climb(ladder, [8.0, 7.0, 7.0])) == [
        (1.0, [0.9, 8.0], [False, False]),
        (2.0, [5.5, 7.0], [True, True]),
        # The ways to 5.5 and to 7 have ended; the chunk's mean is 1.5, and 5.5 comes next again.
        (6.0, [5.5, 7.0], [False, True]),
    ]


def with_probes(num_layers=3, *, space=None, **settings):
    space = Discrete(40) if space is None else space
    layer = Layer(Cortex(Probe(space, space), Linear(2)), **settings)
    return Model(layers=(layer,) * num_layers, space=space)


def counts(model, goals_by_time, *, abstraction=None, states=None):
    """How much each layer remembers, after each step of one agent."""
    state = model.init(jax.random.key(0), (abstraction or Skip(2),) * len(model.layers))
    episode = acting.begin(model, 1)
    for time, goal in enumerate(goals_by_time):
        here = jnp.array([time if states is None else states[time]])
        episode, _ = acting.react(model, state, episode, here, jnp.array([goal]))
        yield [int(memory.count[0]) for memory in episode.memories]


def test_a_layer_forgets_when_its_goal_changes():
    # Probes pass the goal down as it is. Below, one more state is past at each step; above, one more pivot every
    # other step (0 is known to be one at time 1, 2 at time 3 ...). At time 4 the goal changes: what was stored is
    # forgotten. The pivot 4 comes up at time 5.
    model = with_probes(2, context_length=10)
    assert list(counts(model, [30, 30, 30, 30, 31, 31, 31])) == [
        [0, 0],
        [1, 1],
        [2, 1],
        [3, 2],
        [0, 0],
        [1, 1],
        [2, 1],
    ]


def test_a_layer_that_need_not_forget_does_not():
    model = with_probes(2, context_length=10, refresh_on_new_goal=False)
    assert list(counts(model, [30, 31, 32, 33]))[-1] == [3, 2]


@pytest.mark.parametrize("abstraction", ["skip", "entropy", "blocks"])
@pytest.mark.parametrize("refreshed", [False, True])
@pytest.mark.parametrize("recalled", [{}, {"recall": Recall(num_recalled=2), "recall_capacity": 4}])
def test_contexts_are_those_that_training_showed(abstraction, refreshed, recalled):
    """An agent that walks along a stored trajectory is shown, on each layer, what hindsight shows for that moment."""
    rng = np.random.default_rng(3)
    states = jnp.asarray(rng.integers(0, 40, (4, 17)), jnp.int32)
    trajectories = Trajectories(states=states, lengths=jnp.full(4, 17))
    visits = jnp.asarray(rng.integers(1, 9, 40), jnp.int32)
    kinds: dict[str, tuple[Abstraction, ...]] = {
        "skip": (Skip(2),) * 3,
        "entropy": (Entropy(visits),) * 3,
        "blocks": (Blocks(2), Blocks(8), Skip(2)),
    }
    abstractions = kinds[abstraction]
    layer_settings = {"context_length": 3, "encoding": encodings.sinusoidal, "refresh_on_new_goal": refreshed}
    model = with_probes(3, **layer_settings, **recalled)
    state = model.init(jax.random.key(0), abstractions)
    experience = hindsight.gather(trajectories, abstractions)
    episode = acting.begin(model, 4)
    probe, walks = Probe(model.space, model.space), jnp.arange(4)
    since_refresh = np.zeros((3, 4), int)
    for time in range(17):
        goals = jnp.full(4, 39 if time < 9 else 3)  # with refreshing, everything is forgotten at time 9
        before = jax.device_get(episode.trails)
        episode, reaction = acting.react(model, state, episode, states[:, time], goals)
        for layer in range(3):
            # What has come to the layer in this step: below the state before, above the pivots that its path grew by.
            grown = np.asarray(episode.trails[layer].count) - before[layer].count
            since_refresh[layer] += grown if layer else (time > 0)
            if time == 9 and refreshed:
                since_refresh[layer] = 0
            asked = reaction.goals[layer]
            shown = hindsight.contexts(
                experience,
                model.layers[layer],
                number=layer,
                walks=walks,
                times=jnp.full(4, time),
                kept=jnp.asarray(since_refresh[layer]),
                goals=asked,
            )
            expected = probe.recall(state.kernels[0], shown, asked).scores[:, 0]
            np.testing.assert_allclose(
                reaction.scores[layer], expected, atol=1e-5, err_msg=f"time {time} layer {layer}"
            )


def test_vectors_are_acted_on_too():
    space = Continuous(2)
    model = with_probes(2, space=space, context_length=2)
    state = model.init(jax.random.key(0), (Skip(2), Skip(2)))
    states, goals = jnp.zeros((3, 2)), jnp.ones((3, 2))
    _, reaction = acting.react(model, state, acting.begin(model, 3), states, goals)
    np.testing.assert_array_equal(reaction.action, goals)


def test_acting_again_does_not_recompile(line):
    model, state = line
    traced = []

    @jax.jit
    def step(state, episode, states, goals):
        traced.append(True)
        return acting.react(model, state, episode, states, goals)

    # Goals made from a Python number have a type of their own, which must not get into the episode.
    episode, states, goals = acting.begin(model, 5), jnp.arange(5), jnp.full(5, 3)
    for _ in range(3):
        episode, reaction = step(state, episode, states, goals)
        states = reaction.action
    assert len(traced) == 1


def test_an_episode_that_is_carried_by_scan_keeps_its_types(line):
    model, state = line

    def step(carry, _):
        episode, here = carry
        episode, reaction = acting.react(model, state, episode, here, jnp.array([5]))
        return (episode, reaction.action), reaction.action

    _, actions = jax.lax.scan(step, (acting.begin(model, 1), jnp.array([0])), None, length=6)
    np.testing.assert_array_equal(actions[:, 0], [1, 2, 3, 4, 5, 5])


@pytest.mark.parametrize(("stride", "passed_up"), [(1, [0, 1, 2, 3, 4, 5, 6]), (3, [0, 3, 6]), (4, [0, 4])])
def test_every_k_th_state_is_passed_up(stride, passed_up):
    space = Discrete(9)
    layer = Layer(Cortex(Probe(space, space), Linear(8)), context_length=9, refresh_on_new_goal=False)
    model = Model((layer,) * 2, space)
    state = model.init(jax.random.key(0), (Skip(stride),) * 2)
    episode = acting.begin(model, 1)
    for here in range(8):
        episode, _ = acting.react(model, state, episode, [here], [8])
    # Whether 7 is a pivot is not known yet.
    upper = episode.memories[1]
    assert upper.states[0, : int(upper.count[0])].tolist() == passed_up
    assert (int(episode.memories[0].count[0]), int(episode.trails[0].count[0])) == (7, 8)
