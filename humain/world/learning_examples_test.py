"""What both layers learn from trajectories of five steps, all listed by hand."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric
from humain.environments.actions import DiscreteActions
from humain.kernels.network import NetworkState
from humain.layer import Layer
from humain.model import Model, ModelState
from humain.spaces import Continuous, Discrete
from humain.testing.imagining import SMALL
from humain.types import Slots
from humain.world import learning
from humain.world.dynamics import LinearDynamics
from humain.world.knowledge import Knowledge
from humain.world.limits import Limits
from humain.world.linear import LinearWorld, LinearWorldState
from humain.world.normalization import Normalizer

SPACE = Continuous(4)
FIVE_STEPS = dataclasses.replace(
    SMALL,
    pool_size=1,
    num_branches=2,
    branch_steps=5,
    num_pushes=1,
    subgoal_steps=2,
    action_examples=400,
    discount=0.5,
    explore=0.0,
    restart=0.0,
    goal_weights=(1.0, 0.0, 0.0, 0.0),
    closeness_width=1.0,
)

# States are x, x_dot, theta, theta_dot, and a step lasts a second. A push changes the cart's speed by 1 and the pole's
# by as much the other way; places change by the speeds before the push.
WEIGHTS = [
    [0, 0, 0, 0],
    [1, 0, 0, 0],
    [0, 0, 0, 0],
    [0, 0, 1, 0],
    [0, -1, 0, 1],  # to the left
    [0, 1, 0, -1],  # to the right
    [0, 0, 0, 0],
]
PUSHES = [[1, 1, 0, 1, 0], [0, 0, 1, 0, 1]]
TO_THE_RIGHT = [(0, 0, 0, 0), (0, 1, 0, -1), (1, 2, -1, -2), (3, 1, -3, -1), (4, 2, -4, -2), (6, 1, -6, -1)]
TO_THE_LEFT = [tuple(-value for value in state) for state in TO_THE_RIGHT]
GOAL = (1.0, 0.0, 0.0, 0.0)
BEYOND = 0.6


@dataclasses.dataclass(frozen=True)
class _Unasked:
    """A bottom kernel: nobody asks it for an action while it is trained."""

    num_slots: int = 1
    state_space: Continuous = SPACE
    target_space: Discrete = Discrete(2)


@dataclasses.dataclass(frozen=True)
class _Hopeful:
    """An upper kernel that scores everything alike."""

    num_slots: int = 1
    state_space: Continuous = SPACE
    target_space: Continuous = SPACE

    def recall(self, state, context, goals):
        del state, context
        return Slots(values=goals[:, None], scores=jnp.full((goals.shape[0], 1), BEYOND))


@dataclasses.dataclass(frozen=True)
class _ByHand(DiscreteActions):
    """Actions whose sequences are not drawn."""

    def draw_sequences(self, tendency_key, action_key, *, num_sequences, num_steps, num_parts):
        del tendency_key, action_key, num_parts
        assert (num_sequences, num_steps) == (2, 5)
        return jnp.array(PUSHES)


@dataclasses.dataclass(frozen=True)
class _Recording(Model):
    """Learns nothing; gives the examples back among its metrics."""

    def learn(self, state, examples):
        return state, {"examples": examples}


def model():
    kernels: tuple[Any, ...] = (_Unasked(), _Hopeful())
    return _Recording(layers=tuple(Layer(Cortex(kernel, Geometric(0.5))) for kernel in kernels), space=SPACE)


def knowledge(farthest):
    """A world whose trajectories end where x is more than `farthest`."""
    world = LinearWorldState(
        dynamics=LinearDynamics(weights=jnp.array(WEIGHTS, jnp.float32), root=jnp.zeros((7, 7))),
        limits=Limits(lower=jnp.full(4, -jnp.inf), upper=jnp.array([farthest, jnp.inf, jnp.inf, jnp.inf])),
        max_leverage=jnp.float32(1),
        num_steps=jnp.int32(1),
    )
    return Knowledge(
        world=world,
        normalizer=Normalizer(mean=jnp.zeros(4), scale=jnp.ones(4)),
        spread=jnp.ones(4),
        starts=jnp.zeros((1, 4)),
        num_starts=jnp.int32(1),
        lowest=-jnp.ones(4),
        highest=jnp.ones(4),
        target=jnp.zeros(4),
        free=jnp.zeros(4, bool),
    )


@pytest.fixture(scope="module", params=[1, 2], ids=("one judged", "both judged"))
def trained(request):
    """From where trajectories end to what an update gives, of the two trajectories from rest in the middle."""
    config = dataclasses.replace(FIVE_STEPS, num_judged=request.param)
    params: Any = {}
    nothing = NetworkState(params=params, optimizer=())
    begun = learning.ImaginationState(
        model=ModelState(kernels=(nothing, nothing), abstractions=()),
        slow={},
        states=jnp.zeros((1, 4)),
        goals=jnp.array([GOAL]),
        key=jax.random.key(0),
    )
    update = jax.jit(learning.build_update(config, model(), LinearWorld(_ByHand(2), max_leverage=1.0)))

    def train(farthest):
        after, metrics = update(begun, knowledge(farthest), jnp.int32(0))
        return after, metrics["examples"]

    return train


def listed(examples):
    """The distinct examples as (state, goal, target, score)."""
    assert np.all(examples.mask)
    assert np.all(examples.context.mask)
    np.testing.assert_array_equal(examples.context.features, examples.context.states)
    return set(
        zip(
            map(tuple, examples.context.states[:, -1].tolist()),
            map(tuple, examples.goals.tolist()),
            map(tuple, examples.targets.tolist()) if examples.targets.ndim > 1 else examples.targets.tolist(),
            examples.scores.tolist(),
            strict=True,
        )
    )


@pytest.mark.parametrize("farthest", [np.inf, 3.5])
def test_the_bottom_layer_of_five_steps(trained, farthest):
    # What lies one or two steps ahead was reached by the push that was made, and scores 0.5 or 0.5 ** 2; from the first
    # three states, so that all are asked for goals as far ahead. An end changes nothing: it was reached as well.
    _, examples = trained(farthest)
    right, left = TO_THE_RIGHT, TO_THE_LEFT
    assert listed(examples[0]) == {
        (right[0], right[1], 1, 0.5),
        (right[0], right[2], 1, 0.25),
        (right[1], right[2], 1, 0.5),
        (right[1], right[3], 1, 0.25),
        (right[2], right[3], 0, 0.5),
        (right[2], right[4], 0, 0.25),
        (left[0], left[1], 0, 0.5),
        (left[0], left[2], 0, 0.25),
        (left[1], left[2], 0, 0.5),
        (left[1], left[3], 0, 0.25),
        (left[2], left[3], 1, 0.5),
        (left[2], left[4], 1, 0.25),
    }


# x is 0, 1, 3, 4, 6 after the pushes to the right, and so 1, 0, 2, 3, 5 from the goal. Distances of 0.5 and more count
# 0.25 less, and closeness is 1 / (1 + that): 4/7, 1, 4/11, 4/15, 4/23; on the way to the left, with distances of 1, 2,
# 4, 5, 7, it is 4/7, 4/11, 4/19, 4/23, 4/31.
NEAR = [4 / 7 / 2, 1 / 4, 4 / 11 / 8, 4 / 15 / 16, 4 / 23 / 32]
LEFT_NEAR = [4 / 7 / 2, 4 / 11 / 4, 4 / 19 / 8, 4 / 23 / 16, 4 / 31 / 32]


@pytest.mark.parametrize(
    ("farthest", "best", "score"),
    [
        # All five states, and what the upper layer itself expects beyond them.
        (np.inf, TO_THE_RIGHT, sum(NEAR) + BEYOND / 32),
        # The fourth state, at 4, ends it: three states, and nothing beyond.
        (3.5, TO_THE_RIGHT, sum(NEAR[:3])),
        # It ends at 1 already: 4/14 is less than what the way to the left is worth.
        (0.5, TO_THE_LEFT, sum(LEFT_NEAR) + BEYOND / 32),
    ],
    ids=("endless", "ended", "ended at once"),
)
def test_the_upper_layer_of_five_steps(trained, farthest, best, score):
    # It should have asked for where the better way is after two steps.
    after, examples = trained(farthest)
    ((state, goal, target, found),) = listed(examples[1])
    assert (state, goal, target) == ((0, 0, 0, 0), GOAL, best[2])
    assert found == pytest.approx(score, rel=1e-6)
    # The pool goes on from there.
    assert after.states.tolist() == [list(best[2])]
