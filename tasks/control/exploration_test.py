"""What is explored is made as the model and exploration say."""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric
from humain.environments import collecting
from humain.environments.collecting import RandomPolicy
from humain.kernels.linear import LinearConfig
from humain.layer import Layer
from humain.model import Model, ModelState
from humain.spaces import Continuous, Discrete
from humain.testing.imagining import SMALL
from humain.types import Slots
from humain.world import knowledge as knowledge_lib
from humain.world import learning, planner
from humain.world.linear import LinearWorld
from humain.world.normalization import Normalizer
from tasks.control.cart_pole import CartPole
from tasks.control.exploration import Exploration, Learned, ToAndFro

CART_POLE = CartPole()
SPACE = CART_POLE.observation_space
WORLD = LinearWorld(CART_POLE.actions, max_leverage=0.2)


@partial(jax.jit, static_argnames=("num_steps",))
def collect_at_random(key, num_steps):
    return collecting.scan(CART_POLE, RandomPolicy(CART_POLE.actions), (), (), key, num_steps=num_steps)


RANDOM = collect_at_random(jax.random.key(0), 300)
KNOWLEDGE = knowledge_lib.fit(SMALL, WORLD, RANDOM, 300, jax.random.key(1))
# In its own units, with goals at -1 and 1, and none too far to be asked for at once.
PLAIN = dataclasses.replace(
    KNOWLEDGE,
    normalizer=Normalizer(mean=jnp.zeros(4), scale=jnp.ones(4)),
    spread=jnp.full(4, 1e3),
    lowest=-jnp.ones(4),
    highest=jnp.ones(4),
    free=jnp.zeros(4, bool),
)
TRACED: list[bool] = []


@dataclasses.dataclass(frozen=True)
class _Ask:
    """An upper kernel that has learned nothing: its best slot asks for the goal itself, the other for its opposite."""

    num_slots: int = 2
    state_space: Continuous = SPACE
    target_space: Continuous = SPACE

    def recall(self, state, context, goals):
        del state, context
        TRACED.append(True)
        return Slots(values=jnp.stack([goals, -goals], axis=1), scores=jnp.array([[0.6, 0.4]]))


@dataclasses.dataclass(frozen=True)
class _Push:
    """A bottom kernel that pushes by a weighted sum of state and goal, with a share of the state learned."""

    goal_weight: float
    num_slots: int = 1
    state_space: Continuous = SPACE
    target_space: Discrete = Discrete(2)

    def recall(self, state, context, goals):
        # Leaning or moving to the right wants a push to the right: this keeps a cart pole up for as long as one likes.
        total = context.states[:, -1] @ (state * jnp.array([0.03, 0.08, 1.0, 0.2])) + self.goal_weight * goals[:, 0]
        return Slots(values=(total > 0).astype(jnp.int32)[:, None], scores=jnp.ones((1, 1)))


def by_hand(goal_weight):
    # They only recall, which is all of a kernel that collecting asks for.
    kernels: tuple[Any, ...] = (_Push(goal_weight), _Ask())
    return Model(layers=tuple(Layer(Cortex(kernel, Geometric(0.9))) for kernel in kernels), space=SPACE)


KEEPS_UP, HEADS_FOR_GOAL = by_hand(0.0), by_hand(1.0)


@partial(jax.jit, static_argnames=("policy", "num_steps"))
def explore(policy, learned, key, num_steps):
    side_key, key = jax.random.split(key)
    goal = policy.first_goal(learned, side_key)
    return collecting.scan(CART_POLE, policy, learned, goal, key, num_steps=num_steps)


def collect(model, share=1.0, *, seed=0, num_steps=100, knowledge=PLAIN, state=None, **exploration):
    """Steps of a hand-made model (`share` of the state counts), or of one that has learned `state`."""
    explored = Exploration(**{"random_actions": 0.0, "random_slots": 0.0, "goal_steps": 3, **exploration})
    state = ModelState(kernels=(jnp.float32(share), jnp.zeros(())), abstractions=()) if state is None else state
    policy = ToAndFro(model, SMALL, WORLD, explored)
    return explore(policy, Learned(state=state, knowledge=knowledge), jax.random.key(seed), num_steps)


def ages(steps):
    """How many steps of its episode were made before each."""
    found, age = [], 0
    for ended in np.asarray(steps.terminated | steps.truncated):
        found.append(age)
        age = 0 if ended else age + 1
    return np.array(found)


def assert_steps_of_the_cart_pole(steps, num_steps):
    assert steps.count == num_steps
    for name, shape, dtype in (
        ("states", (4,), jnp.float32),
        ("actions", (), jnp.int32),
        ("rewards", (), jnp.float32),
        ("next_states", (4,), jnp.float32),
        ("terminated", (), bool),
        ("truncated", (), bool),
    ):
        found = getattr(steps, name)
        assert (found.shape, found.dtype) == ((num_steps, *shape), dtype)
    expected = jax.vmap(partial(CART_POLE.step, key=jax.random.key(0)))(steps.states, steps.actions).state
    np.testing.assert_allclose(steps.next_states, expected, rtol=1e-5, atol=1e-6)
    # 2.4 m, 12 degrees.
    beyond = (np.abs(steps.next_states[:, 0]) > 2.4) | (np.abs(steps.next_states[:, 2]) > np.radians(12))
    np.testing.assert_array_equal(steps.terminated, beyond)
    ended = np.asarray(steps.terminated | steps.truncated)
    went_on = ~ended[:-1]
    np.testing.assert_array_equal(steps.states[1:][went_on], steps.next_states[:-1][went_on])
    assert np.all(np.abs(steps.states[0]) <= 0.05)
    assert np.all(np.abs(steps.states[1:][~went_on]) <= 0.05)
    # Cut off at the cap and at the end alone, where the world has not ended it.
    cut = ages(steps) == CART_POLE.max_steps - 1
    cut[-1] = True
    np.testing.assert_array_equal(steps.truncated, cut & ~beyond)
    assert np.all(ages(steps) < CART_POLE.max_steps)


def assert_same(first, second):
    jax.tree.map(np.testing.assert_array_equal, first, second)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((1.5, 0.1, 10), r"random_actions must lie in \[0, 1\], not 1.5"),
        ((0.1, -1, 10), r"random_slots must lie in \[0, 1\], not -1"),
        ((0.1, 0.1, 0), "goal_steps must be at least 1, not 0"),
    ],
)
def test_exploration_that_can_not_be_is_an_error(values, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Exploration(*values)


def test_random_steps_are_those_of_the_cart_pole():
    assert_steps_of_the_cart_pole(RANDOM, 300)
    # Episodes of some 20 steps; half of the pushes to either side, give or take 9.
    assert 5 < RANDOM.terminated.sum() < 40
    assert 105 < RANDOM.actions.sum() < 195


def test_random_steps_depend_on_the_key_alone():
    assert_same(collect_at_random(jax.random.key(0), 300), RANDOM)
    other = collect_at_random(jax.random.key(1), 300)
    assert not np.array_equal(other.actions, RANDOM.actions)


def test_the_last_step_ends_the_episode_one_way_or_the_other():
    # Pushed to one side alone a pole falls within 8 to 10 steps, so of ten steps the last is where some have fallen.
    fallen = set()
    for seed in range(20):
        steps = collect(HEADS_FOR_GOAL, share=0.0, seed=seed, num_steps=10, goal_steps=1000)
        assert_steps_of_the_cart_pole(steps, 10)
        assert steps.truncated[-1] == ~steps.terminated[-1]
        fallen.add(bool(steps.terminated[-1]))
    assert fallen == {False, True}
    assert collect_at_random(jax.random.key(0), 1).truncated.tolist() == [True]


def test_an_episode_is_cut_off_at_the_cap():
    steps = collect(KEEPS_UP, num_steps=1100)
    assert_steps_of_the_cart_pole(steps, 1100)
    assert not np.any(steps.terminated)
    np.testing.assert_array_equal(np.flatnonzero(steps.truncated), [499, 999, 1099])


def test_a_model_that_learned_collects_steps_of_the_cart_pole():
    layers = (
        LinearConfig(num_slots=2, num_keys=8, relative=True, learning_rate=0.01).build(SPACE, target)
        for target in (Discrete(2), SPACE)
    )
    model = Model(layers=tuple(Layer(Cortex(kernel, Geometric(0.9))) for kernel in layers), space=SPACE)
    state = learning.begin(SMALL, model, KNOWLEDGE, jax.random.key(0)).model
    arguments = {"state": state, "knowledge": KNOWLEDGE, "random_actions": 0.1, "random_slots": 0.5}
    steps = collect(model, **arguments)
    assert_steps_of_the_cart_pole(steps, 100)
    assert_same(collect(model, **arguments), steps)
    assert not np.array_equal(collect(model, **arguments, seed=1).states, steps.states)


def test_the_model_sees_normalised_states_and_is_followed():
    # Moved by one and half as large, the same states lie elsewhere: the push is to the other side of -1.
    normalizer = Normalizer(mean=jnp.full(4, -1.0), scale=jnp.full(4, 2.0))
    steps = collect(KEEPS_UP, knowledge=dataclasses.replace(PLAIN, normalizer=normalizer))
    total = (np.asarray(steps.states) + 1) / 2 @ [0.03, 0.08, 1.0, 0.2]
    np.testing.assert_array_equal(steps.actions, total > 0)
    steps = collect(KEEPS_UP)
    np.testing.assert_array_equal(steps.actions, np.asarray(steps.states) @ [0.03, 0.08, 1.0, 0.2] > 0)


def test_a_goal_is_kept_for_its_steps():
    # Pushed to the side of the goal, whatever the state: the other goal after every third step.
    steps = collect(HEADS_FOR_GOAL, share=0.0, num_steps=200)
    assert_steps_of_the_cart_pole(steps, 200)
    changes = np.asarray(steps.actions[1:] != steps.actions[:-1])
    np.testing.assert_array_equal(changes, np.arange(1, 200) % 3 == 0)
    # Episodes that end in between change nothing about that.
    assert np.any(ages(steps)[1:] == 0)


def test_where_nothing_depends_on_the_place_layers_see_how_far_the_goal_is():
    free = dataclasses.replace(PLAIN, free=jnp.array([True, False, False, False]))
    steps = collect(HEADS_FOR_GOAL, knowledge=free, goal_steps=1000)
    states = np.asarray(steps.states)
    weights = np.array([0, 0.08, 1.0, 0.2])
    pushes = {goal: states @ weights + goal - states[:, 0] > 0 for goal in (-1, 1)}
    assert any(np.array_equal(steps.actions, expected) for expected in pushes.values())


def test_without_layers_exploring_searches_the_world():
    explored = Exploration(random_actions=0.0, random_slots=0.0, goal_steps=3)
    given = Learned(state=jax.random.key(4), knowledge=KNOWLEDGE)
    state, goal, key = RANDOM.states[5], KNOWLEDGE.highest, jax.random.key(8)
    policy = ToAndFro(None, SMALL, WORLD, explored)
    _, action = policy.act(given, goal, state, jnp.int32(0), key)
    here = KNOWLEDGE.normalizer.normalize(state)[None]
    search_key = jax.random.split(jax.random.key(8), 5)[4]
    wanted = knowledge_lib.nearer(SMALL, KNOWLEDGE, here, goal[None])
    expected, _ = planner.choose(SMALL, WORLD, KNOWLEDGE, here, wanted, search_key)
    assert action == expected[0]


def test_the_first_goal_is_on_either_side():
    sides = {int(collect(HEADS_FOR_GOAL, share=0.0, num_steps=1, seed=seed).actions[0]) for seed in range(8)}
    assert sides == {0, 1}


def test_far_goals_are_asked_for_piecemeal():
    # At most 2.5 spreads of 0.01 from here, which weighs less than the state does wherever that is large.
    knowledge = dataclasses.replace(PLAIN, spread=jnp.full(4, 0.01))
    steps = collect(HEADS_FOR_GOAL, knowledge=knowledge, goal_steps=1000)
    states = np.asarray(steps.states)
    goal = 1 if np.array_equal(steps.actions, states @ [1.03, 0.08, 1.0, 0.2] + 0.025 > 0) else -1
    np.testing.assert_array_equal(steps.actions, states @ [1.03, 0.08, 1.0, 0.2] + 0.025 * goal > 0)


def test_random_actions_and_slots_are_taken_as_often_as_asked():
    # Of 200 pushes to one goal none is to the other side; of random ones 100 are, give or take 7, and where a fifth is
    # random 20 are, give or take 4.
    steps = collect(HEADS_FOR_GOAL, share=0.0, num_steps=200, goal_steps=1000)
    side = int(steps.actions[0])
    assert np.all(steps.actions == side)
    for name in ("random_actions", "random_slots"):
        for share, low, high in ((1.0, 70, 130), (0.2, 5, 40)):
            steps = collect(HEADS_FOR_GOAL, share=0.0, num_steps=200, goal_steps=1000, **{name: share})
            assert_steps_of_the_cart_pole(steps, 200)
            assert low < np.sum(steps.actions != side) < high


def test_another_key_and_state_do_not_recompile():
    collect(KEEPS_UP, num_steps=50)
    before = len(TRACED)
    first, other = collect(KEEPS_UP, num_steps=50, seed=1), collect(KEEPS_UP, share=0.5, num_steps=50, seed=2)
    assert len(TRACED) == before > 0
    assert not np.array_equal(first.states, other.states)
