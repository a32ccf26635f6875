"""What every kernel must do. //humain/kernels:conformance_test runs these checks over all of them.

All kernels learn the same toy world of four states: the right answer depends on the previous state, the present state
and the goal, 64 queries in total. `CHECKS` hold for all settings. `LEARNING_CHECKS` require the known optimum after few
updates; a network whose slots are chosen by value reaches it much more slowly, since two answers that share a slot at
first separate only when another slot is nearer to one of them. A kernel that can't represent this world, as one that is
linear, has tests of its own of what it learns.
"""

import dataclasses
import pathlib
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax

from humain import saving
from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.kernels.kernel import Kernel, KernelState, Metrics
from humain.kernels.optimizers import Adam, Optimizer
from humain.kernels.slots import Access, Suppression
from humain.layer import Layer
from humain.model import Model, ModelState
from humain.spaces import Discrete
from humain.training import checkpoint
from humain.types import Array, Context, Examples, Slots

SPACE = Discrete(4)
CONTEXT_LENGTH = 3
_NUM_SLOTS = 4
_RIGHT = 0.9
_WRONG = 0.4
_NUM_UPDATES = 400
_OPTIMIZER = Adam(0.01, _NUM_UPDATES)
"""An optimiser whose learning rate falls to zero."""


class MakeKernel(Protocol):
    """Makes the kernel under test, for contexts of `CONTEXT_LENGTH` states of `SPACE` and targets in `SPACE`."""

    def __call__(self, *, num_slots: int, access: Access, suppression: Suppression, optimizer: Optimizer) -> Kernel:
        """Returns a kernel; settings that it does not have are ignored."""


@dataclasses.dataclass(frozen=True)
class KernelCase:
    """A kernel and what is expected of it.

    Attributes:
        make: makes the kernel.
        access: how slots are chosen.
        exact: True for a kernel that stores examples exactly, False for one that approximates them step by step.
        num_slots: how many hypotheses the kernel always has, or None if it has as many as it is made with.
        any_context_length: True for a kernel that reads contexts of any length, False for one that accepts only its
            own.
        classes: what `saving.load` has to be handed for it; the library's own kernels need nothing.
    """

    make: MakeKernel
    access: Access
    exact: bool
    num_slots: int | None = None
    any_context_length: bool = False
    classes: tuple[type, ...] = ()

    def kernel(
        self,
        *,
        num_slots: int = _NUM_SLOTS,
        suppression: Suppression = "per_slot",
        optimizer: Optimizer | None = None,
    ) -> Kernel:
        """Returns the kernel under test."""
        return self.make(
            num_slots=num_slots,
            access=self.access,
            suppression=suppression,
            optimizer=optimizer or _OPTIMIZER,
        )


def shapes_and_types(case: KernelCase, folder: pathlib.Path) -> None:
    """Slots have the interface's shapes, learning keeps the state's shapes and returns scalar metrics."""
    del folder
    kernel = case.kernel()
    before = kernel.init(jax.random.key(0))
    after, metrics = _learn(kernel, before, _examples())
    assert jax.tree.map(_shape, before) == jax.tree.map(_shape, after)
    assert metrics
    assert all(_shape(value) == ((), jnp.float32) for value in metrics.values())
    slots = _recall(kernel, after)
    num_slots = case.num_slots or _NUM_SLOTS
    assert kernel.num_slots == num_slots
    assert _shape(slots.values) == ((64, num_slots), jnp.int32)
    assert _shape(slots.scores) == ((64, num_slots), jnp.float32)
    assert np.all((slots.values >= 0) & (slots.values < 4))


def jit_changes_nothing(case: KernelCase, folder: pathlib.Path) -> None:
    """Jitted or not, learning and recall give the same."""
    del folder
    # Plain gradient descent: Adam's first step is as long for a gradient of 1e-9 as for one of 1.
    kernel = case.kernel(optimizer=optax.sgd(0.1))
    before = kernel.init(jax.random.key(0))
    _assert_close(case, kernel.learn(before, _examples()), _learn(kernel, before, _examples()))
    state = _trained(kernel, 3)
    _assert_close(case, kernel.recall(state, *_queries()), jax.jit(kernel.recall)(state, *_queries()))


def vmap_keeps_kernels_apart(case: KernelCase, folder: pathlib.Path) -> None:
    """Two kernels that learn different examples under vmap learn what each learns alone."""
    del folder
    kernel = case.kernel()
    keys = jax.random.split(jax.random.key(0))
    batches = [_examples(), dataclasses.replace(_examples(), targets=_examples().goals)]
    together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *batches)
    states = jax.vmap(kernel.init)(keys)
    states, _ = jax.jit(jax.vmap(kernel.learn))(states, together)
    slots = jax.vmap(kernel.recall, in_axes=(0, None, None))(states, *_queries())
    for number, examples in enumerate(batches):
        alone, _ = _learn(kernel, kernel.init(jax.random.split(jax.random.key(0))[number]), examples)
        _assert_close(case, _recall(kernel, alone), jax.tree.map(lambda leaf, at=number: leaf[at], slots))


def what_was_learned_is_fed_back_without_recompiling(case: KernelCase, folder: pathlib.Path) -> None:
    """The second update and the second query reuse the programs that the first ones compiled."""
    del folder
    kernel = case.kernel()
    traced = []

    @jax.jit
    def learn(state: KernelState, examples: Examples) -> Any:
        traced.append("learn")
        return kernel.learn(state, examples)[0]

    @jax.jit
    def recall(state: KernelState, context: Context, goals: Array) -> Any:
        traced.append("recall")
        return kernel.recall(state, context, goals)

    state = kernel.init(jax.random.key(0))
    for _ in range(3):
        state = learn(state, _examples())
        recall(state, *_queries())
    assert sorted(traced) == ["learn", "recall"]


def masked_examples_change_nothing(case: KernelCase, folder: pathlib.Path) -> None:
    """A masked example has no effect, and neither has a batch of masked examples."""
    del folder
    kernel = case.kernel()
    state = _trained(kernel, 3)
    examples = _examples()
    misleading = dataclasses.replace(
        examples, targets=examples.goals, scores=jnp.ones_like(examples.scores), mask=jnp.zeros_like(examples.mask)
    )
    untouched, _ = _learn(kernel, state, misleading)
    for before, after in zip(jax.tree.leaves(state), jax.tree.leaves(untouched), strict=True):
        np.testing.assert_array_equal(before, after)
    with_masked, without = _learn(kernel, state, _both(examples, misleading))[0], _learn(kernel, state, examples)[0]
    _assert_close(case, _recall(kernel, with_masked), _recall(kernel, without))


def padding_is_not_looked_at(case: KernelCase, folder: pathlib.Path) -> None:
    """The values in masked places of a context change neither what is learned nor what is recalled."""
    del folder
    kernel = case.kernel()
    examples, (context, goals) = _examples(), _queries()
    assert not np.all(context.mask)
    state = kernel.init(jax.random.key(0))
    state, same = (
        _learn(kernel, state, dataclasses.replace(examples, context=_repadded(examples.context, filler)))[0]
        for filler in (0, 3)
    )
    for before, after in zip(jax.tree.leaves(state), jax.tree.leaves(same), strict=True):
        np.testing.assert_array_equal(before, after)
    first, second = (kernel.recall(state, _repadded(context, filler), goals) for filler in (0, 3))
    np.testing.assert_array_equal(first.scores, second.scores)
    np.testing.assert_array_equal(first.values, second.values)


def the_better_of_two_answers_is_recalled(case: KernelCase, folder: pathlib.Path) -> None:
    """Each query has a right answer and a worse one that is seen twice as often: the right one is recalled."""
    del folder
    kernel = case.kernel()
    state = _trained(kernel, 4 if case.exact else _NUM_UPDATES)
    answer = Cortex(kernel, Linear(2)).answer(state, *_queries())
    np.testing.assert_array_equal(answer.value, _right_answers())
    assert np.all(answer.known)
    np.testing.assert_allclose(answer.score, _RIGHT, atol=1e-4 if case.exact else 0.1)


def what_is_worse_hardly_moves_what_was_better(case: KernelCase, folder: pathlib.Path) -> None:
    """The same answer gets score 0.8 half the time and 0.2 the other half: the learned score stays almost 0.8.

    With one slot there is no suppression. The slopes of the score's loss, 2 * 0.1 for what is worse and
    2 * 0.9 * (0.8 - s) / 0.05 for what is better, are equal at s = 0.8 - 0.05 / 9 = 0.794. The mean is 0.5.
    """
    del folder
    kernel = case.kernel(num_slots=1)
    good = dataclasses.replace(_right_examples(), scores=jnp.full(64, 0.8))
    bad = dataclasses.replace(good, scores=jnp.full(64, 0.2))
    state = _trained(kernel, 2 if case.exact else _NUM_UPDATES, _both(bad, good))
    scores = _recall(kernel, state).scores
    np.testing.assert_allclose(np.median(scores), 0.8 if case.exact else 0.794, atol=1e-4 if case.exact else 0.02)
    # A score that has overshot falls slowly, since worse examples hardly move it.
    np.testing.assert_allclose(scores, 0.8, atol=1e-4 if case.exact else 0.2)


def slots_that_were_not_written_are_held_down(case: KernelCase, folder: pathlib.Path) -> None:
    """If all examples are written to one slot, the others fall below any score, with either kind of suppression."""
    del folder
    suppressions: tuple[Suppression, ...] = ("per_slot", "log_sum_exp")
    for suppression in suppressions:
        kernel = case.kernel(suppression=suppression)
        slots = kernel.recall(_trained(kernel, 2 if case.exact else _NUM_UPDATES, _right_examples()), *_queries())
        scores = np.sort(slots.scores, axis=1)
        assert np.all(scores[:, :-1] < -0.3), suppression
        assert np.all(scores[:, -1] > 0.5), suppression


def extremes_leave_everything_finite(case: KernelCase, folder: pathlib.Path) -> None:
    """Scores at and beyond their limits, one repeated query and a large step give no infinity and no NaN."""
    del folder
    kernel = case.kernel(optimizer=optax.adam(0.5))
    examples = _examples()
    first = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[:1], leaf.shape), examples)
    extreme = dataclasses.replace(first, scores=jnp.tile(jnp.array([0.0, 1.0, -3.0, 3.0]), 48))
    state = kernel.init(jax.random.key(0))
    for _ in range(10):
        state, metrics = _learn(kernel, state, extreme)
        assert all(np.isfinite(value) for value in metrics.values())
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(state))
    slots = _recall(kernel, state)
    assert not np.any(np.isnan(slots.scores) | np.isposinf(slots.scores))


def saved_and_restored_it_recalls_the_same(case: KernelCase, folder: pathlib.Path) -> None:
    """A restored kernel recalls the same, and continues to learn the same."""
    kernel = case.kernel()
    state = _trained(kernel, 3)
    saver = checkpoint.Checkpointer(folder / "checkpoints", fingerprint="kernel")
    saver.save(3, state)
    restored = saver.restore(jax.eval_shape(kernel.init, jax.random.key(0)))
    assert restored is not None
    for _ in range(2):
        before, after = _recall(kernel, state), _recall(kernel, restored.state)
        np.testing.assert_array_equal(before.scores, after.scores)
        np.testing.assert_array_equal(before.values, after.values)
        state = _learn(kernel, state, _examples())[0]
        restored = dataclasses.replace(restored, state=_learn(kernel, restored.state, _examples())[0])


def saved_in_a_file_it_is_the_same(case: KernelCase, folder: pathlib.Path) -> None:
    """A model of the kernel comes back from its file equal, bit for bit; the library's own without their classes."""
    kernel = case.kernel()
    model = Model((Layer(Cortex(kernel, Linear(16)), context_length=CONTEXT_LENGTH),), SPACE)
    state = ModelState(kernels=(_trained(kernel, 3),), abstractions=(Skip(2),))
    saving.save(folder / "kernel.humain", model, state)
    loaded, loaded_state = saving.load(folder / "kernel.humain", classes=case.classes)
    assert loaded == model
    assert str(jax.tree.structure(loaded_state)) == str(jax.tree.structure(state))
    for before, after in zip(jax.tree.leaves(state), jax.tree.leaves(loaded_state), strict=True):
        assert (before.dtype, before.shape) == (after.dtype, after.shape)
        assert np.asarray(before).tobytes() == np.asarray(after).tobytes()


def kernels_made_alike_are_equal(case: KernelCase, folder: pathlib.Path) -> None:
    """Equality lets layers share an update and calls share a compilation; the optimiser must be equal too."""
    del folder
    optimizer = Adam(0.01)
    first, second = case.kernel(optimizer=optimizer), case.kernel(optimizer=Adam(0.01))
    assert first is not second
    assert first == second
    assert hash(first) == hash(second)
    if case.num_slots is None:
        assert first != case.kernel(optimizer=optimizer, num_slots=2)


def another_context_length_is_refused_or_read(case: KernelCase, folder: pathlib.Path) -> None:
    """A context longer than the kernel's is an error that says so, unless the kernel reads any length."""
    del folder
    kernel = case.kernel()
    state = _trained(kernel, 3)
    context, goals = _queries()
    longer = jax.tree.map(lambda leaf: jnp.concatenate([leaf[:, :1], leaf], axis=1), context)
    if case.any_context_length:
        assert np.all(np.isfinite(kernel.recall(state, longer, goals).scores))
        return
    try:
        kernel.recall(state, longer, goals)
    except ValueError as error:
        assert "context_length" in str(error), error
    else:
        raise AssertionError("a context of another length was accepted")


Check = Callable[[KernelCase, pathlib.Path], None]

CHECKS: tuple[Check, ...] = (
    shapes_and_types,
    jit_changes_nothing,
    vmap_keeps_kernels_apart,
    what_was_learned_is_fed_back_without_recompiling,
    masked_examples_change_nothing,
    padding_is_not_looked_at,
    extremes_leave_everything_finite,
    saved_and_restored_it_recalls_the_same,
    saved_in_a_file_it_is_the_same,
    kernels_made_alike_are_equal,
    another_context_length_is_refused_or_read,
)

LEARNING_CHECKS: tuple[Check, ...] = (
    the_better_of_two_answers_is_recalled,
    what_is_worse_hardly_moves_what_was_better,
    slots_that_were_not_written_are_held_down,
)


def _queries() -> tuple[Context, Array]:
    """Returns all 64 pairs of a context of two states and a goal; the oldest of the three places is padding."""
    before, present, goals = (jnp.asarray(ids.ravel(), jnp.int32) for ids in np.indices((4, 4, 4)))
    states = jnp.stack([jnp.zeros_like(before), before, present], axis=1)
    mask = jnp.broadcast_to(jnp.array([False, True, True]), states.shape)
    return Context(states=states, features=_features(states), mask=mask), goals


def _right_answers() -> np.ndarray:
    """Returns the right answer to each query, which depends on both states and the goal."""
    before, present, goals = (ids.ravel() for ids in np.indices((4, 4, 4)))
    return (before + 2 * present + goals) % 4


def _examples() -> Examples:
    """Returns 192 examples: each query's right answer once, and the next id twice."""
    context, goals = jax.tree.map(lambda leaf: jnp.concatenate([leaf] * 3), _queries())
    right = jnp.asarray(_right_answers(), jnp.int32)
    wrong = (right + 1) % 4
    return Examples(
        context=context,
        goals=goals,
        targets=jnp.concatenate([right, wrong, wrong]),
        scores=jnp.concatenate([jnp.full(64, _RIGHT), jnp.full(128, _WRONG)]),
        mask=jnp.ones(192, bool),
    )


def _right_examples() -> Examples:
    """Returns 64 examples: each query's right answer."""
    return jax.tree.map(lambda leaf: leaf[:64], _examples())


def _both(first: Examples, second: Examples) -> Examples:
    """Concatenates two batches."""
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), first, second)


def _features(states: Array) -> Array:
    """Returns one-hot features, scaled by the position."""
    return SPACE.encode(states) * jnp.array([0.5, -1.0, 1.5]).reshape(1, 3, 1)


def _repadded(context: Context, filler: int) -> Context:
    """Returns the same context with another state in its masked places."""
    states = jnp.where(context.mask, context.states, filler)
    return Context(states=states, features=_features(states), mask=context.mask)


def _trained(kernel: Kernel, num_updates: int, examples: Examples | None = None) -> KernelState:
    """Returns the kernel's state after `num_updates` updates on the same examples."""
    return _train(kernel, kernel.init(jax.random.key(0)), _examples() if examples is None else examples, num_updates)


@partial(jax.jit, static_argnames="kernel")
def _train(kernel: Kernel, state: KernelState, examples: Examples, num_updates: int) -> KernelState:
    return jax.lax.fori_loop(0, num_updates, lambda _, state: kernel.learn(state, examples)[0], state)


@partial(jax.jit, static_argnames="kernel")
def _learn(kernel: Kernel, state: KernelState, examples: Examples) -> tuple[KernelState, Metrics]:
    """Does one update; equal kernels share one compilation."""
    return kernel.learn(state, examples)


@partial(jax.jit, static_argnames="kernel")
def _recall(kernel: Kernel, state: KernelState) -> Slots:
    """Recalls the slots of all queries."""
    return kernel.recall(state, *_queries())


def _shape(leaf: Array) -> tuple[tuple[int, ...], Any]:
    return leaf.shape, leaf.dtype


def _assert_close(case: KernelCase, first: Any, second: Any) -> None:
    """Compares bit for bit if the kernel is exact, else up to float error."""
    for left, right in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        np.testing.assert_allclose(left, right, rtol=0, atol=0 if case.exact else 1e-4)
