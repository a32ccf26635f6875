"""Spaces of tagged states: what holds for both kinds, and their elements by hand."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.hippocampus.location import Located, PlacesInVectors, Scales
from humain.hippocampus.tag_levels import TagLevels
from humain.hippocampus.tagged import TaggedIds, TaggedVectors
from humain.hippocampus.tagging import Tagging
from humain.kernels.linear import LinearConfig
from humain.kernels.table import TableConfig
from humain.spaces import Continuous, Discrete
from humain.types import Context, Examples

LEVELS = TagLevels(order=3, visits=2)
IDS = TaggedIds(num_states=4, tagging=Tagging(), levels=LEVELS)
VECTORS = TaggedVectors(base=Continuous(2), tagging=Tagging(), levels=LEVELS)
WRAPPED_IDS = TaggedVectors(base=Discrete(4), tagging=Tagging(), levels=LEVELS)
SPACES = [
    pytest.param(IDS, jnp.arange(4), id="ids"),
    pytest.param(VECTORS, jnp.array([[0.0, 0.5], [1.0, 0.0], [-2.0, 3.0], [0.0, -1.0]]), id="vectors"),
    pytest.param(WRAPPED_IDS, jnp.arange(4), id="wrapped ids"),
]


def all_elements(space, states):
    """Every state with every tag, and their levels."""
    pairs = list(itertools.product(range(4), itertools.product(range(3), range(2))))
    rows, levels = jnp.array([row for row, _ in pairs]), jnp.array([levels for _, levels in pairs])
    return space.join(states[rows], levels), states[rows], levels


@pytest.mark.parametrize(("space", "states"), SPACES)
def test_elements_are_what_the_space_says(space, states):
    elements, _, _ = all_elements(space, states)
    assert elements.shape == (24, *space.shape)
    assert elements.dtype == space.dtype
    features = space.encode(elements)
    assert (features.shape, features.dtype) == ((24, space.num_features), jnp.float32)
    loss = space.loss(jnp.zeros((3, 1, space.num_outputs)), elements[:3, None])
    assert loss.shape == (3, 1)


@pytest.mark.parametrize(("space", "states"), SPACES)
def test_parts_come_back_and_so_do_elements_from_their_features(space, states):
    elements, expected_states, expected_levels = all_elements(space, states)
    found_states, found_levels, known = space.split(elements)
    np.testing.assert_array_equal(found_states, expected_states)
    np.testing.assert_array_equal(found_levels, expected_levels)
    assert np.all(known)
    np.testing.assert_array_equal(space.decode(space.encode(elements)), elements)


@pytest.mark.parametrize(("space", "states"), SPACES)
def test_jit_and_vmap_change_nothing(space, states):
    elements, _, _ = all_elements(space, states)
    for function in (space.encode, lambda one: space.decode(space.encode(one)), lambda one: space.equal(one, one)):
        plain = function(elements)
        np.testing.assert_array_equal(jax.jit(function)(elements), plain)
        np.testing.assert_array_equal(jax.vmap(function)(elements), plain)


@pytest.mark.parametrize(("space", "states"), SPACES)
def test_only_an_element_equals_itself_and_open_goals_equal_all_that_agree(space, states):
    elements, of_states, levels = all_elements(space, states)
    pairs = jax.vmap(lambda one: space.equal(jnp.broadcast_to(one, elements.shape), elements))
    np.testing.assert_array_equal(pairs(elements), np.eye(24, dtype=bool))
    # State 1 whatever its tag; then a second visit, whatever the state.
    goals = space.join(states[jnp.array([1, 0])], jnp.array([[3, 2], [3, 1]]), jnp.array([True, False]))
    same_state = np.all(np.asarray(of_states == states[1:2]).reshape(24, -1), axis=1)
    np.testing.assert_array_equal(pairs(goals), [same_state, np.asarray(levels[:, 1] == 1)])


@pytest.mark.parametrize(("space", "states"), SPACES)
def test_features_of_what_is_open_are_zeros_and_cost_nothing(space, states):
    nothing = space.join(states[:1], jnp.array([[3, 2]]), jnp.array([False]))
    np.testing.assert_array_equal(space.encode(nothing), np.zeros((1, space.num_features)))
    np.testing.assert_array_equal(space.loss(jnp.ones((1, space.num_outputs)), nothing), [0.0])
    goal = space.join(states[:1], jnp.array([[2, 2]]), jnp.array([False]))
    # One third for each of the orders, the state and the visits left out.
    np.testing.assert_allclose(space.loss(jnp.ones((1, space.num_outputs)), goal), [np.log(3)], rtol=1e-6)


def test_the_loss_is_that_of_the_base_and_of_the_tag():
    elements = VECTORS.join(jnp.array([[1.0, 2.0]]), jnp.array([[0, 1]]))
    # (1 - 0)^2 + (2 - 0)^2 = 5, a third and a half.
    np.testing.assert_allclose(VECTORS.loss(jnp.zeros((1, 7)), elements), [5 + np.log(3) + np.log(2)], rtol=1e-6)


def test_numbers_of_tagged_ids_by_hand():
    # 5 states, 4 orders and 3 visits with any: state 2, order 1, second visit: (2 * 4 + 1) * 3 + 1 = 28.
    assert IDS.num_elements == 60
    assert int(IDS.join(jnp.int32(2), jnp.array([1, 1]))) == 28
    assert int(IDS.join(jnp.int32(0), jnp.array([3, 2]), False)) == 59


def test_vectors_by_hand():
    element = VECTORS.join(jnp.array([0.5, -1.0]), jnp.array([2, 1]))
    np.testing.assert_array_equal(element, [0.5, -1.0, 1.0, 2.0, 1.0])
    np.testing.assert_array_equal(VECTORS.encode(element), [0.5, -1.0, 0, 0, 1, 0, 1])


def test_more_ids_than_can_be_numbered_are_refused():
    with pytest.raises(ValueError, match="show fewer levels"):
        TaggedIds(num_states=2**20, tagging=Tagging(), levels=TagLevels(order=64, visits=64))


@pytest.mark.parametrize(("space", "states"), SPACES[:2])
def test_a_kernel_learns_what_to_do_by_the_tag_alone(space, states):
    """The first time one way, the second time the other: a table and a network tell them apart."""
    actions = Discrete(2)
    linear = LinearConfig(num_slots=2, num_keys=64, learning_rate=3e-2)
    kernel = (TableConfig() if isinstance(space, TaggedIds) else linear).build(space, actions)
    seen = space.join(states[jnp.array([1, 1])], jnp.array([[0, 0], [0, 1]]))[:, None]
    context = Context(states=seen, features=space.encode(seen), mask=jnp.ones((2, 1), bool))
    goals = space.join(states[jnp.array([2, 2])], jnp.array([[3, 2]] * 2))
    examples = Examples(
        context=context, goals=goals, targets=jnp.array([0, 1]), scores=jnp.full(2, 0.9), mask=jnp.ones(2, bool)
    )
    learn = jax.jit(kernel.learn)
    state = kernel.init(jax.random.key(0))
    for _ in range(60):
        state, _ = learn(state, examples)
    answer = Cortex(kernel, Linear(4)).answer(state, context, goals)
    np.testing.assert_array_equal(answer.value, [0, 1])


def test_predictions_are_the_base_s_where_it_shows_more_than_it_predicts():
    base = Located(Continuous(2), PlacesInVectors((0, 1)), Scales(8.0, 3))
    space = TaggedVectors(base=base, tagging=Tagging(), levels=LEVELS)
    # Shown are 2 coordinates by 3 sines and 3 cosines each, predicted 2 numbers; the tag has 3 + 2 levels.
    assert (space.num_features, space.num_outputs) == (17, 7)
    element = space.join(jnp.array([0.5, -1.0]), jnp.array([2, 1]))
    prediction = jnp.array([0.5, -1.0, 0, 0, 9, 0, 9.0])
    np.testing.assert_array_equal(space.decode(prediction), element)
    off_by_two = space.loss(prediction.at[0].add(2.0), element) - space.loss(prediction, element)
    np.testing.assert_allclose(off_by_two, 4.0, rtol=1e-5)


def test_tags_are_not_subtracted():
    with pytest.raises(ValueError, match="has no differences that are states: relative must be False"):
        LinearConfig(relative=True).build(VECTORS, VECTORS)
    assert not IDS.has_differences


@pytest.mark.parametrize(("space", "states"), SPACES)
def test_elements_may_have_any_axes_before_their_own(space, states):
    elements, of_states, levels = all_elements(space, states)
    for shape in ((2, 12), (24, 1)):
        grid = space.join(of_states.reshape(*shape, *space.base.shape), levels.reshape(*shape, 2))
        np.testing.assert_array_equal(grid, elements.reshape(*shape, *space.shape))
        found_states, found_levels, known = space.split(grid)
        np.testing.assert_array_equal(found_states, of_states.reshape(*shape, *space.base.shape))
        np.testing.assert_array_equal(found_levels, levels.reshape(*shape, 2))
        assert known.shape == shape
        features = space.encode(grid)
        assert features.shape == (*shape, space.num_features)
        np.testing.assert_array_equal(features.reshape(24, -1), space.encode(elements))
        np.testing.assert_array_equal(space.decode(features), grid)
        np.testing.assert_array_equal(space.equal(grid, grid), np.ones(shape, bool))
        assert space.loss(features, grid).shape == shape


@pytest.mark.parametrize(("space", "states"), SPACES)
def test_a_state_is_known_unless_it_is_said_not_to_be(space, states):
    levels = jnp.array([[0, 1]])
    np.testing.assert_array_equal(space.join(states[:1], levels), space.join(states[:1], levels, True))
    blank, _, known = space.split(space.join(states[1:2], levels, False))
    assert (np.asarray(blank).any(), known.tolist()) == (False, [False])


def test_as_many_ids_as_int32_can_number():
    # (num_states + 1) * 3 * 5 combinations: just below and just at 2**31.
    levels = TagLevels(order=2, visits=4)
    largest = (2**31 - 1) // 15 - 1
    assert TaggedIds(num_states=largest, tagging=Tagging(), levels=levels).num_elements == (largest + 1) * 15
    with pytest.raises(ValueError, match="more than int32 can number"):
        TaggedIds(num_states=largest + 1, tagging=Tagging(), levels=levels)
    with pytest.raises(ValueError, match="2147483648 ids"):
        TaggedIds(num_states=2**30 - 1, tagging=Tagging(), levels=TagLevels(order=1))
