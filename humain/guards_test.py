"""What used to be learned, or answered, wrong without a word is an error that says what to do."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain import acting, guards, planning
from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.kernels.table import TableConfig
from humain.layer import Layer
from humain.model import Model
from humain.spaces import Continuous, Discrete
from humain.testing import stacks
from humain.testing.probe import Probe
from humain.types import Context, Examples, Trajectories

SIX = Discrete(6)
VECTORS = Continuous(2)


def model_of(kernel):
    return Model(layers=(Layer(Cortex(kernel, Linear(8))),), space=kernel.state_space)


def init(model):
    return model.init(jax.random.key(0), (Skip(2),) * len(model.layers))


IDS = model_of(TableConfig().build(SIX, SIX))
MOTORS = model_of(TableConfig().build(SIX, Discrete(2)))
PLANE = model_of(Probe(VECTORS, VECTORS))
STATES = [[0, 1, 2, 3], [5, 4, 3, -1]]
LENGTHS = [4, 3]
ACTIONS = [[0, 1, 1, 9], [1, 0, -7, 9]]
"""The steps are the first three and the first two; the rest is padding."""


def gather(model, **fields):
    given: dict[str, Any] = {"states": STATES, "lengths": LENGTHS} | fields
    return model.gather(init(model), Trajectories(**given))


def test_lists_and_arrays_of_numpy_are_taken():
    experience = gather(MOTORS, actions=np.array(ACTIONS, np.int64), rewards=[[1, 2, 4, np.nan], [1, 2, np.nan, 0]])
    assert isinstance(experience.trajectories.states, jax.Array)
    assert experience.trajectories.actions.dtype == jnp.int32
    # Sums before each time, of the steps that were taken.
    np.testing.assert_array_equal(experience.returns[:, :4], [[0, 1, 3, 7], [0, 1, 3, 3]])
    vectors = gather(PLANE, states=np.zeros((1, 3, 2)), lengths=(3,))
    assert vectors.trajectories.states.dtype == jnp.float32


def test_what_was_given_is_what_is_learned_from():
    experience = gather(IDS)
    np.testing.assert_array_equal(experience.trajectories.states, STATES)
    assert experience.walks.tolist() == [0, 0, 0, 1, 1]
    assert experience.times.tolist() == [0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("model", "fields", "message"),
    [
        (
            IDS,
            {"actions": ACTIONS},
            "have actions, and the bottom layer answers states .*actions=None.*make one of the two larger",
        ),
        (MOTORS, {}, "have no actions, and the bottom layer answers Discrete.*num_elements=2.* give actions"),
        (IDS, {"states": [[0, 6, 2], [0, 1, 2]], "lengths": [3, 3]}, "states hold 6, and the ids of .* are 0 to 5"),
        (IDS, {"states": [[0, -1, 2], [0, 1, 2]], "lengths": [3, 3]}, "states hold -1, and the ids of"),
        (IDS, {"states": np.zeros((2, 4))}, "states are float64, and the elements of .* are whole numbers"),
        (IDS, {"states": np.zeros((2, 4), bool)}, "states are bool"),
        (IDS, {"states": [0, 1, 2, 3]}, r"states have shape \[4\], expected \[W, T\].*states\[None\]"),
        (IDS, {"states": np.zeros((2, 4, 1), int)}, r"shape \[2, 4, 1\], expected \[W, T\]"),
        (IDS, {"states": [[0, 1, 2], [0, 1]]}, "states must be an array, all rows of one length; pad shorter ones"),
        (IDS, {"lengths": [4]}, r"lengths are int64\[1\], expected whole numbers \[2\]"),
        (IDS, {"lengths": [4.0, 3.0]}, r"lengths are float64\[2\], expected whole numbers \[2\]"),
        (IDS, {"lengths": [5, 3]}, "lengths must lie between 0 and 4, the time axis of the states, not 5"),
        (IDS, {"lengths": [4, -1]}, "lengths must lie between 0 and 4.*, not -1"),
        (IDS, {"lengths": [1, 1]}, "at least one must have two states"),
        (MOTORS, {"actions": [[0, 1, 2, 0], [1, 0, 0, 0]]}, "actions hold 2, and the ids of .* are 0 to 1"),
        (MOTORS, {"actions": [[0, 1, 1], [1, 0, 0]]}, r"actions have shape \[2, 3\], expected \[2, 4\]"),
        (MOTORS, {"actions": np.zeros((2, 4))}, "actions are float64"),
        (IDS, {"rewards": [[0, 1, 1], [1, 0, 0]]}, r"rewards have shape \[2, 3\], expected \[2, 4\]"),
        (IDS, {"rewards": [[0, np.nan, 1, 0], [1, 0, 0, 0]]}, "rewards hold nan, expected finite numbers"),
        (IDS, {"rewards": np.zeros((2, 4), bool)}, "rewards are bool, expected numbers"),
        (IDS, {"terminated": [0, 1]}, "terminated is int64, expected bool"),
        (IDS, {"terminated": [True]}, r"terminated have shape \[1\], expected \[2\]"),
        (PLANE, {"states": np.full((2, 4, 2), np.inf)}, "states hold inf, expected finite numbers"),
        (PLANE, {"states": np.full((2, 4, 2), 1e39)}, r"states hold 1e\+39, expected finite numbers, also as float32"),
        (IDS, {"rewards": [[0, 1e39, 1, 0], [1, 0, 0, 0]]}, r"rewards hold 1e\+39, expected finite numbers"),
        (IDS, {"states": np.array([[0, 2**32, 2], [0, 1, 2]]), "lengths": [3, 3]}, "states hold 4294967296, and the"),
        (IDS, {"rewards": [[0, 1, 2], [0, 1]]}, "rewards must be an array, all rows of one length; pad shorter ones"),
        (IDS, {"lengths": [[4], [3, 2]]}, "lengths must be an array, all rows of one length"),
        (PLANE, {"states": np.zeros((2, 4, 3))}, r"states have shape \[2, 4, 3\], expected \[W, T, 2\]"),
    ],
)
def test_trajectories_that_would_be_learned_wrong_are_refused(model, fields, message):
    with pytest.raises(ValueError, match=message):
        gather(model, **fields)


@pytest.mark.parametrize("fields", [{"states": jnp.array([[0, 6, 2]]), "lengths": jnp.array([3])}])
def test_arrays_on_a_device_are_looked_at_too(fields):
    with pytest.raises(ValueError, match="states hold 6"):
        gather(IDS, **fields)


def test_what_lies_behind_the_end_is_padding_whatever_it_is():
    states = np.array([[[0, 0], [1, 1], [np.nan, 7]]])
    assert gather(PLANE, states=states, lengths=[2]).walks.tolist() == [0]


@pytest.mark.parametrize("number", [0, 1, 3])
def test_abstractions_of_another_number_than_layers_are_refused(number):
    model = stacks.table_stack(6, 2)
    with pytest.raises(ValueError, match=f"2 layers need as many abstractions, not {number}"):
        model.init(jax.random.key(0), (Skip(2),) * number)
    state = dataclasses.replace(stacks.init(model), abstractions=(Skip(2),) * number)
    with pytest.raises(ValueError, match=f"2 layers need as many abstractions, not {number}"):
        model.gather(state, Trajectories(states=jnp.array([[0, 1]]), lengths=jnp.array([2])))
    for ask in (ask_react, ask_think):
        with pytest.raises(ValueError, match="2 layers need as many abstractions"):
            ask(model, state, [0], [1])


def test_experience_of_fewer_layers_is_refused():
    two = stacks.table_stack(6, 2)
    with pytest.raises(ValueError, match="gathered for 1 layers, and there are 2; gather it with this model"):
        two.sample(gather(IDS), jax.random.key(0), 4)


def ask_react(model, state, states, goals):
    return acting.react(model, state, acting.begin(model, 1), states, goals)


def ask_think(model, state, states, goals):
    return planning.think(model, state, states, goals)


WRONG = [
    (IDS, [6], [0], "states hold 6, and the ids of .* are 0 to 5"),
    (IDS, [0], [6], "goals hold 6, and the ids of .* are 0 to 5"),
    (IDS, [0], [-1], "goals hold -1"),
    (IDS, [0.0], [1], "states are float64, and the elements of .* are whole numbers"),
    (IDS, [0], [True], "goals are bool"),
    (IDS, 0, 1, r"states have shape \[\], expected \[1\]"),
    (IDS, [0], [[1]], r"goals have shape \[1, 1\], expected \[1\]"),
    (IDS, [0], [1, 2], r"goals have shape \[2\], expected \[1\]"),
    (PLANE, [[0.0, np.nan]], [[0.0, 1.0]], "states hold nan, expected finite numbers"),
    (PLANE, [[0.0, 0.0]], [[0.0, np.inf]], "goals hold inf"),
    (PLANE, [[0.0, 0.0]], [[0.0, 1.0, 2.0]], r"goals have shape \[1, 3\], expected \[1, 2\]"),
]


@pytest.mark.parametrize("ask", [ask_react, ask_think])
@pytest.mark.parametrize("convert", [list, np.asarray, jnp.asarray])
@pytest.mark.parametrize(("model", "states", "goals", "message"), WRONG)
def test_questions_that_would_be_answered_wrong_are_refused(ask, convert, model, states, goals, message):
    if convert is list:
        convert = lambda given: given  # noqa: E731
    with pytest.raises(ValueError, match=message.replace("float64", "float(32|64)")):
        ask(model, init(model), convert(states), convert(goals))


def test_a_goal_outside_the_space_does_not_take_another_row():
    # Stored 2 -> 6 would be found again as 3 -> 0, were rows counted by 6 * state + goal alone.
    kernel = IDS.layers[0].cortex.kernel
    state, _ = kernel.learn(kernel.init(jax.random.key(0)), example(state=2, goal=6, target=1))
    assert not np.any(state.packed)
    state, _ = kernel.learn(state, example(state=3, goal=0, target=1))
    slots = kernel.recall(state, example(state=2, goal=6, target=0).context, jnp.array([6]))
    np.testing.assert_array_equal(slots.scores, -np.inf)


@pytest.mark.parametrize("target", [6, 8, -1])
def test_a_value_that_does_not_fit_its_field_is_not_stored(target):
    kernel = IDS.layers[0].cortex.kernel
    state, metrics = kernel.learn(kernel.init(jax.random.key(0)), example(state=2, goal=3, target=target))
    assert not np.any(state.packed)
    assert metrics["improved"] == 0


def example(*, state, goal, target):
    states = jnp.array([[state]], jnp.int32)
    return Examples(
        context=Context(states=states, features=jnp.zeros((1, 1, 6)), mask=jnp.ones((1, 1), bool)),
        goals=jnp.array([goal], jnp.int32),
        targets=jnp.array([target], jnp.int32),
        scores=jnp.array([0.5]),
        mask=jnp.ones(1, bool),
    )


@pytest.mark.parametrize("ask", [ask_react, ask_think])
def test_lists_and_arrays_get_the_same_answer(ask):
    model, state = stacks.line_world(6)
    kinds: list[Callable[[Any], Any]] = [list, np.asarray, lambda ids: np.asarray(ids, np.int64), jnp.asarray]
    first, *others = (ask(model, state, kind([1]), kind([4])) for kind in kinds)
    for other in others:
        jax.tree.map(np.testing.assert_array_equal, first, other)


@pytest.mark.parametrize("ask", [ask_react, ask_think])
def test_within_a_user_s_jit_shapes_and_types_are_checked(ask):
    model, state = stacks.line_world(6)
    jitted = jax.jit(ask, static_argnums=0)
    jax.tree.map(
        np.testing.assert_array_equal, jitted(model, state, jnp.array([1]), jnp.array([4])), ask(model, state, [1], [4])
    )
    with pytest.raises(ValueError, match=r"goals have shape \[2\], expected \[1\]"):
        jitted(model, state, jnp.array([1]), jnp.array([4, 5]))
    with pytest.raises(ValueError, match="goals are float32"):
        jitted(model, state, jnp.array([1]), jnp.array([4.0]))


@pytest.mark.parametrize("ask", [ask_react, ask_think])
def test_a_question_is_looked_at_as_the_float32_that_it_becomes(ask):
    with pytest.raises(ValueError, match=r"goals hold -1e\+39, expected finite numbers, also as float32"):
        ask(PLANE, init(PLANE), [[0.0, 0.0]], [[0.0, -1e39]])
    with pytest.raises(ValueError, match="goals must be an array, all rows of one length"):
        ask(PLANE, init(PLANE), [[0.0, 0.0]], [[0.0], [0.0, 1.0]])


def test_what_is_too_large_behind_the_end_is_padding_too():
    states = np.array([[[0, 0], [1, 1], [1e300, 7]]])
    assert gather(PLANE, states=states, lengths=[2]).walks.tolist() == [0]


def test_while_acting_no_more_than_4096_numbers_of_a_device_are_looked_at():
    for size, looked_at in ((4096, True), (4097, False)):
        wrong = jax.block_until_ready(jnp.full(size, 6))
        if looked_at:
            with pytest.raises(ValueError, match="states hold 6"):
                guards.questions(SIX, wrong, wrong, wait=False)
        else:
            assert guards.questions(SIX, wrong, wrong, wait=False)[0] is wrong
        # Where there is time to wait, all are.
        with pytest.raises(ValueError, match="states hold 6"):
            guards.questions(SIX, wrong, wrong)


@pytest.mark.parametrize("size", [1, 32, 33, 100])
def test_one_wrong_id_among_many_is_found(size):
    for wrong, message in ((6, "hold 6"), (-1, "hold -1")):
        ids = np.arange(size) % 6
        assert guards.questions(SIX, ids, ids)[0].dtype == np.int32
        ids[size // 2] = wrong
        with pytest.raises(ValueError, match=f"goals {message}, and the ids of"):
            guards.questions(SIX, np.zeros(size, int), ids)


def test_numbers_lie_within_their_limit():
    found = guards.numbers("ranks", [0, 2], size=2, limit=3)
    assert (found.tolist(), found.dtype) == ([0, 2], np.int32)
    assert guards.numbers("ranks", np.zeros(0, int), size=0, limit=1).tolist() == []
    for given, message in (([0, 3], "between 0 and 2, not 3"), ([-1, 5], "between 0 and 2, not -1")):
        with pytest.raises(ValueError, match=f"ranks must lie {message}"):
            guards.numbers("ranks", given, size=2, limit=3)
    others: list[Any] = [[0.0, 1.0], [0], [[0, 1]], [True, False]]
    for other in others:
        with pytest.raises(ValueError, match=r"ranks are .*, expected whole numbers \[2\]"):
            guards.numbers("ranks", other, size=2, limit=3)


def test_what_comes_beside_the_states_goes_through():
    fields: dict[str, Any] = {
        "states": STATES,
        "lengths": [4, 1],
        "actions": [[0, 1, 1, 9]] * 2,
        "rewards": [[1, 2, 3, 4]] * 2,
        "terminated": [True, False],
    }
    found = guards.trajectories(Trajectories(**fields), space=SIX, target_space=Discrete(2))
    np.testing.assert_array_equal(found.lengths, [4, 1])
    np.testing.assert_array_equal(found.terminated, [True, False])
    # What fills up the rest is 0: after three steps, and after none.
    np.testing.assert_array_equal(found.rewards, [[1, 2, 3, 0], [0, 0, 0, 0]])
    assert found.actions is not None and found.rewards is not None
    assert found.actions[0, :3].tolist() == [0, 1, 1]
    assert (found.rewards.dtype, found.lengths.dtype) == (jnp.float32, jnp.int32)


def test_vectors_of_whole_numbers_and_of_bfloat16_are_vectors():
    for dtype in (np.int16, jnp.bfloat16, np.float64):
        states, _ = guards.questions(VECTORS, np.ones((3, 2), dtype), np.zeros((3, 2), dtype))
        assert (states.shape, states.dtype) == ((3, 2), np.float32)
    for narrow in (jnp.int16, jnp.bfloat16):
        states, _ = guards.questions(VECTORS, jnp.ones((3, 2), narrow), jnp.zeros((3, 2)))
        assert (states.tolist(), states.dtype) == ([[1, 1]] * 3, jnp.float32)
