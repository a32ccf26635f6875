"""Trials are those of Gymnasium, each in an environment of its own, and what is made of them is right by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric
from humain.environments import collecting, gymnasium_adapter, transitions
from humain.environments.actions import DiscreteActions
from humain.kernels.linear import LinearConfig
from humain.layer import Layer
from humain.model import Model
from humain.spaces import Discrete
from humain.testing.imagining import SMALL
from humain.types import Context
from humain.world import knowledge as knowledge_lib
from humain.world import learning, planner
from humain.world.linear import LinearWorld
from tasks.control import evaluation
from tasks.control.cart_pole import CartPole
from tasks.control.exploration import Learned

CART_POLE = CartPole()
SPACE = CART_POLE.observation_space
WORLD = LinearWorld(CART_POLE.actions, max_leverage=0.2)
TESTED_IN = gymnasium_adapter.adapt("CartPole-v1")
# The pole goes down in some 40 steps where speeds count for nothing, and in none where they do.
FALLS, KEEPS_UP = np.array([0, 0, 1.0, 0]), np.array([0.03, 0.08, 1.0, 0.2])


def pushing(weights):
    """A policy that pushes by a weighted sum of the state, and the shapes that it was asked with."""
    shapes = []

    def act(observations):
        shapes.append(observations.shape)
        return (observations @ weights > 0).astype(np.int64), 2 * observations

    return act, shapes


def by_hand(weights, seed):
    """States, actions and the end of one episode."""
    with TESTED_IN.make() as environment:
        states, actions, terminated, truncated = [environment.reset(seed=seed)[0]], [], False, False
        while not (terminated or truncated):
            actions.append(int(states[-1] @ weights > 0))
            state, _, terminated, truncated, _ = environment.step(actions[-1])
            states.append(state)
    return np.stack(states), np.array(actions), terminated


def trials(places, lengths, terminated):
    """Trials of one seed from the places of the carts `[E, T + 1]`, whose poles stay upright."""
    states = np.zeros((1, *np.shape(places), 4))
    states[0, :, :, 0] = places
    num_episodes, num_times = np.shape(places)
    return evaluation.Trials(
        states=states,
        subgoals=np.zeros((1, num_episodes, num_times - 1, 4)),
        actions=np.zeros((1, num_episodes, num_times - 1), np.int64),
        lengths=np.array([lengths]),
        returns=np.array([lengths], float),
        terminated=np.array([terminated]),
    )


def test_trials_are_those_of_gymnasium():
    act, shapes = pushing(FALLS)
    found = evaluation.run(act, TESTED_IN, num_seeds=2, num_episodes=3, seed=7)
    num_steps = int(found.lengths.max())
    assert shapes == [(2, 3, 4)] * num_steps
    assert (found.states.shape, found.subgoals.shape) == ((2, 3, num_steps + 1, 4), (2, 3, num_steps, 4))
    for at in range(6):
        place = divmod(at, 3)
        states, actions, terminated = by_hand(FALLS, 7 + at)
        length = found.lengths[place]
        assert length == found.returns[place] == len(actions)
        assert found.terminated[place] == terminated
        np.testing.assert_array_equal(found.states[place][: length + 1], states)
        np.testing.assert_array_equal(found.actions[place][:length], actions)
        # What comes after the end is the last state again.
        rest = found.states[place][length:]
        np.testing.assert_array_equal(rest, np.broadcast_to(states[-1], rest.shape))
        np.testing.assert_array_equal(found.subgoals[place][:length], 2 * states[:-1])
    assert found.terminated.all()
    assert len(np.unique(found.lengths)) > 1


def test_a_trial_at_the_cap_is_cut_off():
    found = evaluation.run(pushing(KEEPS_UP)[0], TESTED_IN, num_seeds=1, num_episodes=1, seed=0)
    assert found.lengths.tolist() == [[CART_POLE.max_steps]]
    assert not found.terminated.any()


def test_random_pushes_go_both_ways_and_depend_on_the_generator():
    first, again, other = (evaluation.random_policy(DiscreteActions(2), seed) for seed in (0, 0, 1))
    observations = np.random.default_rng(2).normal(size=(5, 40, 4))
    actions, subgoals = first(observations)
    # 100 of 200, give or take 7.
    assert actions.shape == (5, 40) and 70 < actions.sum() < 130
    np.testing.assert_array_equal(subgoals, observations)
    np.testing.assert_array_equal(again(observations)[0], actions)
    assert not np.array_equal(other(observations)[0], actions)


@pytest.mark.parametrize(
    ("places", "length", "terminated", "expected"),
    [
        ([0, 1, 1, 1, 0, 0], 5, False, True),  # three in a row
        ([0, 0, 0, 1, 1, 1], 5, False, True),  # at the end, cut off there
        ([0, 1, 1, 0, 0, 0], 5, False, False),  # one too few
        ([0, 1, 1, 0, 1, 1], 5, False, False),  # left and came back: four, and no three in a row
        ([1, 1, 1, 0, 0, 0], 5, False, False),  # where it begins is no step
        ([0, 0, 1, 1, 1, 1], 4, True, False),  # the third is where the pole has fallen, the fourth no step at all
        ([0, 1, 1, 1, 1, 1], 4, True, True),  # three before it fell
        ([0, 1, 1, 1, 1, 1], 2, False, False),  # cut off after two, which the last state repeats
        ([0, 1.2, 0.8, 1.1, 0, 0], 5, False, True),  # near enough
        ([0, 1.25, 1.25, 1.25, 0, 0], 5, False, False),  # less than the distance is near
    ],
)
def test_reached_and_stayed_by_hand(places, length, terminated, expected):
    found = evaluation.reached_and_stayed(
        trials([places], [length], [terminated]), {0: 1.0}, distance=0.25, num_steps=3
    )
    assert found.tolist() == [[expected]]


def test_a_goal_of_two_coordinates_is_reached_in_both_at_once():
    both = trials([[0, 1, 1, 1, 0]] * 2, [4, 4], [False, False])
    both.states[0, 1, 2, 2] = 0.5
    assert evaluation.reached_and_stayed(both, {0: 1.0}, distance=0.25, num_steps=3).tolist() == [[True, True]]
    assert evaluation.reached_and_stayed(both, {0: 1.0, 2: 0.0}, distance=0.25, num_steps=3).tolist() == [[True, False]]


TURNS = evaluation.Turns(({0: 1.0}, {0: -1.0}), span_steps=3, hold_steps=2, distance=0.25)


def test_goals_take_turns_by_hand():
    assert [TURNS.number(step) for step in range(10)] == [0, 0, 0, 1, 1, 1, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("places", "length", "terminated", "expected"),
    [
        # Where it begins is no step; three steps for each goal.
        ([0, 0, 1, 1, 0, -1, -1, 0, 1, 1], 9, False, [True, True, True]),
        ([0, 1, 1, 0, 0, -1, -1, 0, 1, 1], 9, False, [False, True, True]),  # left before the span was over
        ([0, 0, 0, 1, 0, 0, -1, 0, 0, 1], 9, False, [False, False, False]),  # came a step too late each time
        ([0, 0, 1, 1, 0, 1, 1, 0, -1, -1], 9, False, [True, False, False]),  # at the other goal
        ([0, 0, 0.8, 1.2, 0, -1.3, -1, 0, 1, 1], 9, False, [True, False, True]),  # less than the distance is near
        ([0, 0, 1, 1, 0, -1, -1, -1, -1, -1], 6, True, [True, False, False]),  # falls with the last step of the second
        ([0, 0, 1, 1, 0, -1, -1], 6, True, [True, False, False]),  # the same where no other trial was longer
        ([0, 0, 1, 1, 0, -1, -1, 0, 1, 1], 6, False, [True, True, False]),  # cut off: the rest is no step
    ],
)
def test_goals_held_by_hand(places, length, terminated, expected):
    found = evaluation.held(trials([places], [length], [terminated]), TURNS, num_spans=3)
    assert found.tolist() == [[expected]]


def test_steps_behind_the_last_whole_span_do_not_count():
    found = evaluation.held(trials([[0, 0, 1, 1, 9, 9]], [5], [False]), TURNS, num_spans=1)
    assert found.tolist() == [[[True]]]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"goals": ()}, "there must be at least one goal to take turns"),
        ({"hold_steps": 4}, r"hold_steps must be from 1 to span_steps \(3\), not 4: .*"),
        ({"hold_steps": 0}, r"hold_steps must be from 1 to span_steps \(3\), not 0: .*"),
    ],
)
def test_turns_that_can_not_be_are_refused(change, match):
    with pytest.raises(ValueError, match=f"^{match}$"):
        dataclasses.replace(TURNS, **change)


def test_a_summary_by_hand():
    # Away from the mean of 3 by 2, 1, 0 and 3: 14 / 4.
    found = evaluation.summary([1, 2, 3, 6])
    assert found == {"mean": 3.0, "sd": pytest.approx(3.5**0.5), "min": 1.0, "episodes": 4}
    assert evaluation.summary(np.array([5])) == {"mean": 5.0, "sd": 0.0, "min": 5.0, "episodes": 1}


@pytest.fixture(scope="module")
def trained():
    """A model, and what two seeds have learned from what."""
    layers = (
        LinearConfig(num_slots=2, num_keys=8, relative=True, learning_rate=0.01).build(SPACE, target)
        for target in (Discrete(2), SPACE)
    )
    model = Model(layers=tuple(Layer(Cortex(kernel, Geometric(0.9))) for kernel in layers), space=SPACE)

    def train(key):
        collect_key, begin_key = jax.random.split(key)
        store = transitions.from_trajectories(collecting.collect(CART_POLE, collect_key, num_steps=100))
        knowledge = knowledge_lib.fit(SMALL, WORLD, store, 100, jax.random.key(0))
        return Learned(state=learning.begin(SMALL, model, knowledge, begin_key).model, knowledge=knowledge)

    # One by one: to vmap a scan over keys looks to JAX like using them twice.
    return model, jax.tree.map(lambda *leaves: jnp.stack(leaves), *(train(jax.random.key(seed)) for seed in range(2)))


OBSERVATIONS = np.random.default_rng(0).normal(scale=0.1, size=(5, 2, 8, 4))
"""Of five steps, two seeds and eight episodes."""


def test_the_policy_is_what_the_layers_answer(trained):
    model, learned = trained
    act = evaluation.policy(model, SMALL, learned, goal={0: 0.5}, num_episodes=8)
    bottom, top = (layer.cortex for layer in model.layers)
    for observations in OBSERVATIONS:
        actions, subgoals = act(observations)
        for seed in range(2):
            one = jax.tree.map(lambda leaf, seed=seed: leaf[seed], learned)
            known, state = one.knowledge, one.state
            here = known.normalizer.normalize(jnp.asarray(observations[seed], jnp.float32))
            # 0.5 m, at most 2.5 spreads away.
            goal = (0.5 - known.normalizer.mean) / known.normalizer.scale * jnp.array([1.0, 0, 0, 0])
            farthest = 2.5 * known.spread
            goals = jnp.clip(goal[None], here - farthest[None], here + farthest[None])
            # Nothing depends on the place: the layers see the goal from where they are.
            np.testing.assert_array_equal(known.free, [True, False, False, False])
            place = here * jnp.array([[1.0, 0, 0, 0]])
            here, goals = here - place, goals - place
            context = Context(states=here[:, None], features=here[:, None], mask=jnp.ones((8, 1), bool))
            asked = top.answer(model.kernel_state(state, 1), context, goals).value
            answer = bottom.answer(model.kernel_state(state, 0), context, asked)
            np.testing.assert_array_equal(actions[seed], answer.value)
            expected = np.asarray(asked + place) * np.asarray(known.normalizer.scale) + np.asarray(
                known.normalizer.mean
            )
            np.testing.assert_allclose(subgoals[seed], expected, rtol=1e-4, atol=1e-5)


def test_without_a_goal_the_middle_is_asked_for(trained):
    model, learned = trained
    none, middle, other = (
        evaluation.policy(model, SMALL, learned, goal=goal, num_episodes=8) for goal in (None, {}, {0: 1.0})
    )
    subgoals = none(OBSERVATIONS[0])[1]
    np.testing.assert_array_equal(middle(OBSERVATIONS[0])[1], subgoals)
    assert not np.array_equal(other(OBSERVATIONS[0])[1], subgoals)


def test_goals_that_take_turns_are_asked_for_one_after_the_other(trained):
    model, learned = trained
    moving, left, right = (
        evaluation.policy(model, SMALL, learned, goal=goal, num_episodes=8)
        for goal in (dataclasses.replace(TURNS, span_steps=2), {0: 1.0}, {0: -1.0})
    )
    asked = [moving(observations)[1] for observations in OBSERVATIONS]
    expected = [(left(observations)[1], right(observations)[1]) for observations in OBSERVATIONS]
    for step, which in enumerate([0, 0, 1, 1, 0]):
        np.testing.assert_array_equal(asked[step], expected[step][which])
        assert not np.array_equal(asked[step], expected[step][1 - which])


def test_without_layers_the_world_is_searched(trained):
    _, learned = trained
    keys = jax.random.split(jax.random.key(3), 2)
    numbers = jax.random.key_data(keys)
    searching = Learned(state=keys, knowledge=learned.knowledge)
    act = evaluation.policy(None, SMALL, searching, goal={0: 0.5}, num_episodes=8, world=WORLD)
    for step, observations in enumerate(OBSERVATIONS):
        actions, subgoals = act(observations)
        for seed in range(2):
            known = jax.tree.map(lambda leaf, seed=seed: leaf[seed], learned.knowledge)
            here = known.normalizer.normalize(jnp.asarray(observations[seed], jnp.float32))
            goal = (0.5 - known.normalizer.mean) / known.normalizer.scale * jnp.array([1.0, 0, 0, 0])
            wanted = knowledge_lib.nearer(SMALL, known, here, jnp.broadcast_to(goal, here.shape))
            key = jax.random.fold_in(jax.random.wrap_key_data(numbers[seed]), step)
            expected, after = planner.choose(SMALL, WORLD, known, here, wanted, key)
            np.testing.assert_array_equal(actions[seed], expected)
            np.testing.assert_allclose(subgoals[seed], known.normalizer.restore(after), rtol=1e-4, atol=1e-5)
    # Each step draws branches of its own.
    again = evaluation.policy(None, SMALL, searching, goal={0: 0.5}, num_episodes=8, world=WORLD)
    first, second = (again(OBSERVATIONS[0])[1] for _ in range(2))
    assert not np.array_equal(first, second)


def test_a_policy_is_run_in_gymnasium(trained):
    model, learned = trained
    runs = []
    for _ in range(2):
        act = evaluation.policy(model, SMALL, learned, num_episodes=3)
        runs.append(evaluation.run(act, TESTED_IN, num_seeds=2, num_episodes=3, seed=0))
    assert runs[0].lengths.shape == (2, 3) and runs[0].lengths.min() > 5
    for field in dataclasses.fields(evaluation.Trials):
        np.testing.assert_array_equal(getattr(runs[0], field.name), getattr(runs[1], field.name))
