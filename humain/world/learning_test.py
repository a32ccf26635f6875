"""What experience says and how close a state is, by hand; an update moves what it should, the same each time."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric
from humain.environments.actions import DiscreteActions
from humain.environments.transitions import Transitions
from humain.kernels.transformer import TransformerConfig
from humain.layer import Layer
from humain.model import Model
from humain.spaces import Continuous, Discrete
from humain.testing.imagining import SMALL
from humain.world import knowledge as knowledge_lib
from humain.world import learning
from humain.world.limits import Limits
from humain.world.linear import LinearWorld
from humain.world.normalization import Normalizer

CONFIG = dataclasses.replace(SMALL, action_examples=3, explore=0.0, restart=0.0, goal_weights=(1.0, 0.3))
WORLD = LinearWorld(DiscreteActions(2), max_leverage=1e6)
SPACE = Continuous(2)
NUM_FIRST = 30


def layer(target_space):
    config = TransformerConfig(
        num_slots=1, num_heads=2, width=8, hidden=8, offset=1.0, access="value", relative=True, learning_rate=0.01
    )
    kernel = config.build(SPACE, target_space)
    return Layer(cortex=Cortex(kernel=kernel, score_rule=Geometric(0.9)))


MODEL = Model(layers=(layer(Discrete(2)), layer(SPACE)), space=SPACE)


def experience(later=1.0, rest=0.0, capacity=64):
    """60 steps of a place and a speed, pushed either way, the last 30 `later` times as wide; `rest` is in free places.

    A step ends its trajectory where its place is more than 1.5 times as far out as usual, to the right.
    """
    rng = np.random.default_rng(0)
    widths = np.where(np.arange(60) < NUM_FIRST, 1.0, later)[:, None]
    states = widths * rng.normal(size=(60, 2)) + [5.0, 0.0]
    actions = rng.integers(0, 2, 60)
    following = states + np.stack([0.1 * states[:, 1], 0.2 * actions - 0.1], axis=1)

    def padded(values, dtype):
        filling = np.full((capacity - 60, *np.shape(values)[1:]), rest)
        return jnp.asarray(np.concatenate([values, filling]).astype(dtype))

    return Transitions(
        states=padded(states, np.float32),
        actions=padded(actions, np.int32),
        rewards=padded(np.zeros(60), np.float32),
        next_states=padded(following, np.float32),
        terminated=padded(following[:, 0] > 6.5, bool),
        truncated=padded(np.zeros(60), bool),
        count=jnp.int32(60),
    )


def know(store, config=CONFIG, world=WORLD):
    return knowledge_lib.fit(config, world, store, NUM_FIRST, jax.random.key(0))


KNOWLEDGE = know(experience())
SPREAD = jnp.array([0.5, 2.0])
EVERYWHERE = Limits(lower=jnp.full(2, -jnp.inf), upper=jnp.full(2, jnp.inf))
ENDLESS = dataclasses.replace(KNOWLEDGE, world=dataclasses.replace(KNOWLEDGE.world, limits=EVERYWHERE))
HOPELESS = dataclasses.replace(KNOWLEDGE, world=dataclasses.replace(KNOWLEDGE.world, max_leverage=jnp.float32(0)))


def assert_same(first, second):
    jax.tree.map(np.testing.assert_array_equal, first, second)


def changed(first, second):
    return any(jax.tree.leaves(jax.tree.map(lambda one, other: not np.array_equal(one, other), first, second)))


def upper(state):
    return MODEL.kernel_state(state, 1).params


@pytest.fixture(scope="module")
def begun():
    return learning.begin(CONFIG, MODEL, KNOWLEDGE, jax.random.key(0))


@pytest.fixture(scope="module")
def update():
    return jax.jit(learning.build_update(CONFIG, MODEL, WORLD))


def test_closeness_by_hand():
    knowledge = dataclasses.replace(KNOWLEDGE, spread=SPREAD)
    goal = jnp.array([3.0, 1.0])
    away = jnp.array(
        [
            [0.0, 0.0],  # there: 1
            [-1.0, 0.0],  # 2 spreads, rounded to 2 - 0.25 = 1.75: 1 / (1 + 1.75 / 1.5) = 6 / 13
            [0.0, 8.0],  # 4 spreads that weigh 0.3 each: 1.2 - 0.25 = 0.95
            [1.0, -8.0],  # both: 2.7
            [0.15, 0.0],  # 0.3 spreads, less than the rounding of 0.5: 0.3 ** 2 = 0.09
            [0.875, 0.0],  # 1.75 spreads, the width: a half
        ]
    )
    expected = [1, 6 / 13, 1 / (1 + 0.95 / 1.5), 1 / (1 + 2.7 / 1.5), 1 / 1.06, 0.5]
    goals = jnp.broadcast_to(goal, away.shape)
    np.testing.assert_allclose(knowledge_lib.closeness(CONFIG, knowledge, goals + away, goals), expected, rtol=1e-5)
    # Any further axes, one goal for all of them.
    many = jnp.broadcast_to(goals + away, (3, 6, 2))
    found = knowledge_lib.closeness(CONFIG, knowledge, many, goal[None, None])
    np.testing.assert_allclose(found, np.broadcast_to(expected, (3, 6)), rtol=1e-5)


def test_closeness_falls_off_without_end():
    far = jnp.array([[1.0, 0.0], [1e3, 0.0], [np.inf, 0.0]])
    values = knowledge_lib.closeness(CONFIG, KNOWLEDGE, far, jnp.zeros((1, 2)))
    assert values[0] > values[1] > values[2] == 0


def test_far_goals_come_nearer_by_hand():
    # At most 2.5 spreads, (1.25, 5), and coordinate by coordinate.
    knowledge = dataclasses.replace(KNOWLEDGE, spread=SPREAD)
    states = jnp.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    goals = jnp.array([[9.0, -3.0], [-9.0, 9.0], [2.0, 5.0]])
    found = knowledge_lib.nearer(CONFIG, knowledge, states, goals)
    np.testing.assert_allclose(found, [[2.25, -3.0], [-0.25, 5.0], [2.0, 5.0]])
    assert_same(knowledge_lib.nearer(CONFIG, knowledge, found, found), found)


def test_layers_count_from_where_they_are_in_what_nothing_depends_on():
    # A place at which nothing depends on it, and a speed on which the place depends.
    np.testing.assert_array_equal(KNOWLEDGE.free, [True, False])
    found = knowledge_lib.origin(KNOWLEDGE, jnp.array([[3.0, 2.0], [-1.0, 0.5]]))
    np.testing.assert_array_equal(found, [[3, 0], [-1, 0]])
    nowhere = dataclasses.replace(KNOWLEDGE, free=jnp.zeros(2, bool))
    np.testing.assert_array_equal(knowledge_lib.origin(nowhere, jnp.array([3.0, 2.0])), [0, 0])


@pytest.mark.parametrize("later", [0.1, 3.0])
def test_units_come_from_the_first_steps_unless_later_ones_go_farther(later):
    store = experience(later)
    knowledge = know(store)
    states = np.asarray(store.states)[:60]
    first, whole = states[:NUM_FIRST].std(0), states.std(0)
    scale = np.maximum(first, whole)
    assert np.all((scale == first) == (later < 1))
    np.testing.assert_allclose(knowledge.normalizer.mean, states[:NUM_FIRST].mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(knowledge.normalizer.scale, scale, rtol=1e-4)
    np.testing.assert_allclose(knowledge.spread, first / scale, rtol=1e-4)
    np.testing.assert_allclose(
        knowledge.starts[:60], (states - states[:NUM_FIRST].mean(0)) / scale, rtol=1e-3, atol=1e-4
    )
    assert knowledge.num_starts == 60


def test_limits_are_the_farthest_that_was_survived():
    store = experience()
    following, ended = np.asarray(store.next_states)[:60, 0], np.asarray(store.terminated)[:60]
    assert 0 < ended.sum() < 10
    farthest = (following[~ended].max() - KNOWLEDGE.normalizer.mean[0]) / KNOWLEDGE.normalizer.scale[0]
    limits = KNOWLEDGE.world.limits
    np.testing.assert_allclose(limits.upper, [farthest, np.inf], rtol=1e-5)
    np.testing.assert_array_equal(limits.lower, [-np.inf, -np.inf])


def test_goals_lie_a_little_beyond_experience_within_limits_and_what_is_known():
    # All is known: 1.5 times as far as states have been, or 0.8 of the way to the limit.
    states, limit = np.asarray(KNOWLEDGE.starts)[:60], KNOWLEDGE.world.limits.upper[0]
    assert 1.5 * states[:, 0].max() > 0.8 * limit
    np.testing.assert_allclose(KNOWLEDGE.lowest, 1.5 * states.min(0), rtol=1e-6)
    np.testing.assert_allclose(KNOWLEDGE.highest, [0.8 * limit, 1.5 * states[:, 1].max()], rtol=1e-6)
    # Leverage grows with the square of the distance: 4 times as much may be known twice as far out, less the 1 / 60
    # that the middle itself has.
    near, far = (
        know(experience(), world=dataclasses.replace(WORLD, max_leverage=leverage + 1 / 60))
        for leverage in (0.005, 0.02)
    )
    np.testing.assert_allclose(far.highest[1], 2 * near.highest[1], rtol=1e-4)
    np.testing.assert_allclose(near.lowest[1], -near.highest[1], rtol=1e-6)
    # Roughly the distance x ** 2 / 60 = 0.005 in units of the spread, and 0.8 of it.
    np.testing.assert_allclose(near.highest[1], 0.8 * np.sqrt(0.005 * 60), rtol=0.3)
    # Nothing depends on the place, so that none is too far to be known.
    for known in (near, far):
        np.testing.assert_allclose(known.highest[0], KNOWLEDGE.highest[0])
        np.testing.assert_allclose(known.lowest[0], KNOWLEDGE.lowest[0])
    # Less than the middle has: nothing is known, and nothing else asked for.
    nothing = know(experience(), world=dataclasses.replace(WORLD, max_leverage=1 / 61))
    np.testing.assert_array_equal(jnp.abs(jnp.stack([nothing.lowest, nothing.highest])), jnp.zeros((2, 2)))


def test_free_places_say_nothing():
    other = know(experience(rest=1e3))
    starts = KNOWLEDGE.starts.at[60:].set(0)
    assert changed(other.starts, KNOWLEDGE.starts)
    assert_same(
        dataclasses.replace(other, starts=other.starts.at[60:].set(0)), dataclasses.replace(KNOWLEDGE, starts=starts)
    )


def test_a_stage_begins_where_goals_and_experience_are(begun):
    many = dataclasses.replace(CONFIG, pool_size=200)
    pool = learning.begin(many, MODEL, KNOWLEDGE, jax.random.key(1))
    low, high = KNOWLEDGE.lowest[0], KNOWLEDGE.highest[0]
    assert np.all((pool.goals[:, 0] >= low) & (pool.goals[:, 0] <= high))
    np.testing.assert_array_equal(pool.goals[:, 1], np.zeros(200))
    # The speed is always one that was experienced, the place of about half of them too (100, give or take 7).
    experienced = np.asarray(KNOWLEDGE.starts)[:60]
    assert np.all(np.isin(pool.states[:, 1], experienced[:, 1]))
    assert 60 < np.isin(pool.states[:, 0], experienced[:, 0]).sum() < 140
    assert_same(begun.slow, upper(begun.model))


def test_without_a_share_of_goals_all_are_the_target():
    pool = learning.begin(dataclasses.replace(CONFIG, goal_share=0.0), MODEL, ENDLESS, jax.random.key(1))
    middle = knowledge_lib.nearer(CONFIG, ENDLESS, pool.states, jnp.zeros((4, 2)))[:, 0]
    np.testing.assert_array_equal(pool.goals[:, 0], jnp.clip(middle, ENDLESS.lowest[0], ENDLESS.highest[0]))


def test_the_next_stage_goes_on_with_the_layers_and_a_new_optimizer(begun, update):
    before = update(begun, KNOWLEDGE, jnp.int32(0))[0].model
    after = learning.go_on(MODEL, learning.begin(CONFIG, MODEL, KNOWLEDGE, jax.random.key(1)), before)
    for number in (0, 1):
        old, new, fresh = (MODEL.kernel_state(state, number) for state in (before, after.model, begun.model))
        assert_same(new.params, old.params)
        assert_same(new.optimizer, fresh.optimizer)
        assert changed(new.optimizer, old.optimizer)
    assert_same(after.slow, upper(before))


def test_an_update_moves_both_layers_and_the_slow_average(begun, update):
    after, metrics = update(begun, KNOWLEDGE, jnp.int32(0))
    for number in (0, 1):
        assert changed(MODEL.kernel_state(after.model, number).params, MODEL.kernel_state(begun.model, number).params)
    expected = jax.tree.map(lambda old, new: old + 0.1 * (new - old), begun.slow, upper(after.model))
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7), after.slow, expected)
    assert {"return", "alive", "layer_0/loss", "layer_1/loss"} <= set(metrics)
    assert np.all(np.isfinite(list(metrics.values())))
    assert 0 <= metrics["alive"] <= 1
    # What a scan carries stays of one kind.
    alike = jax.tree.map(lambda one, other: (one.shape, one.dtype) == (other.shape, other.dtype), after, begun)
    assert all(jax.tree.leaves(alike))


def test_what_lies_beyond_is_judged_by_the_slow_average_alone(begun, update):
    # Other parameters: scores that are higher everywhere, so that they show in what branches are worth.
    other = jax.tree.map(lambda leaf: leaf + 0.05, upper(begun.model))
    kernels = tuple(
        dataclasses.replace(kernel, params=other) if at == 1 else kernel
        for at, kernel in enumerate(begun.model.kernels)
    )
    assert upper(dataclasses.replace(begun.model, kernels=kernels)) is other
    live = dataclasses.replace(begun, model=dataclasses.replace(begun.model, kernels=kernels))
    slow = dataclasses.replace(begun, slow=other)
    both = dataclasses.replace(live, slow=other)
    as_begun, by_live, by_slow, by_both = (
        update(learner, ENDLESS, jnp.int32(0))[1]["return"] for learner in (begun, live, slow, both)
    )
    assert by_live == as_begun
    assert by_slow == by_both
    assert abs(by_slow - as_begun) > 1e-3


def test_a_layer_by_itself_learns_and_is_the_one_that_judges():
    alone = Model(layers=MODEL.layers[:1], space=SPACE)
    begun = learning.begin(CONFIG, alone, KNOWLEDGE, jax.random.key(0))
    assert_same(begun.slow, alone.kernel_state(begun.model, 0).params)
    after, metrics = jax.jit(learning.build_update(CONFIG, alone, WORLD))(begun, KNOWLEDGE, jnp.int32(0))
    new = alone.kernel_state(after.model, 0).params
    assert changed(new, begun.slow)
    expected = jax.tree.map(lambda old, now: old + 0.1 * (now - old), begun.slow, new)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7), after.slow, expected)
    assert {"return", "alive", "layer_0/loss"} <= set(metrics) and "layer_1/loss" not in metrics
    # It goes on into the next stage as two do.
    again = learning.go_on(alone, learning.begin(CONFIG, alone, KNOWLEDGE, jax.random.key(1)), after.model)
    assert_same(alone.kernel_state(again.model, 0).params, new)


def test_more_layers_than_imagination_teaches_are_refused():
    three = Model(layers=(*MODEL.layers, MODEL.layers[1]), space=SPACE)
    with pytest.raises(ValueError, match="^the model has 3 layers; imagination teaches 1 or 2$"):
        learning.build_update(CONFIG, three, WORLD)


def test_a_reach_of_nothing_is_nothing_where_the_known_has_no_end():
    # Nothing depends on the place, and no episode ended on its left.
    assert WORLD.extent(KNOWLEDGE.world)[0][0] == -jnp.inf
    nowhere = know(experience(), dataclasses.replace(CONFIG, reach=0.0))
    np.testing.assert_array_equal(nowhere.lowest, [0.0, 0.0])
    np.testing.assert_array_equal(nowhere.highest, [0.0, 0.0])


def test_a_layer_by_itself_learns_no_more_steps_than_a_branch_has():
    # Of a branch of three steps it can learn three: one, and one for each of two action examples.
    short = dataclasses.replace(CONFIG, branch_steps=3, subgoal_steps=2, num_pushes=1, action_examples=3)
    with pytest.raises(ValueError, match=r"^action_examples must be less than branch_steps \(3\) .*, not 3$"):
        learning.check(short, 1)
    learning.check(dataclasses.replace(short, action_examples=2), 1)
    learning.check(short, 2)


def test_an_update_depends_on_state_and_step_alone(begun):
    traced = []

    def counted(*arguments):
        traced.append(True)
        return learning.build_update(CONFIG, MODEL, WORLD)(*arguments)

    update = jax.jit(counted)
    first, again, other = (update(begun, KNOWLEDGE, jnp.int32(step))[0] for step in (3, 3, 4))
    for name in ("model", "slow", "states", "goals"):
        assert_same(getattr(first, name), getattr(again, name))
    assert first.key == again.key == begun.key
    assert changed(first.states, other.states)
    update(first, HOPELESS, jnp.int32(4))
    assert len(traced) == 1


def test_the_living_go_on_along_a_branch_with_their_goals(begun, update):
    after, metrics = update(begun, ENDLESS, jnp.int32(0))
    assert metrics["alive"] == 1
    assert_same(after.goals, begun.goals)
    # Two steps on, by one of the four ways to push twice.
    ways = []
    for pushes in itertools.product((0, 1), repeat=2):
        states = begun.states
        for push in pushes:
            states = WORLD.step(ENDLESS.world, states, jnp.full(4, push))
        ways.append(states)
    distances = np.abs(np.stack(ways) - np.asarray(after.states)).max(-1)
    np.testing.assert_allclose(distances.min(0), 0, atol=1e-5)
    assert np.median(distances) > 1e-3


def test_the_dead_begin_anew(begun, update):
    after, metrics = update(begun, HOPELESS, jnp.int32(0))
    assert metrics["alive"] == metrics["return"] == 0
    assert np.all(np.isin(after.states[:, 1], np.asarray(KNOWLEDGE.starts)[:60, 1]))
    assert not np.any(np.isin(after.states[:, 1], begun.states[:, 1]))
    # So does everybody where all are to, with the same draws.
    restart = jax.jit(learning.build_update(dataclasses.replace(CONFIG, restart=1.0), MODEL, WORLD))
    assert_same(restart(begun, ENDLESS, jnp.int32(0))[0].states, after.states)


def test_a_target_is_asked_for_where_no_goal_is_drawn():
    # A place at 6 and a speed of 0.5, in their own units.
    config = dataclasses.replace(CONFIG, target=((0, 6.0), (1, 0.5)), goal_share=0.0, goal_distance=100.0)
    knowledge = dataclasses.replace(know(experience(), config), lowest=jnp.full(2, -9.0), highest=jnp.full(2, 9.0))
    normalizer = knowledge.normalizer
    expected = (np.array([6.0, 0.5]) - normalizer.mean) / normalizer.scale
    np.testing.assert_allclose(knowledge.target, expected, rtol=1e-5)
    pool = learning.begin(config, MODEL, knowledge, jax.random.key(1))
    np.testing.assert_allclose(pool.goals, np.broadcast_to(expected, (4, 2)), rtol=1e-5)
    np.testing.assert_allclose(knowledge_lib.goal_state(config, normalizer, {}), expected, rtol=1e-5)
    # What is named is asked for in its place.
    goal = knowledge_lib.goal_state(config, normalizer, {0: 4.0})
    np.testing.assert_allclose(normalizer.restore(jnp.asarray(goal)), [4.0, 0.5], rtol=1e-5)


def test_a_goal_is_normalised_and_the_middle_elsewhere():
    normalizer = Normalizer(mean=jnp.array([1.0, 2.0, 3.0]), scale=jnp.array([2.0, 4.0, 0.5]))
    # (5 - 1) / 2, and (2.5 - 3) / 0.5.
    np.testing.assert_allclose(knowledge_lib.goal_state(CONFIG, normalizer, {0: 5.0, 2: 2.5}), [2, 0, -1])
    np.testing.assert_array_equal(knowledge_lib.goal_state(CONFIG, normalizer, {}), [0, 0, 0])
