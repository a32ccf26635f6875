"""`train` in one call: what it learns, that it can be broken off anywhere, and what it refuses."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain import acting, building, errors, planning, training_run
from humain.abstraction.bridges import find_bridges
from humain.abstraction.skip import Skip
from humain.cortex.scores import Geometric
from humain.kernels.linear import LinearConfig
from humain.learning import LearningConfig, ReplayConfig
from humain.spaces import Discrete
from humain.testing import stacks
from humain.training import checkpoint
from humain.training.metrics import read_metrics
from humain.types import Trajectories

_PLACES = 12
_WALKS = Trajectories.from_arrays(np.random.default_rng(0).integers(-1, 2, (200, 30)).cumsum(axis=1) % _PLACES)

# Four communities of three, each joined to the next one round the ring by a single step.
_BRIDGED = Trajectories.from_arrays(
    [(a, b) for a in range(12) for b in range(12) if (b - a) % 12 in (1, 11) or (a // 3 == b // 3 and a != b)]
)

_SMALL = LearningConfig(batch_size=16)
_REMEMBERED = LearningConfig(batch_size=16, candidates=4, remembered=8)
_SWEPT = LearningConfig(batch_size=16, replay=ReplayConfig(sweep_batch_size=4))
_REPLAY = LearningConfig(batch_size=16, replay=ReplayConfig(sweep_batch_size=16, compose_batch_size=8))


@pytest.fixture(scope="module")
def model():
    return stacks.table_stack(_PLACES, 2, score_rule=Geometric(0.9))


def small_network():
    return building.stack(Discrete(_PLACES), num_layers=1, kernel=LinearConfig(num_slots=2, num_keys=16))


def gates():
    """For two layers."""
    (found,) = find_bridges(_BRIDGED, _PLACES)
    return found, found


def assert_same(one, other):
    for first, second in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert np.asarray(first).tobytes() == np.asarray(second).tobytes()


def test_it_learns_the_shortest_ways_round_a_ring(model):
    state = training_run.train(model, _WALKS, abstractions=Skip(3), steps=500)
    starts, goals = (jnp.asarray(ids.ravel(), jnp.int32) for ids in np.mgrid[:_PLACES, :_PLACES])
    plan = planning.think(model, state, starts, goals)
    assert bool(plan.complete.all())
    # Round a ring of 12 no way is longer than 6, and no shorter one leads there.
    apart = np.abs(np.asarray(starts) - np.asarray(goals))
    np.testing.assert_array_equal(np.sum(plan.layers[0].valid, axis=1), np.minimum(apart, _PLACES - apart))
    _, reaction = acting.react(model, state, acting.begin(model, 1), jnp.array([11]), jnp.array([2]))
    assert int(reaction.action[0]) == 0


@pytest.mark.parametrize(
    ("make", "config", "walks", "abstractions"),
    [
        (lambda: stacks.table_stack(_PLACES, 2), _REPLAY, _WALKS, lambda: Skip(2)),
        (small_network, _SMALL, _WALKS, lambda: Skip(2)),
        (small_network, _REMEMBERED, _WALKS, lambda: Skip(2)),
        (lambda: stacks.table_stack(_PLACES, 2, num_slots=1), _SWEPT, _BRIDGED, gates),
    ],
    ids=["table", "network", "remembered", "upper queues"],
)
def test_broken_off_and_called_again_it_ends_in_the_same_state(
    make, config, walks, abstractions, tmp_path, monkeypatch
):
    model = make()
    settings: dict[str, Any] = {"abstractions": abstractions(), "steps": 60, "config": config, "seed": 4}
    whole = training_run.train(model, walks, **settings)
    # As Ctrl-C between two dispatches, after the second checkpoint.
    save, saved = checkpoint.Checkpointer.save, []

    def save_and_break_off(self, step, state, **notes):
        save(self, step, state, **notes)
        saved.append((step, jax.device_get((state.tallies, state.upper_queues))))
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint.Checkpointer, "save", save_and_break_off)
    monkeypatch.setattr(training_run, "_LONGEST_CHUNK", 10)
    with pytest.raises(KeyboardInterrupt):
        training_run.train(model, walks, **settings, workdir=tmp_path / "run", checkpoint_seconds=0)
    broken_off, (tallies, upper_queues) = saved[-1]
    assert 0 < broken_off < 60
    # What would be lost, were it not saved: questions that were learned from, and pairs that wait.
    if config.remembered:
        assert all(np.sum(tally.counts) > 0 and np.any(tally.places.times) for tally in tallies)
    if upper_queues:
        assert [queue.size > 0 for queue in upper_queues] == [True]
    assert_same(training_run.train(model, walks, **settings, workdir=tmp_path / "run"), whole)
    steps = [line["step"] for line in read_metrics(tmp_path / "run" / "metrics.jsonl")]
    assert steps == sorted(set(steps))
    assert steps[-1] == 60


def test_with_more_steps_it_goes_on_as_if_it_had_never_stopped(model, tmp_path):
    settings: dict[str, Any] = {"abstractions": Skip(2), "config": _SMALL}
    training_run.train(model, _WALKS, **settings, steps=30, workdir=tmp_path)
    further = training_run.train(model, _WALKS, **settings, steps=70, workdir=tmp_path)
    assert_same(further, training_run.train(model, _WALKS, **settings, steps=70))


def test_what_was_learned_is_learned_on_from(model):
    first = training_run.train(model, _WALKS, abstractions=Skip(2), steps=10, config=_SMALL)
    before = jax.device_get(first)
    second = training_run.train(model, _WALKS, state=first, steps=10, config=_SMALL, seed=1)
    stored = [np.sum(np.asarray(state.kernels[0].packed) > 0) for state in (first, second)]
    assert stored[0] < stored[1]
    assert_same(first, before)  # what was handed over stays as it was


def test_another_seed_another_state(model):
    first, second = (
        training_run.train(model, _WALKS, abstractions=Skip(2), steps=2, config=_SMALL, seed=seed) for seed in (0, 1)
    )
    assert not np.array_equal(first.kernels[0].packed, second.kernels[0].packed)


def test_a_workdir_is_one_training_s_own(model, tmp_path):
    settings: dict[str, Any] = {"abstractions": Skip(2), "steps": 10, "config": _SMALL}
    training_run.train(model, _WALKS, **settings, workdir=tmp_path)
    fewer = Trajectories.from_arrays(np.asarray(_WALKS.states)[:100])
    for walks, changes in ((_WALKS, {"seed": 1}), (_WALKS, {"abstractions": Skip(3)}), (fewer, {})):
        with pytest.raises(errors.UserError, match="holds the training of another model, or with other data"):
            training_run.train(model, walks, **{**settings, **changes}, workdir=tmp_path)
    with pytest.raises(errors.UserError, match="is at step 10, beyond steps=5"):
        training_run.train(model, _WALKS, **{**settings, "steps": 5}, workdir=tmp_path)


def test_it_prints_nothing_unless_it_is_asked_to(model, capfd):
    settings: dict[str, Any] = {"abstractions": Skip(2), "steps": 10, "config": _SMALL}
    training_run.train(model, _WALKS, **settings)
    assert capfd.readouterr() == ("", "")
    training_run.train(model, _WALKS, **settings, show_progress=True)
    assert "step 10 of 10" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"abstractions": None}, "give abstractions=, for a new beginning, or state="),
        ({"abstractions": (Skip(2),)}, "2 layers need as many abstractions, not 1"),
        ({"abstractions": (Skip(2), None)}, r"must be one for all layers or one for each, not \(Skip\(.*\), None\)"),
        ({"abstractions": [None]}, r"abstractions must be one for all layers or one for each, not \[None\]"),
        ({"abstractions": 2}, "abstractions must be one for all layers or one for each, not 2"),
        ({"steps": 0}, "steps must be at least 1, not 0"),
    ],
)
def test_what_cannot_be_is_refused(model, changes, message):
    settings: dict[str, Any] = {"abstractions": Skip(2), "steps": 5, "config": _SMALL, **changes}
    with pytest.raises(ValueError, match=message):
        training_run.train(model, _WALKS, **settings)


def test_abstractions_may_be_a_list(model):
    settings: dict[str, Any] = {"steps": 2, "config": _SMALL}
    state = training_run.train(model, _WALKS, abstractions=[Skip(3), Skip(2)], **settings)
    assert state.abstractions == (Skip(3), Skip(2))
    assert_same(state, training_run.train(model, _WALKS, abstractions=(Skip(3), Skip(2)), **settings))


def test_what_is_wrong_with_the_data_claims_no_work_directory(model, tmp_path):
    settings: dict[str, Any] = {"abstractions": Skip(2), "steps": 2, "config": _SMALL, "workdir": tmp_path / "run"}
    wrong = Trajectories.from_arrays([[0, 1, _PLACES]])
    with pytest.raises(ValueError, match="states hold 12"):
        training_run.train(model, wrong, **settings)
    assert not (tmp_path / "run").exists()
    training_run.train(model, _WALKS, **settings)


def test_lists_are_trained_on_in_a_work_directory_as_arrays_are(model, tmp_path):
    settings: dict[str, Any] = {"abstractions": Skip(2), "steps": 2, "config": _SMALL, "workdir": tmp_path}
    lists: Any = Trajectories(states=[[0, 1, 2], [3, 4, 5]], lengths=[3, 2])  # type: ignore[arg-type]
    state = training_run.train(model, lists, **settings)
    arrays = Trajectories(states=jnp.array([[0, 1, 2], [3, 4, 5]]), lengths=jnp.array([3, 2]))
    assert_same(training_run.train(model, arrays, **settings), state)


def test_the_defaults():
    assert training_run.train.__kwdefaults__ == {
        "abstractions": None,
        "state": None,
        "config": LearningConfig(batch_size=256),
        "seed": 0,
        "workdir": None,
        "checkpoint_seconds": 30.0,
        "show_progress": False,
        "mesh": None,
    }


@pytest.mark.parametrize(
    ("steps", "done", "expected"),
    [(1, 0, 1), (100, 0, 100), (101, 0, 1), (102, 0, 51), (300, 0, 100), (300, 90, 30), (7, 7, 7), (202, 101, 1)],
)
def test_a_chunk_divides_what_is_to_do_and_what_is_done(steps, done, expected):
    assert training_run._chunk_steps(steps, done) == expected
