"""What every part of the hippocampus with a memory of the episode must do.

//humain/hippocampus:tests runs `CHECKS` over all of them.
"""

import dataclasses
import pathlib
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from humain.training import checkpoint
from humain.types import Array


@dataclasses.dataclass(frozen=True)
class MemoryCase:
    """A part, as functions of its memory, and the episodes that it is checked on.

    Attributes:
        begin: the carry, a pytree that is the part's memory, before an episode's first state.
        step: `(carry, state) -> (carry, output)`, for the next state of the episode.
        refresh: `carry -> carry`, at the beginning of another episode.
        states: `[W, T, *S]`, episodes; the first two are equal up to T / 2 and differ from there on.
    """

    begin: Callable[[], Any]
    step: Callable[[Any, Array], tuple[Any, Any]]
    refresh: Callable[[Any], Any]
    states: Array


def shapes_and_types_stay(case: MemoryCase, folder: pathlib.Path) -> None:
    """The memory keeps its shapes and dtypes, however long an episode is."""
    del folder
    carry = case.begin()
    shapes = _shapes(carry)
    for state in case.states[0]:
        carry, _ = case.step(carry, state)
        assert _shapes(carry) == shapes
    assert _shapes(case.refresh(carry)) == shapes


def jit_scan_and_vmap_change_nothing(case: MemoryCase, folder: pathlib.Path) -> None:
    """Many episodes under jit, scan and vmap give what each gives alone, state by state."""
    del folder
    _, together = jax.jit(jax.vmap(partial(_run, case)))(case.states)
    for number, states in enumerate(case.states):
        carry = case.begin()
        for time, state in enumerate(states):
            carry, said = case.step(carry, state)
            _assert_equal(said, jax.tree.map(lambda leaf, at=(number, time): leaf[at], together))


def what_comes_later_changes_nothing(case: MemoryCase, folder: pathlib.Path) -> None:
    """The output at a state depends only on the past."""
    del folder
    half = case.states.shape[1] // 2
    assert np.any(case.states[0, half:] != case.states[1, half:])
    spliced = jnp.concatenate([case.states[0, :half], case.states[1, half:]])
    (_, first), (_, second) = _run(case, case.states[0]), _run(case, spliced)
    _assert_equal(jax.tree.map(lambda leaf: leaf[:half], first), jax.tree.map(lambda leaf: leaf[:half], second))


def the_past_makes_a_difference(case: MemoryCase, folder: pathlib.Path) -> None:
    """The same state gives another output after other states."""
    del folder
    last = case.states[0, -1]
    carry, _ = _run(case, case.states[0])
    fresh, used = jax.tree.leaves(case.step(case.begin(), last)[1]), jax.tree.leaves(case.step(carry, last)[1])
    assert any(np.any(np.asarray(one) != np.asarray(other)) for one, other in zip(fresh, used, strict=True))


def a_refresh_begins_anew(case: MemoryCase, folder: pathlib.Path) -> None:
    """After a refresh nothing is left of the previous episode."""
    del folder
    carry, _ = _run(case, case.states[0])
    _, expected = _run(case, case.states[1])
    _, said = jax.lax.scan(case.step, case.refresh(carry), case.states[1])
    _assert_equal(said, expected)


def steps_do_not_recompile(case: MemoryCase, folder: pathlib.Path) -> None:
    """A whole episode needs one compilation."""
    del folder
    traced = list[bool]()

    @jax.jit
    def step(carry: Any, state: Array) -> tuple[Any, Any]:
        traced.append(True)
        return case.step(carry, state)

    carry = case.begin()
    for state in case.states[0]:
        carry, _ = step(carry, state)
    assert len(traced) == 1


def saved_and_restored_it_goes_on(case: MemoryCase, folder: pathlib.Path) -> None:
    """The memory, saved and restored, determines all later outputs."""
    half = case.states.shape[1] // 2
    carry, _ = _run(case, case.states[0, :half])
    saver = checkpoint.Checkpointer(folder / "checkpoints", fingerprint="memory")
    saver.save(half, carry)
    restored = saver.restore(jax.eval_shape(case.begin))
    assert restored is not None
    _, expected = jax.lax.scan(case.step, carry, case.states[0, half:])
    _, said = jax.lax.scan(case.step, restored.state, case.states[0, half:])
    _assert_equal(said, expected)


CHECKS: tuple[Callable[[MemoryCase, pathlib.Path], None], ...] = (
    shapes_and_types_stay,
    jit_scan_and_vmap_change_nothing,
    what_comes_later_changes_nothing,
    the_past_makes_a_difference,
    a_refresh_begins_anew,
    steps_do_not_recompile,
    saved_and_restored_it_goes_on,
)


def _run(case: MemoryCase, states: Array) -> tuple[Any, Any]:
    """Returns the memory after an episode `[T, *S]`, and the outputs at each time."""
    return jax.lax.scan(case.step, case.begin(), states)


def _shapes(carry: Any) -> Any:
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), carry)


def _assert_equal(first: Any, second: Any) -> None:
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-6), first, second)
