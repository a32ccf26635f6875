"""What every part of the hippocampus that remembers an episode must do.

`CHECKS` are run by //humain/hippocampus:tests over all of them.
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
    """A part and what it is tried on.

    Attributes:
        begin: what it holds before an episode's first state.
        step: what it holds, and the state that is met, to what it holds then and what it says.
        refresh: what it holds, to what it holds when another episode begins.
        states: `[W, T, *S]`, episodes, the first two of which differ from half of T on.
    """

    begin: Callable[[], Any]
    step: Callable[[Any, Array], tuple[Any, Any]]
    refresh: Callable[[Any], Any]
    states: Array


def shapes_and_types_stay(case: MemoryCase, folder: pathlib.Path) -> None:
    """Memory is constant, however long an episode is: what is held has one shape and type throughout."""
    del folder
    held = case.begin()
    shapes = _shapes(held)
    for state in case.states[0]:
        held, _ = case.step(held, state)
        assert _shapes(held) == shapes
    assert _shapes(case.refresh(held)) == shapes


def jit_scan_and_vmap_change_nothing(case: MemoryCase, folder: pathlib.Path) -> None:
    """Many episodes at once, compiled, say what each says alone, state by state."""
    del folder
    _, together = jax.jit(jax.vmap(partial(_run, case)))(case.states)
    for number, states in enumerate(case.states):
        held = case.begin()
        for time, state in enumerate(states):
            held, said = case.step(held, state)
            _assert_equal(said, jax.tree.map(lambda leaf, at=(number, time): leaf[at], together))


def what_comes_later_changes_nothing(case: MemoryCase, folder: pathlib.Path) -> None:
    """What is said of a state depends on the past alone."""
    del folder
    half = case.states.shape[1] // 2
    assert np.any(case.states[0, half:] != case.states[1, half:])
    spliced = jnp.concatenate([case.states[0, :half], case.states[1, half:]])
    (_, first), (_, second) = _run(case, case.states[0]), _run(case, spliced)
    _assert_equal(jax.tree.map(lambda leaf: leaf[:half], first), jax.tree.map(lambda leaf: leaf[:half], second))


def the_past_makes_a_difference(case: MemoryCase, folder: pathlib.Path) -> None:
    """The same state is spoken of otherwise after other states."""
    del folder
    last = case.states[0, -1]
    held, _ = _run(case, case.states[0])
    fresh, used = jax.tree.leaves(case.step(case.begin(), last)[1]), jax.tree.leaves(case.step(held, last)[1])
    assert any(np.any(np.asarray(one) != np.asarray(other)) for one, other in zip(fresh, used, strict=True))


def a_refresh_begins_anew(case: MemoryCase, folder: pathlib.Path) -> None:
    """After it nothing is left of the episode before."""
    del folder
    held, _ = _run(case, case.states[0])
    _, expected = _run(case, case.states[1])
    _, said = jax.lax.scan(case.step, case.refresh(held), case.states[1])
    _assert_equal(said, expected)


def steps_do_not_recompile(case: MemoryCase, folder: pathlib.Path) -> None:
    """One compilation serves a whole episode."""
    del folder
    traced = list[bool]()

    @jax.jit
    def step(held: Any, state: Array) -> tuple[Any, Any]:
        traced.append(True)
        return case.step(held, state)

    held = case.begin()
    for state in case.states[0]:
        held, _ = step(held, state)
    assert len(traced) == 1


def saved_and_restored_it_goes_on(case: MemoryCase, folder: pathlib.Path) -> None:
    """What is held is all that decides the future."""
    half = case.states.shape[1] // 2
    held, _ = _run(case, case.states[0, :half])
    saver = checkpoint.Checkpointer(folder / "checkpoints", fingerprint="memory")
    saver.save(half, held)
    restored = saver.restore(jax.eval_shape(case.begin))
    assert restored is not None
    _, expected = jax.lax.scan(case.step, held, case.states[0, half:])
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
    """What is held after an episode `[T, *S]`, and what was said at each time."""
    return jax.lax.scan(case.step, case.begin(), states)


def _shapes(held: Any) -> Any:
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), held)


def _assert_equal(first: Any, second: Any) -> None:
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-6), first, second)
