"""The table against plain dictionaries, and at its limits. What all kernels do is in conformance_test."""

import itertools
from collections import defaultdict

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.kernels import slots as slots_lib
from humain.kernels.rows import DenseRows, SparseRows
from humain.kernels.table import Table, TableConfig
from humain.spaces import Discrete
from humain.types import Context, Examples

NUM_STATES = 6
LEARN = jax.jit(lambda kernel, state, examples: kernel.learn(state, examples), static_argnums=0)


def make(**settings):
    states, targets = (settings.pop(name, Discrete(NUM_STATES)) for name in ("state_space", "target_space"))
    context_length = settings.pop("context_length", 1)
    return TableConfig(**settings).build(states, targets, context_length=context_length)


def context_of(states):
    """Contexts of the present states `[B]` alone, or of whole contexts `[B, C]`."""
    states = jnp.asarray(states, jnp.int32)
    states = states[:, None] if states.ndim == 1 else states
    features = jnp.zeros((*states.shape, 1))
    return Context(states=states, features=features, mask=jnp.ones(states.shape, bool))


def examples_of(states, goals, targets, scores, mask=None):
    goals = jnp.asarray(goals, jnp.int32)
    return Examples(
        context=context_of(states),
        goals=goals,
        targets=jnp.asarray(targets, jnp.int32),
        scores=jnp.asarray(scores, jnp.float32),
        mask=jnp.ones(goals.shape, bool) if mask is None else jnp.asarray(mask),
    )


def learned(kernel, *batches):
    state = kernel.init(jax.random.key(0))
    for batch in batches:
        state, metrics = LEARN(kernel, state, batch)
    return state, metrics


def contents(kernel, state, question):
    """What is stored for one (state, goal): scores by value, as far as there is something."""
    slots = kernel.recall(state, context_of([question[0]]), jnp.asarray([question[1]], jnp.int32))
    pairs = [(int(v), float(s)) for v, s in zip(slots.values[0], slots.scores[0], strict=True) if s > -np.inf]
    assert len(dict(pairs)) == len(pairs), "a value is stored twice"
    return dict(pairs)


def random_batch(seed, size=40, num_states=NUM_STATES, num_targets=NUM_STATES, levels=50):
    rng = np.random.default_rng(seed)
    states, goals = rng.integers(0, num_states, (2, size))
    targets = rng.integers(0, num_targets, size)
    return examples_of(states, goals, targets, rng.integers(0, levels, size) / levels, rng.random(size) < 0.9)


def test_what_was_never_stored_is_not_known_and_changes_nothing():
    kernel = make(num_slots=2)
    state, _ = learned(kernel, examples_of([1], [2], [3], [0.5]))
    slots = kernel.recall(state, context_of([1, 4]), jnp.array([2, 2]))
    # The second slot of (1, 2) is empty, and so is all of (4, 2): the answer is to stay.
    np.testing.assert_array_equal(slots.values, [[3, 1], [4, 4]])
    np.testing.assert_array_equal(slots.scores[:, 1], [-np.inf, -np.inf])
    np.testing.assert_allclose(slots.scores[:, 0], [0.5, -np.inf], atol=1e-6)


def test_actions_that_are_not_known_are_0():
    kernel = make(target_space=Discrete(3))
    slots = kernel.recall(kernel.init(jax.random.key(0)), context_of([4]), jnp.array([5]))
    np.testing.assert_array_equal(slots.values, [[0, 0, 0, 0]])


@pytest.mark.parametrize("sparse_capacity", [None, 64])
@pytest.mark.parametrize("seed", range(3))
def test_one_at_a_time_the_best_values_stay(seed, sparse_capacity):
    # The reference: of all values met for a question, each with its best score, the best three.
    kernel = make(num_slots=3, sparse_capacity=sparse_capacity)
    batch = random_batch(seed, size=150, num_states=3)
    singles = jax.tree.map(lambda leaf: leaf[:, None], batch)
    state, _ = jax.lax.scan(kernel.learn, kernel.init(jax.random.key(0)), singles)
    met: dict[tuple[int, int], dict[int, float]] = defaultdict(dict)
    for at in np.flatnonzero(batch.mask):
        question = int(batch.context.states[at, 0]), int(batch.goals[at])
        value, score = int(batch.targets[at]), float(batch.scores[at])
        met[question][value] = max(score, met[question].get(value, 0.0))
    assert len(met) == 9
    for question, values in met.items():
        # Of equal scores the larger value stays, as the packed words are ordered.
        best = sorted(((score, value) for value, score in values.items()), reverse=True)[:3]
        assert contents(kernel, state, question) == pytest.approx({value: score for score, value in best}, abs=1e-6)


@pytest.mark.parametrize("access", ["value", "score"])
@pytest.mark.parametrize("seed", range(3))
def test_whole_batches_with_many_duplicates_equal_a_plain_loop(seed, access):
    kernel = make(num_slots=3, access=access)
    batches = [random_batch(10 * seed + number, size=60, num_states=2) for number in range(5)]
    state, _ = learned(kernel, *batches)
    # Slots of pairs (score, value), which Python compares as wanted.
    rows: dict[tuple[int, int], list] = defaultdict(lambda: [None] * 3)
    for batch in batches:
        before = {question: list(row) for question, row in rows.items()}
        for at in np.flatnonzero(batch.mask):
            question = int(batch.context.states[at, 0]), int(batch.goals[at])
            new = (float(batch.scores[at]), int(batch.targets[at]))
            row = before.get(question, [None] * 3)
            if access == "score":
                slot = int(slots_lib.score_ranks(batch.scores[at], 3))
            elif new[1] in [entry[1] for entry in row if entry]:
                slot = [entry[1] if entry else None for entry in row].index(new[1])
            else:
                ranked = [entry or (-1.0, 0) for entry in row]
                slot = ranked.index(min(ranked))
            rows[question][slot] = max(filter(None, [rows[question][slot], new]))
    for question, row in rows.items():
        slots = kernel.recall(state, context_of([question[0]]), jnp.array([question[1]]))
        expected = [entry[0] if entry else -np.inf for entry in row]
        np.testing.assert_allclose(slots.scores[0], expected, atol=1e-6)
        assert [entry[1] if entry else question[0] for entry in row] == slots.values[0].tolist()


@pytest.mark.parametrize("capacity", [64, 128])
@pytest.mark.parametrize("access", ["value", "score"])
def test_sparse_is_dense(access, capacity):
    # 36 questions in 64 places: collisions are the rule.
    dense, sparse = make(access=access), make(access=access, sparse_capacity=capacity)
    assert isinstance(dense.rows, DenseRows)
    assert isinstance(sparse.rows, SparseRows)
    batches = [random_batch(seed, size=64) for seed in range(6)]
    (dense_state, _), (sparse_state, metrics) = learned(dense, *batches), learned(sparse, *batches)
    assert metrics["refused"] == 0
    states, goals = (jnp.asarray(ids.ravel(), jnp.int32) for ids in np.indices((NUM_STATES, NUM_STATES)))
    first = dense.recall(dense_state, context_of(states), goals)
    second = sparse.recall(sparse_state, context_of(states), goals)
    np.testing.assert_array_equal(first.scores, second.scores)
    np.testing.assert_array_equal(first.values, second.values)


def test_questions_with_one_home_are_kept_apart():
    # Four questions for four places, all claimed in one batch: whatever their homes, each finds a place.
    kernel = make(sparse_capacity=4, num_slots=1)
    questions = [(0, 1), (0, 2), (5, 1), (3, 3)]
    states, goals = zip(*questions, strict=True)
    state, metrics = learned(kernel, examples_of(states, goals, [1, 2, 3, 4], [0.1, 0.2, 0.3, 0.4]))
    assert metrics["refused"] == 0
    for target, question in enumerate(questions, start=1):
        assert contents(kernel, state, question) == pytest.approx({target: target / 10})


def test_a_full_table_counts_what_it_refuses_and_keeps_what_it_has():
    kernel = make(sparse_capacity=2, num_slots=1)
    first = examples_of([0, 1], [1, 2], [1, 2], [0.5, 0.5])
    # Two new questions, one of them twice: three refusals. The question that has its row is still improved.
    second = examples_of([2, 3, 3, 0], [0, 0, 0, 1], [3, 3, 3, 4], [0.9, 0.9, 0.9, 0.9])
    state, metrics = learned(kernel, first, second)
    assert metrics["refused"] == 3
    assert contents(kernel, state, (0, 1)) == pytest.approx({4: 0.9})
    assert contents(kernel, state, (1, 2)) == pytest.approx({2: 0.5})
    assert contents(kernel, state, (2, 0)) == contents(kernel, state, (3, 0)) == {}


def test_probing_ends_after_the_largest_number_of_probes():
    space = Discrete(NUM_STATES)
    kernel = Table(
        state_space=space, target_space=space, num_slots=1, context_length=1, rows=SparseRows(64, max_probes=1)
    )
    states, goals = (ids.ravel() for ids in np.indices((NUM_STATES, NUM_STATES)))
    state, metrics = learned(kernel, examples_of(states, goals, goals, np.full(36, 0.5)))
    stored = sum(bool(contents(kernel, state, question)) for question in itertools.product(range(6), range(6)))
    assert 0 < stored < 36  # with a single probe, questions whose homes meet shut each other out
    assert metrics["refused"] == 36 - stored


@pytest.mark.parametrize("num_targets", [1, 2, 3, 16, 17, 1000, 2**24])
def test_scores_keep_their_order_at_the_ends_too(num_targets):
    kernel = make(target_space=Discrete(num_targets), num_slots=1)
    assert kernel.num_levels >= 64
    # As many levels as there are, and no more than 2**12 of them, spread from 0 to 1.
    scores = np.linspace(0, 1, min(kernel.num_levels, 2**12), dtype=np.float32)
    recalled = []
    for value in {0, num_targets - 1}:
        rows = learned_each(kernel, np.full(len(scores), value), scores)
        recalled.append(rows.scores[:, 0])
        np.testing.assert_array_equal(rows.values[:, 0], value)
        assert np.all(np.diff(rows.scores[:, 0]) > 0)
        np.testing.assert_allclose(rows.scores[:, 0], scores, atol=0.51 / (kernel.num_levels - 1) + 1e-7)
    np.testing.assert_array_equal(recalled[0], recalled[-1])


def learned_each(kernel, targets, scores):
    """What a table of its own recalls for each target and score."""

    def one(target, score):
        batch = examples_of([3], [2], [0], [0.0])
        batch = batch.replace(targets=target[None], scores=score[None])
        state, _ = kernel.learn(kernel.init(jax.random.key(0)), batch)
        slots = kernel.recall(state, batch.context, batch.goals)
        return jax.tree.map(lambda leaf: leaf[0], slots)

    return jax.jit(jax.vmap(one))(jnp.asarray(targets, jnp.int32), jnp.asarray(scores, jnp.float32))


def test_a_better_score_wins_over_a_larger_value():
    kernel = make(num_slots=1)
    state, _ = learned(kernel, examples_of([0, 0, 0], [1, 1, 1], [5, 0, 4], [0.3, 0.31, 0.2]))
    assert contents(kernel, state, (0, 1)) == pytest.approx({0: 0.31})


def test_scores_beyond_the_ends_are_the_ends():
    kernel = make(num_slots=1)
    state, _ = learned(kernel, examples_of([0, 1], [0, 0], [1, 1], [7.0, -7.0]))
    assert contents(kernel, state, (0, 0)) == {1: 1.0}
    assert contents(kernel, state, (1, 0)) == {1: 0.0}


@pytest.mark.parametrize("sparse_capacity", [None, 16])
def test_ids_at_their_limits(sparse_capacity):
    kernel = make(sparse_capacity=sparse_capacity, num_slots=1)
    corners = [(0, 0), (0, 5), (5, 0), (5, 5)]
    states, goals = zip(*corners, strict=True)
    state, _ = learned(kernel, examples_of(states, goals, [5, 0, 5, 0], [0.1, 0.2, 0.3, 1.0]))
    found = [contents(kernel, state, question) for question in corners]
    assert found == [pytest.approx(one) for one in ({5: 0.1}, {0: 0.2}, {5: 0.3}, {0: 1.0})]
    assert sum(bool(contents(kernel, state, q)) for q in itertools.product(range(6), range(6))) == 4


@pytest.mark.parametrize("sparse_capacity", [None, 2**12])
def test_every_context_has_its_own_row(sparse_capacity):
    # Contexts of up to three states out of 4: 4 alone, 16 of two, 16 of two with a gap between them, 64 of three.
    space = Discrete(4)
    config = TableConfig(num_slots=1, sparse_capacity=sparse_capacity)
    kernel = config.build(space, Discrete(100), context_length=3)
    states = np.array(list(itertools.product(range(4), repeat=3)))
    contexts = np.concatenate([states[:4] * 0 + np.arange(4)[:, None], states[:16], states[:16][:, [1, 0, 2]], states])
    masks = np.array([[0, 0, 1]] * 4 + [[0, 1, 1]] * 16 + [[1, 0, 1]] * 16 + [[1, 1, 1]] * 64, bool)
    features = jnp.zeros((100, 3, 1))
    context = Context(states=jnp.asarray(contexts, jnp.int32), features=features, mask=jnp.asarray(masks))
    batch = examples_of([0] * 100, [2] * 100, np.arange(100), [0.5] * 100).replace(context=context)
    state, _ = learned(kernel, batch)
    slots = kernel.recall(state, context, batch.goals)
    np.testing.assert_array_equal(slots.values[:, 0], np.arange(100))


@pytest.mark.parametrize(("state", "goal"), [(2, 6), (6, 2), (-1, 2), (2, -1)])
def test_what_lies_just_outside_the_space_is_neither_stored_nor_found(state, goal):
    # By arithmetic 2 -> 6 would have the row of 3 -> 0.
    kernel = make(num_slots=1)
    stored, metrics = learned(kernel, examples_of([state], [goal], [1], [0.5]))
    assert not np.any(stored.packed)
    assert metrics["improved"] == 0
    full, _ = learned(kernel, *(examples_of([here] * 6, range(6), [1] * 6, [0.5] * 6) for here in range(6)))
    assert contents(kernel, full, (state, goal)) == {}
    assert contents(kernel, full, (5, 5)) == pytest.approx({1: 0.5})


def test_the_improvement_is_counted():
    kernel = make(num_slots=1)
    batch = examples_of([0, 1, 2, 3], [0] * 4, [1] * 4, [0.5] * 4, [True, True, True, False])
    state, metrics = learned(kernel, batch)
    assert metrics["improved"] == 0.75
    _, metrics = LEARN(kernel, state, batch.replace(scores=jnp.array([0.6, 0.5, 0.4, 0.9])))
    assert metrics["improved"] == 0.25


def test_the_table_chooses_how_it_keeps_its_rows():
    # 1000 states: 10**6 questions of 4 slots are 4 * 10**6, just within 2**22; 1100 states are too many.
    assert make(state_space=Discrete(1000)).rows == DenseRows(1000, 1000)
    # 1100**2 / 2 = 605,000 questions need 20 bits.
    assert make(state_space=Discrete(1100)).rows == SparseRows(2**20)
    assert make(state_space=Discrete(100_000)).rows == SparseRows(2**22)
    assert make(sparse_capacity=8).rows == SparseRows(8)


def test_a_config_of_a_capacity_that_can_not_be_is_refused_before_anything_is_built():
    with pytest.raises(ValueError, match="power of two, not 12"):
        TableConfig(sparse_capacity=12)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: make(num_slots=0), "num_slots must be at least 1, not 0"),
        (lambda: make(sparse_capacity=12), "power of two, not 12"),
        (lambda: make(target_space=Discrete(2**26)), "leaves 30 levels for the score; it needs 64"),
        (lambda: make(state_space=Discrete(2000), context_length=3), "2000 make .* use a shorter context_length"),
        (lambda: make(access="best"), "'value' or 'score', not 'best'"),
        (lambda: make(context_length=0), "context_length must be at least 1, not 0"),
    ],
)
def test_what_makes_no_table_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_without_the_last_but_one_state_a_context_is_another():
    kernel = make(context_length=2)
    states = jnp.array([[2, 4], [2, 4]], jnp.int32)
    context = Context(states=states, features=jnp.zeros((2, 2, 1)), mask=jnp.array([[True, True], [False, True]]))
    batch = examples_of([0, 0], [1, 1], [3, 5], [0.5, 0.5]).replace(context=context)
    state, _ = learned(kernel, batch)
    slots = kernel.recall(state, context, batch.goals)
    assert slots.values[:, 0].tolist() == [3, 5]
    # What is stored of nothing is the present state, the last one.
    assert slots.values[:, 1].tolist() == [4, 4]


def test_dense_rows_up_to_four_million_slots():
    # 2**10 states are 2**20 questions: four slots just fit into 2**22, five do not.
    assert make(state_space=Discrete(2**10)).rows == DenseRows(2**10, 2**10)
    assert make(state_space=Discrete(2**10), num_slots=5).rows == SparseRows(2**20)
    # Of 2**15 states half of all questions are 2**29, more than 2**22 rows.
    assert make(state_space=Discrete(2**15)).rows == SparseRows(2**22)


def test_as_many_contexts_as_an_id_can_number():
    # 46340 * 46341 is just below 2**31, 46341 * 46342 just above.
    assert make(state_space=Discrete(46_340), context_length=2).context_length == 2
    with pytest.raises(ValueError, match="46341 make .* more than a table can number"):
        make(state_space=Discrete(46_341), context_length=2)
