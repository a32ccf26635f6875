"""The cortex answers with its kernel's best slot."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.kernels.inverse_model import InverseModelConfig
from humain.spaces import Continuous, Discrete
from humain.stopping import Stopping
from humain.testing.probe import Probe
from humain.types import Context, Slots


@dataclasses.dataclass(frozen=True)
class Told(Probe):
    """Recalls what it is told: its state is the slots."""

    def recall(self, state, context, goals):
        del context, goals
        return state


IDS = Discrete(9)


def ask(values, scores, space=IDS):
    batch = len(scores)
    states = jnp.zeros((batch, 1, *space.shape), space.dtype)
    context = Context(states=states, features=space.encode(states), mask=jnp.ones((batch, 1), bool))
    slots = Slots(values=jnp.array(values), scores=jnp.array(scores))
    return Cortex(Told(space, space), Linear(2)).answer(slots, context, states[:, 0])


def test_the_best_slot_answers_and_of_a_tie_the_first():
    answer = ask([[1, 2, 3], [4, 5, 6]], [[0.1, 0.3, 0.2], [0.5, 0.5, 0.5]])
    np.testing.assert_array_equal(answer.value, [2, 4])
    np.testing.assert_allclose(answer.score, [0.3, 0.5])
    np.testing.assert_array_equal(answer.known, [True, True])


def test_without_anything_stored_nothing_is_known():
    answer = ask([[7, 8], [7, 8]], [[-np.inf, -np.inf], [-np.inf, 0.0]])
    np.testing.assert_array_equal(answer.known, [False, True])
    np.testing.assert_array_equal(answer.value, [7, 8])
    np.testing.assert_array_equal(answer.score, [-np.inf, 0])


def test_vectors_are_answered_whole():
    answer = ask([[[1.0, 2.0], [3.0, 4.0]]], [[0.0, 1.0]], Continuous(2))
    np.testing.assert_array_equal(answer.value, [[3, 4]])


@pytest.mark.parametrize("ends_at_goal", [False, True])
def test_an_answer_that_ends_the_way_is_the_goal_where_that_is_asked_for(ends_at_goal):
    space = Continuous(2)
    states = jnp.zeros((2, 1, 2))
    context = Context(states=states, features=states, mask=jnp.ones((2, 1), bool))
    goals = jnp.array([[5.0, 6.0], [7.0, 8.0]])
    # The first answer has a stop signal, the second one has none.
    slots = Slots(values=jnp.array([[[1.0, 2.0, 1.0]], [[3.0, 4.0, 0.0]]]), scores=jnp.zeros((2, 1)))
    cortex = Cortex(Told(space, Stopping(space)), Linear(2), ends_at_goal=ends_at_goal)
    answer = cortex.answer(slots, context, goals)
    np.testing.assert_array_equal(answer.ends, [True, False])
    np.testing.assert_array_equal(answer.value, [[5, 6] if ends_at_goal else [1, 2], [3, 4]])


@pytest.mark.parametrize("max_steps", [None, 2])
def test_an_inverse_model_is_refused_goals_that_are_farther_than_a_step(max_steps):
    kernel = InverseModelConfig().build(Continuous(2), Continuous(2))
    assert Cortex(kernel, Linear(2), max_steps=1).max_steps == 1
    with pytest.raises(ValueError, match=f"goals must lie one step ahead; set max_steps to 1, not {max_steps}"):
        Cortex(kernel, Linear(2), max_steps=max_steps)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lookahead": 0}, "1 pivot or more, not 0"),
        ({"goal_discount": 0.0}, r"\(0, 1\], not 0.0"),
        ({"goal_discount": 1.5}, r"\(0, 1\], not 1.5"),
        ({"max_steps": 0}, "1 or more, or None for no bound, not 0"),
        ({"max_steps": 1, "pivot_to_pivot": True}, "goals that are pivots, however far; leave max_steps out"),
        ({"ends_at_goal": True}, "ends_at_goal needs answers with a stop signal, not those of "),
    ],
)
def test_what_makes_no_cortex_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Cortex(Probe(Discrete(2), Discrete(2)), Linear(2), **settings)


def test_a_rank_chooses_among_the_slots_the_best_first():
    slots = Slots(values=jnp.array([[1, 2, 3]] * 4), scores=jnp.array([[0.1, 0.3, 0.2]] * 3 + [[0.5, 0.5, 0.5]]))
    states = jnp.zeros((4, 1), jnp.int32)
    context = Context(states=states, features=IDS.encode(states), mask=jnp.ones((4, 1), bool))
    answer = Cortex(Told(IDS, IDS), Linear(2)).answer(slots, context, states[:, 0], jnp.array([0, 1, 2, 1]))
    # Of equal ones the first comes first.
    assert answer.value.tolist() == [2, 3, 1, 2]
    np.testing.assert_allclose(answer.score, [0.3, 0.2, 0.1, 0.5])
    assert not answer.ends.any()


def test_the_defaults_are_two_pivots_and_goals_drawn_evenly():
    kernel = Probe(IDS, IDS)
    assert Cortex(kernel, Linear(2)) == Cortex(
        kernel, Linear(2), lookahead=2, goal_discount=1.0, pivot_to_pivot=False, ends_at_goal=False
    )
    edge = Cortex(kernel, Linear(2), lookahead=1, goal_discount=1e-6)
    assert (edge.lookahead, edge.goal_discount) == (1, 1e-6)
