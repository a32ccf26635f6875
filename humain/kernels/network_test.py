"""Which slot a network kernel writes and what it is told, by hand, for networks that always answer the same."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from humain.kernels.network import NetworkKernel
from humain.kernels.slots import SlotLoss
from humain.spaces import Continuous, Discrete
from humain.types import Array, Context, Examples


class Fixed(nnx.Module):
    """Answers its parameters, whatever the question."""

    def __init__(self, outputs: Array) -> None:
        self.outputs = nnx.Param(outputs)

    def __call__(self, features: Array, mask: Array, goals: Array) -> Array:
        del mask, goals
        return jnp.broadcast_to(self.outputs[...][None], (features.shape[0], *self.outputs.shape))


@dataclasses.dataclass(frozen=True)
class Build:
    outputs: tuple[tuple[float, ...], ...]

    def __call__(self, rngs: nnx.Rngs) -> Fixed:
        del rngs
        return Fixed(jnp.array(self.outputs))


# Three slots, each a vector of two and a score.
SLOTS = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.5), (-1.0, 0.0, 2.0))


def kernel_of(**loss):
    plain = SlotLoss(access="value", asymmetry=0.75, score_delta=0.1, suppression_weight=0.5)
    space = Continuous(2)
    return NetworkKernel(
        state_space=space,
        target_space=space,
        num_slots=3,
        build=Build(SLOTS),
        optimizer=optax.sgd(1.0),
        loss=dataclasses.replace(plain, **loss),
    )


def examples_of(targets, scores, mask):
    size = len(targets)
    zeros = jnp.zeros((size, 1, 2))
    return Examples(
        context=Context(states=zeros, features=zeros, mask=jnp.ones((size, 1), bool)),
        goals=jnp.zeros((size, 2)),
        targets=jnp.array(targets),
        scores=jnp.array(scores),
        mask=jnp.array(mask),
    )


def learned(kernel, examples):
    state, metrics = kernel.learn(kernel.init(jax.random.key(0)), examples)
    (outputs,) = jax.tree.leaves(state.params)
    return np.asarray(outputs), {name: float(value) for name, value in metrics.items()}


def test_recall_gives_values_and_scores_apart():
    kernel = kernel_of()
    slots = kernel.recall(
        kernel.init(jax.random.key(0)), examples_of([[0.0, 0.0]], [0.0], [True]).context, jnp.zeros((1, 2))
    )
    np.testing.assert_array_equal(slots.values, [[[1, 0], [0, 1], [-1, 0]]])
    np.testing.assert_array_equal(slots.scores, [[0, 0.5, 2]])


def test_by_value_the_nearest_slot_is_written():
    # Target (0, 2): squared distances 1 + 4, 1 and 1 + 4. Slot 1 is written, with a score error of 1 - 0.5.
    outputs, metrics = learned(kernel_of(), examples_of([[0.0, 2.0]], [1.0], [True]))
    suppression = np.log(2) + np.log1p(np.exp(2.0))  # softplus of 0 and of 2
    score_loss = 2 * 0.75 * (0.5 - 0.05)
    expected = {"value_loss": 1, "score_loss": score_loss, "suppression": suppression}
    assert metrics == pytest.approx(expected | {"loss": 1 + score_loss + 0.5 * suppression}, rel=1e-6)
    # One step of size 1 against the slopes: the value by 2 * (1 - 2), the score by -2 * 0.75, the others' scores by
    # 0.5 * sigmoid(0) = 0.25 and 0.5 * sigmoid(2) = 0.4403985.
    np.testing.assert_allclose(outputs, [[1, 0, -0.25], [0, 3, 2.0], [-1, 0, 1.5596015]], rtol=1e-6)


def test_by_score_the_slot_of_the_rank_is_written():
    # Of three levels 0.5 is the middle one, whatever the value; there is no score error.
    outputs, metrics = learned(kernel_of(access="score"), examples_of([[1.0, 0.0]], [0.5], [True]))
    assert metrics["value_loss"] == 2
    assert metrics["score_loss"] == 0
    np.testing.assert_allclose(outputs[1], [2, -1, 0.5], rtol=1e-6)
    np.testing.assert_array_equal(outputs[0, :2], [1, 0])


def test_what_is_worse_weighs_less():
    # Slot 2 has the score 2, the example 1: a slope of 2 * 0.25 instead of 2 * 0.75.
    outputs, _ = learned(kernel_of(), examples_of([[-1.0, 0.0]], [1.0], [True]))
    np.testing.assert_allclose(outputs[2], [-1, 0, 1.5], rtol=1e-6)


def test_the_loss_is_the_mean_over_unmasked_examples():
    targets, scores = [[0.0, 2.0], [1.0, 0.0], [7.0, 7.0]], [0.5, 0.0, 1.0]
    # Value losses 1 and 0, and of the third nothing.
    _, metrics = learned(kernel_of(), examples_of(targets, scores, [True, True, False]))
    assert metrics["value_loss"] == 0.5
    assert metrics["score_loss"] == 0


def test_a_batch_without_any_example_has_no_loss():
    outputs, metrics = learned(kernel_of(), examples_of([[0.0, 2.0]], [1.0], [False]))
    np.testing.assert_array_equal(outputs, np.array(SLOTS, np.float32))
    assert set(metrics.values()) == {0.0}


def test_ids_are_told_apart_by_their_logits():
    # Slot 0 prefers id 0, slot 1 id 1: the target 1 is written into slot 1, at a loss of log(1 + e**-3).
    kernel = NetworkKernel(
        state_space=Continuous(2),
        target_space=Discrete(2),
        num_slots=2,
        build=Build(((3.0, 0.0, 0.0), (0.0, 3.0, 0.0))),
        optimizer=optax.sgd(1.0),
        loss=SlotLoss(access="value", suppression_weight=0.0),
    )
    examples = dataclasses.replace(examples_of([[0.0, 0.0]], [0.0], [True]), targets=jnp.array([1]))
    outputs, metrics = learned(kernel, examples)
    assert metrics["value_loss"] == pytest.approx(np.log1p(np.exp(-3.0)), rel=1e-5)
    np.testing.assert_array_equal(outputs[0], [3, 0, 0])
    assert outputs[1, 1] > 3
    slots = kernel.recall(kernel.init(jax.random.key(0)), examples.context, examples.goals)
    np.testing.assert_array_equal(slots.values, [[0, 1]])


class Echo(nnx.Module):
    """One slot: answers the goal as it is shown, with the first number of the goal for a score."""

    def __init__(self) -> None:
        self.unused = nnx.Param(jnp.zeros(1))

    def __call__(self, features: Array, mask: Array, goals: Array) -> Array:
        del features, mask
        return jnp.concatenate([goals, goals[:, :1]], axis=-1)[:, None]


class BuildEcho:
    def __call__(self, rngs: nnx.Rngs) -> Echo:
        del rngs
        return Echo()


def asked(kernel, states, goals):
    states = jnp.array(states)[:, None]
    context = Context(states=states, features=states, mask=jnp.ones(states.shape[:2], bool))
    return kernel.recall(kernel.init(jax.random.key(0)), context, jnp.array(goals))


def test_a_relative_goal_is_shown_as_the_difference_from_the_present_state():
    kernel = dataclasses.replace(kernel_of(), build=BuildEcho(), num_slots=1)
    states, goals = [[1.0, 2.0], [5.0, 0.0]], [[4.0, 4.0], [5.0, 0.0]]
    plain, relative = (asked(dataclasses.replace(kernel, relative=flag), states, goals) for flag in (False, True))
    np.testing.assert_array_equal(plain.scores, [[4], [5]])
    np.testing.assert_array_equal(relative.scores, [[4 - 1], [5 - 5]])
    # Who answers the difference from here to the goal answers the goal.
    np.testing.assert_array_equal(relative.values, np.array(goals)[:, None])


def test_the_present_state_is_the_last_of_the_context():
    kernel = dataclasses.replace(kernel_of(), build=BuildEcho(), num_slots=1, relative=True)
    states = jnp.array([[[9.0, 9.0], [7.0, 7.0], [1.0, 2.0]]])
    context = Context(states=states, features=states, mask=jnp.array([[False, True, True]]))
    slots = kernel.recall(kernel.init(jax.random.key(0)), context, jnp.array([[4.0, 4.0]]))
    np.testing.assert_array_equal(slots.scores, [[4 - 1]])
    np.testing.assert_array_equal(slots.values, [[[4, 4]]])


def test_a_relative_answer_is_an_offset_from_the_present_state():
    kernel = dataclasses.replace(kernel_of(), relative=True)
    states = [[1.0, 2.0], [-3.0, 0.5]]
    slots = asked(kernel, states, [[0.0, 0.0], [8.0, 8.0]])
    np.testing.assert_array_equal(slots.values, [[[2, 2], [1, 3], [0, 2]], [[-2, 0.5], [-3, 1.5], [-4, 0.5]]])
    np.testing.assert_array_equal(slots.scores, [[0, 0.5, 2]] * 2)
    # A network whose outputs are zero answers the present state.
    silent = dataclasses.replace(kernel, build=Build(((0.0, 0.0, 0.0),)), num_slots=1)
    np.testing.assert_array_equal(asked(silent, states, states).values, np.array(states)[:, None])


def test_values_of_another_space_are_no_offsets():
    kernel = dataclasses.replace(kernel_of(), relative=True, target_space=Discrete(2))
    # The larger of the two logits of each slot, (1, 0), (0, 1) and (-1, 0), wherever one is.
    slots = asked(kernel, [[1.0, 2.0], [-30.0, 50.0]], [[0.0, 0.0]] * 2)
    np.testing.assert_array_equal(slots.values, [[0, 1, 1]] * 2)


def test_a_relative_kernel_learns_the_offset_of_the_target():
    # From (10, 20) to (10, 22) the offset is (0, 2): the same example as the target (0, 2) from the origin.
    relative = dataclasses.replace(kernel_of(), relative=True)
    examples = examples_of([[10.0, 22.0]], [1.0], [True])
    states = jnp.array([[[10.0, 20.0]]])
    shifted = dataclasses.replace(examples, context=dataclasses.replace(examples.context, states=states))
    outputs, metrics = learned(relative, shifted)
    expected_outputs, expected_metrics = learned(kernel_of(), examples_of([[0.0, 2.0]], [1.0], [True]))
    np.testing.assert_array_equal(outputs, expected_outputs)
    assert metrics == expected_metrics


def test_ids_have_no_differences():
    with pytest.raises(ValueError, match=r"Discrete\(num_elements=3\) has no differences .* relative must be False"):
        dataclasses.replace(kernel_of(), state_space=Discrete(3), relative=True)


def test_a_kernel_without_slots_is_refused():
    with pytest.raises(ValueError, match="at least one slot, not 0"):
        dataclasses.replace(kernel_of(), num_slots=0)


def test_the_goal_is_shown_as_it_is_unless_relative_is_asked_for():
    kernel = kernel_of()
    plain = NetworkKernel(
        state_space=kernel.state_space,
        target_space=kernel.target_space,
        num_slots=3,
        build=kernel.build,
        optimizer=kernel.optimizer,
    )
    assert (plain.relative, plain.loss) == (False, SlotLoss())


@pytest.mark.parametrize("num_slots", [1, 2])
def test_one_slot_is_enough(num_slots):
    kernel = dataclasses.replace(kernel_of(), build=Build(SLOTS[:num_slots]), num_slots=num_slots)
    outputs, metrics = learned(kernel, examples_of([[1.0, 0.0]], [0.0], [True]))
    # The first slot holds the example already; what others there are is held down.
    np.testing.assert_array_equal(outputs[0], SLOTS[0])
    expected = [0, np.log1p(np.exp(0.5))][num_slots - 1]
    assert metrics["suppression"] == pytest.approx(expected)
