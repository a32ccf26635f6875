"""Sparse rows in C++ against those in JAX: what is stored, what is found, and what a table makes of it."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain import errors
from humain.kernels.rows import Index, SparseRows
from humain.kernels.table import Table
from humain.native import sparse_rows
from humain.native.sparse_rows import NativeSparseRows
from humain.spaces import Discrete
from humain.types import Context, Examples


def _questions(size: int, *, num_ids: int = 50, seed: int = 0) -> tuple[jax.Array, jax.Array]:
    drawn = np.random.default_rng(seed).integers(0, num_ids, (2, size)).astype(np.int32)
    return jnp.asarray(drawn[0]), jnp.asarray(drawn[1])


def _stored(index: Index) -> set[tuple[int, int]]:
    pairs = zip(index.contexts.tolist(), index.goals.tolist(), strict=True)
    return {(context, goal) for context, goal in pairs if context >= 0}


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 500])
def test_what_is_stored_is_found_by_both(size):
    rows, reference = NativeSparseRows(1024), SparseRows(1024)
    contexts, goals = _questions(size)
    mask = jnp.arange(size) % 5 != 0
    index, located = rows.locate(rows.init(), contexts, goals, mask)
    assert _stored(index) == _stored(reference.locate(reference.init(), contexts, goals, mask)[0])
    assert int(index.refused) == 0
    others = _questions(300, seed=1)
    for asked in ((contexts, goals), others):
        np.testing.assert_array_equal(rows.find(index, *asked), reference.find(index, *asked))
    np.testing.assert_array_equal(np.asarray(located)[~np.asarray(mask)], 1024)
    np.testing.assert_array_equal(
        np.asarray(located)[np.asarray(mask)], np.asarray(rows.find(index, contexts, goals))[np.asarray(mask)]
    )


def test_an_index_that_the_reference_has_filled_is_filled_on():
    rows, reference = NativeSparseRows(1024), SparseRows(1024)
    contexts, goals = _questions(400)
    index, before = reference.locate(reference.init(), contexts, goals, jnp.ones(400, bool))
    more, found = rows.locate(index, contexts, goals, jnp.ones(400, bool))
    np.testing.assert_array_equal(found, before)
    assert _stored(more) == _stored(index)
    # What was not given away is as it was.
    assert len(_stored(rows.locate(index, *_questions(100, seed=2), jnp.ones(100, bool))[0])) > len(_stored(index))
    assert _stored(more) == _stored(index)


@pytest.mark.parametrize("rows", [NativeSparseRows(4), SparseRows(4)])
def test_a_full_index_refuses(rows):
    # Ten different questions, four entries.
    contexts = jnp.arange(10, dtype=jnp.int32)
    index, located = rows.locate(rows.init(), contexts, contexts, jnp.ones(10, bool))
    assert int(index.refused) == 6
    assert sorted(located.tolist()) == [0, 1, 2, 3, *[4] * 6]
    np.testing.assert_array_equal(rows.find(index, contexts, contexts), located)


def test_a_table_answers_the_same_on_both():
    space = Discrete(30)

    def learned(rows):
        table = Table(state_space=space, target_space=space, num_slots=3, context_length=1, rows=rows)
        learn = jax.jit(table.learn, donate_argnums=0)
        state = table.init(jax.random.key(0))
        for seed in range(5):
            states, goals = _questions(200, num_ids=30, seed=seed)
            targets, _ = _questions(200, num_ids=30, seed=seed + 100)
            context = Context(states=states[:, None], features=jnp.zeros((200, 1, 1)), mask=jnp.ones((200, 1), bool))
            examples = Examples(
                context=context, goals=goals, targets=targets, scores=targets / 30, mask=jnp.arange(200) % 7 != 0
            )
            state, metrics = learn(state, examples)
        assert learn._cache_size() == 1  # type: ignore[attr-defined]
        return table.recall(state, context, goals), metrics

    found, expected = learned(NativeSparseRows(1024)), learned(SparseRows(1024))
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_vmap_is_a_loop():
    rows = NativeSparseRows(64)
    contexts, goals = (ids.reshape(3, 10) for ids in _questions(30))
    indices = jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), rows.init())
    found, located = jax.vmap(rows.locate)(indices, contexts, goals, jnp.ones((3, 10), bool))
    for number in range(3):
        index, expected = rows.locate(rows.init(), contexts[number], goals[number], jnp.ones(10, bool))
        np.testing.assert_array_equal(located[number], expected)
        np.testing.assert_array_equal(found.contexts[number], index.contexts)


@pytest.mark.parametrize(("num_goals", "num_masks"), [(4, 5), (1, 5), (5, 4), (5, 6)])
def test_questions_of_different_shapes_are_refused(num_goals, num_masks):
    rows = NativeSparseRows(8)
    index, contexts = rows.init(), jnp.arange(5, dtype=jnp.int32)
    goals, mask = jnp.zeros(num_goals, jnp.int32), jnp.ones(num_masks, bool)
    message = rf"contexts \(5,\), goals \({num_goals},\), mask \({num_masks},\); broadcast them"
    for locate in (rows.locate, jax.jit(rows.locate)):
        with pytest.raises(ValueError, match=message):
            locate(index, contexts, goals, mask)
    if num_goals != 5:
        with pytest.raises(ValueError, match=rf"contexts \(5,\), goals \({num_goals},\); broadcast them"):
            rows.find(index, contexts, goals)


def test_an_index_of_another_capacity_is_refused():
    index, questions = SparseRows(4).init(), _questions(3)
    for call in (
        lambda: NativeSparseRows(8).find(index, *questions),
        lambda: NativeSparseRows(8).locate(index, *questions, jnp.ones(3, bool)),
    ):
        with pytest.raises(
            ValueError, match=r"an index of 8 rows .* this one has \(4,\) and \(4,\); make it with init"
        ):
            call()


def _call(
    target: str, *, table: tuple[int, int] = (4, 4), contexts: int = 3, goals: int = 3, masks: int = 3, rows: int = 3
) -> None:
    """Calls an operation past what Python checks, with arrays of these sizes."""
    sparse_rows._register()
    sizes = (*table, contexts, goals)
    arguments = [jnp.zeros(size, jnp.int32) for size in sizes]
    results = [jax.ShapeDtypeStruct((rows,), jnp.int32)]
    if target == sparse_rows._LOCATE:
        arguments.append(jnp.ones(masks, bool))
        before = [jax.ShapeDtypeStruct((size,), jnp.int32) for size in table]
        results = [*before, *results, jax.ShapeDtypeStruct((), jnp.int32)]
    jax.block_until_ready(jax.ffi.ffi_call(target, results)(*arguments, max_probes=np.int64(4)))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"table": (4, 2)}, "the index has 4 contexts and 2 goals"),
        ({"table": (3, 3)}, "the index has 3 entries; there must be a power of two"),
        ({"table": (0, 0)}, "the index has 0 entries; there must be a power of two"),
        ({"goals": 2}, "3 contexts, 2 goals and 3 rows are asked for"),
        ({"rows": 2}, "3 contexts, 3 goals and 2 rows are asked for"),
    ],
)
@pytest.mark.parametrize("target", [sparse_rows._FIND, sparse_rows._LOCATE])
def test_the_operations_themselves_refuse_what_would_lead_out_of_bounds(target, sizes, message):
    _call(target)
    with pytest.raises(jax.errors.JaxRuntimeError, match=f"INVALID_ARGUMENT: {message}"):
        _call(target, **sizes)


def test_locate_itself_refuses_a_mask_of_another_size():
    with pytest.raises(jax.errors.JaxRuntimeError, match="INVALID_ARGUMENT: the mask has 2 elements for 3 questions"):
        _call(sparse_rows._LOCATE, masks=2)


def test_a_library_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path):
    assert sparse_rows.missing() == ""
    monkeypatch.setattr(sparse_rows, "_LIBRARY", tmp_path / "libsparse_rows.so")
    sparse_rows._register.cache_clear()
    rows = NativeSparseRows(4)
    with pytest.raises(errors.UserError, match=r"libsparse_rows\.so is not built"):
        rows.find(rows.init(), *_questions(3))
