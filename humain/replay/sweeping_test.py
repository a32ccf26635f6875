"""Prioritized sweeping: chains by hand, and random graphs against Floyd and Warshall."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.abstraction.skip import Skip
from humain.cortex import hindsight
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.kernels.table import Table, TableConfig
from humain.layer import Layer
from humain.model import Model, ModelState
from humain.replay import sweeping
from humain.spaces import Discrete
from humain.types import Trajectories

LONGEST = 64


def make(num_states: int, walks: list[list[int]]) -> tuple[Model, ModelState, hindsight.Experience]:
    space = Discrete(num_states)
    cortex = Cortex(kernel=TableConfig(num_slots=2).build(space, space), score_rule=Linear(LONGEST))
    model = Model(layers=(Layer(cortex=cortex),), space=space, group_layers=False)
    length = max(len(walk) for walk in walks)
    states = jnp.array([walk + [0] * (length - len(walk)) for walk in walks], jnp.int32)
    lengths = jnp.array([len(walk) for walk in walks], jnp.int32)
    experience = hindsight.gather(Trajectories(states=states, lengths=lengths), (Skip(2),))
    return model, model.init(jax.random.key(0), (Skip(2),)), experience


def kernel_of(model: Model) -> Table:
    kernel = model.layers[0].cortex.kernel
    assert isinstance(kernel, Table)
    return kernel


def resolution(model: Model) -> float:
    return 1 / (kernel_of(model).num_levels - 1)


def run(
    model: Model, state: ModelState, experience: hindsight.Experience, *, batch_size: int, max_updates: int
) -> tuple[ModelState, sweeping.Queue, int]:
    """Sweeps until nothing waits."""
    before = sweeping.predecessors(experience, kernel_of(model).state_space)
    queue = sweeping.begin(kernel_of(model).state_space, 4 * kernel_of(model).state_space.num_elements ** 2)

    @jax.jit
    def update(state: ModelState, queue: sweeping.Queue) -> tuple[ModelState, sweeping.Queue]:
        examples, queue = sweeping.sweep(
            model,
            state,
            experience=experience,
            before=before,
            queue=queue,
            batch_size=batch_size,
            resolution=resolution(model),
        )
        return model.learn(state, {0: examples})[0], queue

    for count in range(max_updates):
        if int(queue.size) == 0:
            return state, queue, count
        state, queue = update(state, queue)
    return state, queue, max_updates


def distances(model: Model, state: ModelState) -> np.ndarray:
    """Steps that the table believes in, `[N, N]`; infinite where it knows nothing."""
    count = kernel_of(model).state_space.num_elements
    packed = model.kernel_state(state, 0).packed
    best = np.asarray(packed).max(axis=1).reshape(count, count)
    kernel = kernel_of(model)
    bits = max(1, (count - 1).bit_length())
    scores = ((best >> bits) - 1) / (kernel.num_levels - 1)
    return np.where(best > 0, np.round((1 - scores) * LONGEST), np.inf)


def test_predecessors_name_each_different_step_once():
    # Steps 0 -> 1, 1 -> 2, 0 -> 1 again and 2 -> 1: two lead to 1, one to 2, none to 0.
    model, _, experience = make(3, [[0, 1, 2], [0, 1], [2, 1]])
    before = sweeping.predecessors(experience, kernel_of(model).state_space)
    np.testing.assert_array_equal(before.valid, [[False, False], [True, True], [True, False]])
    states = np.asarray(experience.trajectories.states)
    sources = states[np.asarray(before.walks), np.asarray(before.times)]
    assert sources[1].tolist() == [0, 2]
    assert sources[2, 0] == 1


def test_a_chain_is_closed_from_its_single_steps():
    # Three walks of one step: 0 -> 1, 1 -> 2, 2 -> 3. No walk has seen 0 -> 3, which takes 3 steps.
    model, state, experience = make(4, [[0, 1], [1, 2], [2, 3]])
    state, queue, _ = run(model, state, experience, batch_size=4, max_updates=50)
    assert int(queue.size) == 0
    expected = np.full((4, 4), np.inf)
    expected[0, 1] = expected[1, 2] = expected[2, 3] = 1
    expected[0, 2] = expected[1, 3] = 2
    expected[0, 3] = 3
    np.testing.assert_array_equal(distances(model, state), expected)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
@pytest.mark.parametrize("seed", [0, 1])
def test_equals_floyd_and_warshall_over_the_steps_seen(batch_size, seed):
    rng = np.random.default_rng(seed)
    present = rng.random((12, 12)) < 0.15
    np.fill_diagonal(present, False)
    walks = [[int(a), int(b)] for a, b in np.argwhere(present)]
    model, state, experience = make(12, walks)
    state, queue, _ = run(model, state, experience, batch_size=batch_size, max_updates=2000)
    assert int(queue.size) == 0
    assert int(queue.dropped) == 0
    reference = np.where(present, 1.0, np.inf)
    for middle in range(12):
        reference = np.minimum(reference, reference[:, middle, None] + reference[None, middle])
    np.fill_diagonal(reference, np.inf)  # a way back to where one stands is never asked for
    np.testing.assert_array_equal(distances(model, state), reference)


def test_an_improvement_learned_elsewhere_reaches_what_leads_to_it():
    # The table first closes 0 -> 1 -> 2 -> 3. Then it learns of a step 1 -> 3, so 0 -> 3 takes 2 steps and not 3.
    model, state, experience = make(4, [[0, 1], [1, 2], [2, 3], [1, 3]])
    first = make(4, [[0, 1], [1, 2], [2, 3]])[2]
    state, queue, _ = run(model, state, first, batch_size=4, max_updates=50)
    assert distances(model, state)[0, 3] == 3
    examples = hindsight.examples_between(
        experience,
        model.layers[0],
        number=0,
        walks=jnp.array([3]),
        times=jnp.array([0]),
        goal_times=jnp.array([1]),
        kept=jnp.array([0]),
    )
    better, queue = sweeping.enqueue_improvements(model, state, queue, examples, resolution=resolution(model))
    assert better.tolist() == [True]
    state, _ = model.learn(state, {0: examples})
    before = sweeping.predecessors(experience, kernel_of(model).state_space)
    swept, queue = sweeping.sweep(
        model, state, experience=experience, before=before, queue=queue, batch_size=1, resolution=resolution(model)
    )
    state, _ = model.learn(state, {0: swept})
    assert distances(model, state)[0, 3] == 2
    # What is known as well already does not wait again.
    better, queue = sweeping.enqueue_improvements(model, state, queue, examples, resolution=resolution(model))
    assert better.tolist() == [False]


def test_a_full_queue_counts_what_it_drops():
    model, state, experience = make(4, [[0, 1], [2, 1], [3, 1]])
    before = sweeping.predecessors(experience, kernel_of(model).state_space)
    queue = sweeping.begin(kernel_of(model).state_space, 4)
    # Taking one pair, (0, 0), makes room for one; nothing leads to 0. Taking (1, 1) next gives three, and two fit.
    _, queue = sweeping.sweep(
        model, state, experience=experience, before=before, queue=queue, batch_size=1, resolution=resolution(model)
    )
    assert (int(queue.size), int(queue.dropped)) == (3, 0)
    _, queue = sweeping.sweep(
        model, state, experience=experience, before=before, queue=queue, batch_size=1, resolution=resolution(model)
    )
    assert (int(queue.size), int(queue.dropped)) == (4, 1)


def test_a_queue_that_cannot_hold_the_goals_is_refused():
    with pytest.raises(ValueError, match="a queue of 3 does not hold 4 goals"):
        sweeping.begin(Discrete(4), 3)


def waiting(queue):
    """The pairs that wait, the one that has waited longest first."""
    places = (int(queue.first) + np.arange(int(queue.size))) % len(queue.states)
    return list(zip(queue.states[places].tolist(), queue.goals[places].tolist(), strict=True))


def test_a_queue_goes_round_at_its_end():
    queue = sweeping.begin(Discrete(3), 4)
    assert waiting(queue) == [(0, 0), (1, 1), (2, 2)]
    states, goals, there, queue = sweeping.take(queue, 2)
    assert (states.tolist(), goals.tolist(), there.tolist()) == ([0, 1], [0, 1], [True, True])
    queue = sweeping._push(queue, jnp.array([5, 6, 7]), jnp.array([8, 9, 1]), jnp.array([True, False, True]))
    assert (waiting(queue), int(queue.dropped)) == ([(2, 2), (5, 8), (7, 1)], 0)
    # One fits, and two are dropped.
    queue = sweeping._push(queue, jnp.array([3, 4, 0]), jnp.array([0, 0, 2]), jnp.ones(3, bool))
    assert (waiting(queue), int(queue.dropped)) == ([(2, 2), (5, 8), (7, 1), (3, 0)], 2)
    # More are asked for than wait.
    states, _, there, queue = sweeping.take(queue, 6)
    assert (states[:4].tolist(), there.tolist()) == ([2, 5, 7, 3], [True] * 4 + [False] * 2)
    assert (int(queue.size), int(queue.first)) == (0, 2)


def test_a_queue_of_all_goals_is_large_enough():
    assert waiting(sweeping.begin(Discrete(2), 2)) == [(0, 0), (1, 1)]


def test_who_stays_has_made_no_step():
    _, _, experience = make(3, [[1, 1], [2, 2]])
    before = sweeping.predecessors(experience, Discrete(3))
    assert before.valid.shape == (3, 1)
    assert not before.valid.any()


def test_the_bottom_layer_is_swept_by_default():
    assert sweeping.improvements.__kwdefaults__ == {"number": 0}
    assert sweeping.enqueue_improvements.__kwdefaults__ == {"number": 0}


def test_as_good_as_stored_and_a_little_more_is_no_improvement():
    model, state, experience = make(3, [[0, 1]])
    place = jnp.array([0])
    examples = hindsight.examples_between(
        experience, model.layers[0], number=0, walks=place, times=place, goal_times=place + 1, kept=place
    )
    state, _ = model.learn(state, {0: examples})
    queue = sweeping.begin(Discrete(3), 8)
    for more, better in ((0.0, False), (0.009, False), (0.011, True)):
        raised = dataclasses.replace(examples, scores=examples.scores + more)
        found, after = sweeping.enqueue_improvements(model, state, queue, raised, resolution=0.01)
        assert (found.tolist(), int(after.size)) == ([better], 3 + better)
