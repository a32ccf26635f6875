"""Tagged trajectories, tags met while acting, and goals out of them, up to a model that goes back where it was."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain import acting
from humain.abstraction.skip import Skip
from humain.cortex import hindsight
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.hippocampus import tagged_episodes
from humain.hippocampus.tag_levels import TagLevels
from humain.hippocampus.tagged import TaggedIds, TaggedVectors
from humain.hippocampus.tagging import Tagging
from humain.kernels.table import TableConfig
from humain.layer import Layer
from humain.model import Model
from humain.spaces import Continuous
from humain.types import Context, Examples, Trajectories

LEVELS = TagLevels(order=8, visits=4)
SPACE = TaggedIds(num_states=8, tagging=Tagging(capacity=8), levels=LEVELS)
VECTORS = TaggedVectors(base=Continuous(1), tagging=Tagging(capacity=4, threshold=0.25), levels=LEVELS)


def met(space, states):
    """The memory of one episode after some states."""
    tags = tagged_episodes.begin(space, 1)
    for state in states:
        tags, _ = tagged_episodes.observe(space, tags, jnp.asarray(state, space.base.dtype)[None])
    return tags


def read(space, goals):
    """Goals `[1]` as (state or None, levels or None each)."""
    states, levels, known = space.split(goals)
    told = [None if open_ else int(level) for level, open_ in zip(levels[0], LEVELS.is_any(levels)[0], strict=True)]
    return (np.asarray(states[0]).tolist() if known[0] else None), told


def test_trajectories_are_tagged_by_what_came_before():
    walks = Trajectories(
        states=jnp.array([[3, 5, 3, 3], [5, 2, 5, 0]]), lengths=jnp.array([4, 3]), actions=jnp.zeros((2, 4), jnp.int32)
    )
    tagged = tagged_episodes.tag_trajectories(SPACE, walks)
    states, levels, _ = SPACE.split(tagged.states)
    np.testing.assert_array_equal(states, walks.states)
    # Order, visits less one.
    np.testing.assert_array_equal(levels[0], [[0, 0], [1, 0], [0, 1], [0, 2]])
    np.testing.assert_array_equal(levels[1, :3], [[0, 0], [1, 0], [0, 1]])
    np.testing.assert_array_equal(tagged.lengths, walks.lengths)
    assert tagged.actions is walks.actions


def test_an_agent_sees_the_tags_of_its_trajectory():
    walks = jax.random.randint(jax.random.key(0), (3, 12), 0, 8)
    expected = tagged_episodes.tag_trajectories(SPACE, Trajectories(states=walks, lengths=jnp.full(3, 12))).states
    tags, observe = tagged_episodes.begin(SPACE, 3), jax.jit(tagged_episodes.observe, static_argnums=0)
    for time in range(12):
        tags, seen = observe(SPACE, tags, walks[:, time])
        np.testing.assert_array_equal(seen, expected[:, time])


def test_what_comes_later_changes_no_tag():
    walk = jnp.array([[1, 2, 1, 2, 3]])
    other = walk.at[0, 3:].set(7)
    first, second = (
        tagged_episodes.tag_trajectories(SPACE, Trajectories(states=states, lengths=jnp.array([5]))).states
        for states in (walk, other)
    )
    np.testing.assert_array_equal(first[:, :3], second[:, :3])
    assert np.any(first != second)


def test_asking_for_less():
    seen = SPACE.join(jnp.array([3]), jnp.array([[2, 1]]))
    assert read(SPACE, tagged_episodes.ask(SPACE, seen)) == (3, [None, None])
    assert read(SPACE, tagged_episodes.ask(SPACE, seen, fields=["visits"])) == (3, [None, 1])
    assert read(SPACE, tagged_episodes.ask(SPACE, seen, state=False, fields=["order"])) == (None, [2, None])
    # What is open stays open.
    asked = tagged_episodes.ask(SPACE, seen, state=False, fields=["order"])
    assert read(SPACE, tagged_episodes.ask(SPACE, asked, fields=["visits", "order"])) == (None, [2, None])


def test_goals_in_the_tags_own_terms():
    assert read(SPACE, tagged_episodes.goals(SPACE, jnp.array([4]))) == (4, [None, None])
    assert read(SPACE, tagged_episodes.goals(SPACE, visits=jnp.array([1]))) == (None, [None, 0])
    assert read(SPACE, tagged_episodes.goals(SPACE, jnp.array([4]), order=jnp.array([2]))) == (4, [2, None])
    with pytest.raises(ValueError, match="reached everywhere"):
        tagged_episodes.goals(SPACE)
    with pytest.raises(ValueError, match="not 'age'"):
        tagged_episodes.goals(SPACE, age=jnp.array([2]))
    with pytest.raises(ValueError, match="not 'absence'"):
        tagged_episodes.ask(SPACE, jnp.array([0]), fields=["absence"])


def test_goals_out_of_the_memory():
    tags = met(SPACE, [6, 2, 6, 5])
    for order, state in enumerate([6, 2, 5]):
        goal, found = tagged_episodes.met_as(SPACE, tags, jnp.array([order]))
        assert found[0]
        assert read(SPACE, goal) == (state, [None, None])
    goal, found = tagged_episodes.before(SPACE, tags, jnp.array([5]))
    assert found[0]
    assert read(SPACE, goal)[0] == 2


@pytest.mark.parametrize(
    ("ask", "argument"),
    [
        (tagged_episodes.met_as, 3),  # three have been met, 0 to 2
        (tagged_episodes.met_as, -1),
        (tagged_episodes.before, 6),  # first of all
        (tagged_episodes.before, 7),  # never met
        (tagged_episodes.first_seen, 7),
    ],
)
def test_what_is_not_remembered_is_not_found(ask, argument):
    assert not ask(SPACE, met(SPACE, [6, 2, 6, 5]), jnp.array([argument]))[1][0]


def test_what_has_given_way_is_not_found():
    small = TaggedIds(num_states=8, tagging=Tagging(capacity=2, eviction="first_met"), levels=LEVELS)
    tags = met(small, [6, 2, 5])
    assert [bool(tagged_episodes.met_as(small, tags, jnp.array([order]))[1][0]) for order in range(3)] == [0, 1, 1]


def test_where_something_like_this_was_first_seen():
    goal, found = tagged_episodes.first_seen(VECTORS, met(VECTORS, [[0.0], [1.0]]), jnp.array([[1.25]]))
    assert found[0]
    assert read(VECTORS, goal)[0] == [1.0]


LINE = TaggedIds(num_states=6, tagging=Tagging(capacity=6), levels=TagLevels(order=6))


@pytest.fixture(scope="module")
def walker():
    """A model of a line of six places that has learned from tagged walks, asked for states whatever their tags."""
    kernel = TableConfig().build(LINE, LINE)
    model = Model(layers=(Layer(cortex=Cortex(kernel, Linear(32), lookahead=1)),), space=LINE)
    rng = np.random.default_rng(0)
    walks = [rng.integers(0, 6, 400)]
    for _ in range(15):
        walks.append(np.clip(walks[-1] + rng.choice([-1, 1], 400), 0, 5))
    trajectories = Trajectories(states=jnp.asarray(np.stack(walks, 1), jnp.int32), lengths=jnp.full(400, 16))
    abstractions = (Skip(16),)
    experience = hindsight.gather(tagged_episodes.tag_trajectories(LINE, trajectories), abstractions)

    def update(state, key):
        examples = model.sample(experience, key, 2048)[0]
        asked = tagged_episodes.ask(LINE, examples.goals)
        return model.learn(state, {0: dataclasses.replace(examples, goals=asked)})[0], None

    keys = jax.random.split(jax.random.key(1), 60)
    return model, jax.jit(lambda state: jax.lax.scan(update, state, keys)[0])(
        model.init(jax.random.key(0), abstractions)
    )


def follow(walker, out, ask, num_steps):
    """Where an agent that came by `out` gets then; it goes to the places that it asks for if they are next to it."""
    model, state = walker
    tags, episode = tagged_episodes.begin(LINE, 1), acting.begin(model, 1)
    for here in out:
        tags, seen = tagged_episodes.observe(LINE, tags, jnp.array([here]))
    goal, way = ask(tags), [here]
    for _ in range(num_steps):
        episode, reaction = acting.react(model, state, episode, seen, goal)
        there = int(tagged_episodes.destinations(LINE, reaction.action, seen)[0])
        here = there if abs(there - here) <= 1 else here
        tags, seen = tagged_episodes.observe(LINE, tags, jnp.array([here]))
        way.append(here)
    return way


@pytest.mark.parametrize("out", [[1, 2, 3, 4], [5, 4, 3], [0, 1, 2, 1, 2, 3]])
def test_a_model_goes_back_to_where_it_began(walker, out):
    begin, turn = out[0], out[-1]
    way = follow(walker, out, lambda tags: tagged_episodes.met_as(LINE, tags, jnp.array([0]))[0], abs(turn - begin))
    assert way == list(range(turn, begin, 1 if begin > turn else -1)) + [begin]


def test_a_model_is_asked_for_a_tag_alone():
    """Told once, at place 3 that it came to as number 2, that 4 leads to the first place, it goes there and stays."""
    kernel = TableConfig().build(LINE, LINE)
    model = Model(layers=(Layer(cortex=Cortex(kernel, Linear(32))),), space=LINE)
    goal = tagged_episodes.goals(LINE, order=jnp.array([0]))
    here, there = (LINE.join(jnp.array([place]), jnp.array([[order]])) for place, order in [(3, 2), (4, 0)])
    told = Examples(
        context=Context(states=here[:, None], features=LINE.encode(here[:, None]), mask=jnp.ones((1, 1), bool)),
        goals=goal,
        targets=there,
        scores=jnp.array([0.5]),
        mask=jnp.ones(1, bool),
    )
    state, _ = model.learn(model.init(jax.random.key(0), (Skip(1),)), {0: told})
    episode, reaction = acting.react(model, state, acting.begin(model, 1), here, goal)
    assert reaction.action == there
    # At its goal it is answered the goal, which tells no state: it stays.
    _, reaction = acting.react(model, state, episode, there, goal)
    assert tagged_episodes.destinations(LINE, reaction.action, there) == 4


def test_a_place_at_the_threshold_is_the_one_seen_before():
    tags = met(VECTORS, [[0.0], [1.0]])
    for place, found in ((1.25, True), (1.375, False)):
        goal, there = tagged_episodes.first_seen(VECTORS, tags, jnp.array([[place]]))
        assert (bool(there[0]), read(VECTORS, goal)[0]) == (found, [1.0] if found else [place])
        assert bool(tagged_episodes.before(VECTORS, tags, jnp.array([[place]]))[1][0]) is found


def test_of_two_places_the_nearer_was_seen_before():
    # 0.2 lies 0.2 from the first and 0.1 from the second, which is a place of its own.
    space = TaggedVectors(base=Continuous(1), tagging=Tagging(capacity=4, threshold=0.25), levels=LEVELS)
    tags = met(space, [[0.0], [0.3]])
    goal, _ = tagged_episodes.first_seen(space, tags, jnp.array([[0.2]]))
    assert read(space, goal)[0] == [pytest.approx(0.3)]
    goal, found = tagged_episodes.before(space, tags, jnp.array([[0.2]]))
    assert (read(space, goal)[0], bool(found[0])) == ([0.0], True)


def test_goals_may_have_any_axes():
    goals = tagged_episodes.goals(SPACE, jnp.array([[4, 5, 6]]), visits=jnp.array([[1, 2, 9]]))
    states, levels, known = SPACE.split(goals)
    assert (states.tolist(), levels.tolist()) == ([[4, 5, 6]], [[[8, 0], [8, 1], [8, 3]]])
    assert known.all()
    vectors = tagged_episodes.goals(VECTORS, jnp.array([[[0.5], [1.5]]]))
    assert vectors.shape == (1, 2, *VECTORS.shape)
    asked = tagged_episodes.ask(SPACE, goals, fields=["visits"])
    np.testing.assert_array_equal(asked, goals)
    assert tagged_episodes.goals(SPACE, order=jnp.array([[1, 2]])).shape == (1, 2)
