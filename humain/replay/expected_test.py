"""Sweeping with costs: a risky shortcut by hand, Dijkstra's algorithm, and value iteration in NumPy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.csgraph

from humain import learning
from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric, Linear, Return, ScoreRule
from humain.kernels.table import Table, TableConfig
from humain.layer import Layer
from humain.learning import LearningConfig, ReplayConfig
from humain.model import Model, ModelState
from humain.planning import think
from humain.replay import expected
from humain.replay.steps import Steps, make_steps
from humain.spaces import Discrete
from humain.training import loop
from humain.training.checkpoint import Checkpointer
from humain.types import Trajectories

LONGEST = 64


def make(num_places: int, rule: ScoreRule | None = None, capacity: int | None = None) -> tuple[Model, ModelState]:
    space = Discrete(num_places)
    kernel = TableConfig(num_slots=2, sparse_capacity=capacity).build(space, space)
    model = Model((Layer(Cortex(kernel, rule or Linear(LONGEST))),), space, group_layers=False)
    return model, model.init(jax.random.key(0), (Skip(2),))


def run(
    model: Model, state: ModelState, steps: Steps, *, batch_size: int, max_rounds: int = 1000, waiting=None
) -> tuple[ModelState, int]:
    """Sweeps until nothing waits; returns the number of updates too."""
    regions = expected.find_regions(state.abstractions, 0, steps.num_places)
    if waiting is None:
        waiting = expected.begin(model, state.abstractions, 0)

    @jax.jit
    def update(state: ModelState, waiting: jax.Array) -> tuple[ModelState, jax.Array]:
        examples, waiting = expected.sweep(
            model,
            state,
            number=0,
            steps=steps,
            regions=regions,
            waiting=waiting,
            batch_size=batch_size,
            max_rounds=max_rounds,
        )
        return model.learn(state, {0: examples})[0], waiting

    for count in range(10_000):
        if not np.any(waiting):
            return state, count
        state, waiting = update(state, waiting)
    raise AssertionError("goals still wait")


def recalled(model: Model, state: ModelState) -> tuple[np.ndarray, np.ndarray]:
    """The answers and scores `[N, N]` that the table has for each place and goal; 0 where it has none."""
    layer = model.layers[0]
    assert isinstance(layer.cortex.kernel, Table)
    count = layer.cortex.kernel.state_space.num_elements
    here, goals = (ids.ravel() for ids in jnp.meshgrid(jnp.arange(count), jnp.arange(count), indexing="ij"))
    answer = layer.cortex.answer(model.kernel_state(state, 0), layer.context(layer.begin(count**2), here, goals), goals)
    scores = jnp.where(answer.known, answer.score, 0)
    return np.asarray(answer.value).reshape(count, count), np.asarray(scores).reshape(count, count)


def value_iteration(steps: Steps, gain) -> np.ndarray:
    """Scores `[N, N]` by plain rounds over all choices; `gain(cost, onward)` is what a choice is worth."""
    aims, costs, ends, shares = (np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(steps))
    count = len(aims)
    values = np.eye(count)
    for _ in range(2000):
        new = np.eye(count)
        for place in range(count):
            for choice in np.flatnonzero(np.isfinite(costs[place])):
                onward = shares[place, choice] @ values[ends[place, choice].astype(int)]
                new[place] = np.maximum(new[place], gain(costs[place, choice], onward))
        np.fill_diagonal(new, 1)
        values = new
    return values


def random_steps(seed: int, *, num_successors: int, num_places: int = 14) -> Steps:
    rng = np.random.default_rng(seed)
    sources, aims = np.nonzero(rng.random((num_places, num_places)) < 0.2)
    others = rng.integers(0, num_places, (len(sources), num_successors - 1))
    shares = rng.dirichlet(np.r_[4.0, np.ones(num_successors - 1)], len(sources))
    return make_steps(
        num_places,
        sources,
        aims,
        rng.uniform(0.5, 3, len(sources)),
        successors=np.concatenate([aims[:, None], others], axis=1),
        probabilities=shares,
    )


@pytest.mark.parametrize(("risk", "first", "score"), [(0.1, 2, 1 - 5.2 / LONGEST), (0.5, 1, 1 - 8 / LONGEST)])
def test_a_risky_shortcut_is_taken_where_it_pays(risk, first, score):
    # From 0 to 3: by 1 in 4 + 4 = 8, or by 2 in 1 + 3 = 4, where the step from 2 to 3 ends in the trap 4 with the risk
    # p. Out of the trap it is 12 to 3. So the shortcut costs 1 + 3 + 12 p: 5.2 for a risk of 0.1 and 10 for 0.5, and
    # the ways cost the same at 1 / 3.
    sources, aims, costs = [0, 1, 0, 2, 4], [1, 3, 2, 3, 3], [4, 4, 1, 3, 12]
    ends = np.array([[1, 1], [3, 3], [2, 2], [3, 4], [3, 3]])
    shares = np.array([[1, 0], [1, 0], [1, 0], [1 - risk, risk], [1, 0]])
    steps = make_steps(5, sources, aims, costs, successors=ends, probabilities=shares)
    model, state = make(5)
    state, _ = run(model, state, steps, batch_size=2)
    answers, scores = recalled(model, state)
    assert answers[0, 3] == first
    np.testing.assert_allclose(scores[0, 3], score, atol=1e-6)


def test_a_trap_without_a_way_out_counts_as_the_longest_way():
    # 0 -> 1 costs 4, and ends in 2 for good one time in four: 3/4 (1 - 4/64 ...): the score is 3/4 - 4/64.
    steps = make_steps(3, [0], [1], [4], successors=np.array([[1, 2]]), probabilities=np.array([[0.75, 0.25]]))
    model, state = make(3)
    state, _ = run(model, state, steps, batch_size=3)
    answers, scores = recalled(model, state)
    np.testing.assert_allclose(scores[0, 1], 0.75 - 4 / LONGEST, atol=1e-6)
    # To the trap itself it is the other way about, and from it there is nothing.
    np.testing.assert_allclose(scores[0, 2], 0.25 - 4 / LONGEST, atol=1e-6)
    assert scores[2].tolist() == [0, 0, 0]


def test_trying_again_costs_what_a_geometric_series_sums_to():
    # A step of cost 2 that stays where it is every other time: 2 + 2/2 + 2/4 + ... = 4.
    steps = make_steps(2, [0], [1], [2], successors=np.array([[1, 0]]), probabilities=np.array([[0.5, 0.5]]))
    model, state = make(2)
    state, _ = run(model, state, steps, batch_size=2)
    np.testing.assert_allclose(recalled(model, state)[1][0, 1], 1 - 4 / LONGEST, atol=1e-6)


@pytest.mark.parametrize(("seed", "batch_size"), [(0, 1), (1, 5), (2, 64)])
def test_certain_steps_give_dijkstra_s_ways(seed, batch_size):
    steps = random_steps(seed, num_successors=1)
    model, state = make(14)
    state, _ = run(model, state, steps, batch_size=batch_size)
    valid = np.asarray(steps.valid)
    matrix = scipy.sparse.csr_array(
        (np.asarray(steps.costs)[valid], (np.nonzero(valid)[0], np.asarray(steps.aims)[valid])), shape=(14, 14)
    )
    reference = scipy.sparse.csgraph.dijkstra(matrix)
    answers, scores = recalled(model, state)
    off = ~np.eye(14, dtype=bool)
    found = np.where(scores > 0, (1 - scores) * LONGEST, np.inf)
    # Scores are stored as float32, which is 4e-6 here, for each of the steps.
    np.testing.assert_allclose(found[off], reference[off], atol=4e-5)
    # What is answered is the first step of such a way.
    for place, goal in np.argwhere(off & np.isfinite(reference)):
        step = matrix[place, answers[place, goal]]
        np.testing.assert_allclose(step + reference[answers[place, goal], goal], reference[place, goal], atol=4e-5)


@pytest.mark.parametrize("rule", ["linear", "geometric"])
@pytest.mark.parametrize("seed", [0, 1])
def test_uncertain_steps_give_the_values_of_plain_value_iteration(seed, rule):
    steps = random_steps(seed, num_successors=3)
    gain = {
        "linear": lambda cost, onward: np.clip(onward - cost / LONGEST, 0, 1),
        "geometric": lambda cost, onward: 0.9**cost * onward,
    }[rule]
    model, state = make(14, Linear(LONGEST) if rule == "linear" else Geometric(0.9))
    state, _ = run(model, state, steps, batch_size=5)
    reference = value_iteration(steps, gain)
    np.fill_diagonal(reference, 0)
    assert np.mean(reference > 0) > 0.5
    np.testing.assert_allclose(recalled(model, state)[1], reference, atol=1e-5)


def test_few_rounds_a_call_end_at_the_same_scores():
    steps = random_steps(3, num_successors=3)
    model, state = make(14)
    at_once, fewest = run(model, state, steps, batch_size=14)
    bit_by_bit, more = run(model, state, steps, batch_size=14, max_rounds=2)
    assert (fewest, more > 3) == (1, True)
    np.testing.assert_allclose(recalled(model, bit_by_bit)[1], recalled(model, at_once)[1], atol=1e-5)


def test_a_sparse_table_learns_the_same():
    steps = random_steps(4, num_successors=2)
    dense, sparse = make(14), make(14, capacity=256)
    one, other = (recalled(model, run(model, state, steps, batch_size=5)[0])[1] for model, state in (dense, sparse))
    np.testing.assert_array_equal(one, other)


def test_learning_broken_off_anywhere_ends_in_the_same_bits(tmp_path):
    steps = random_steps(5, num_successors=2)
    model, _ = make(14)
    config = LearningConfig(batch_size=4, replay=ReplayConfig(sweep_goals=4))
    walks = Trajectories.from_arrays(np.array([[0, 1, 2], [3, 4, 5]]))

    def begin() -> learning.Learner:
        return learning.begin(model, config, (Skip(2),), jax.random.key(0))

    data = learning.gather(model, config, begin().state, walks, steps=steps)
    chunk = loop.make_chunk(learning.build_update(model, config), 1)
    whole = loop.train(begin(), chunk, data=data, num_steps=6, chunk_steps=1).state
    # In between goals still wait, and they are saved with the rest.
    host = loop.Host(checkpointer=Checkpointer(tmp_path, fingerprint="f"))
    part = loop.train(begin(), chunk, data=data, num_steps=2, chunk_steps=1, host=host).state
    assert 0 < int(jnp.sum(part.waiting[0])) < 14
    again = loop.train(begin(), chunk, data=data, num_steps=6, chunk_steps=1, host=host)
    assert again.first_step == 2
    saved, kept = (
        dataclasses.replace(learner, key=jax.random.key_data(learner.key)) for learner in (again.state, whole)
    )
    for one, other in zip(jax.tree.leaves(saved), jax.tree.leaves(kept), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()


def test_learning_sweeps_by_steps_to_the_end_and_plans_by_them():
    # The path took 2 -> 3 after one time, and the step costs 2: such luck isn't learned.
    steps = make_steps(4, [0, 1, 2, 0], [1, 2, 3, 3], [1, 1, 2, 5])
    model, _ = make(4)
    config = LearningConfig(batch_size=1, replay=ReplayConfig(sweep_goals=2))
    learner = learning.begin(model, config, (Skip(2),), jax.random.key(0))
    data = learning.gather(model, config, learner.state, Trajectories.from_arrays([[2, 3]]), steps=steps)
    chunk = jax.jit(loop.make_chunk(learning.build_update(model, config), 4))
    learner, metrics = chunk(learner, data, jnp.int32(0))
    assert int(metrics["sweep/waiting"][-1]) == 0
    # The three steps cost 4 and the single one 5.
    plan = think(model, learner.state, [0], [3])
    assert plan.layers[0].states[0, :3].tolist() == [1, 2, 3]
    np.testing.assert_allclose(plan.layers[0].scores[0, 0], 1 - 4 / LONGEST, atol=1e-6)


def test_steps_and_what_sweeps_them_go_together():
    steps = random_steps(0, num_successors=1)
    walks = Trajectories.from_arrays([[0, 1]])
    model, state = make(14)
    sweeps = LearningConfig(batch_size=4, replay=ReplayConfig(sweep_goals=4))
    with pytest.raises(ValueError, match="steps and sweep_goals go together: hand steps over"):
        learning.gather(model, sweeps, state, walks)
    with pytest.raises(ValueError, match="steps and sweep_goals go together: set sweep_goals above 0"):
        learning.gather(model, LearningConfig(batch_size=4), state, walks, steps=steps)
    with pytest.raises(ValueError, match="there are steps of 14 places, and layer 0 has 15"):
        learning.gather(*(make(15)[0], sweeps, make(15)[1]), walks, steps=steps)
    with pytest.raises(ValueError, match="there is no layer 1 to sweep"):
        learning.build_update(model, LearningConfig(replay=ReplayConfig(sweep_goals=4, sweep_layer=1)))
    with pytest.raises(ValueError, match=r"sweep_batch_size \(2\) .* and sweep_goals \(4\)"):
        ReplayConfig(sweep_goals=4, sweep_batch_size=2)
    with pytest.raises(ValueError, match="sweep_rounds must be at least 1, not 0"):
        ReplayConfig(sweep_rounds=0)


def test_layers_that_can_not_be_swept_are_refused():
    space = Discrete(4)
    table = TableConfig().build(space, space)
    with pytest.raises(ValueError, match="there is no layer 1 to sweep"):
        expected.check(make(4)[0], 1)
    with pytest.raises(ValueError, match="layer 0 scores by returns"):
        expected.check(Model((Layer(Cortex(table, Return(0, 1))),), space), 0)
    actions = TableConfig().build(space, Discrete(2))
    with pytest.raises(ValueError, match="needs the table kernel with answers that are places"):
        expected.check(Model((Layer(Cortex(actions, Linear(4))),), space), 0)
    longer = TableConfig().build(space, space, context_length=2)
    with pytest.raises(ValueError, match="context_length of layer 0 to 1"):
        expected.check(Model((Layer(Cortex(longer, Linear(4)), context_length=2),), space), 0)
