"""Stages follow one another: what is collected, what it is learned from, and where the time goes."""

import dataclasses
import zlib
from functools import partial

import jax
import numpy as np
import pytest

from humain.environments import collecting, transitions
from humain.training import ahead as ahead_lib
from humain.training import loop
from tasks.control import acrobot, cart_pole, curriculum
from tasks.control.small_config import small_config

STAGE_STEPS = {"few": (30, 20, 20), "one": (10,)}
DOMAIN = cart_pole.domain()
CONFIG = small_config(STAGE_STEPS)


class _Pretence:
    """Training that adds 1 to all that is learned, and says that it took 5 seconds, and 7 to compile."""

    def __init__(self):
        self.calls = []

    def __call__(self, name, state, *, chunk, data, num_steps, chunk_steps):
        model = dataclasses.replace(state.model, kernels=jax.tree.map(lambda leaf: leaf + 1, state.model.kernels))
        after = dataclasses.replace(state, model=model)
        self.calls.append((name, state, after, data, chunk, num_steps, chunk_steps))
        return loop.TrainResult(after, num_steps, 0, compile_seconds=7.0, run_seconds=5.0)


def run(learner, name, *, seed=3, num_seeds=2):
    pretence = _Pretence()
    found = curriculum.run(learner, name, STAGE_STEPS[name], seed=seed, num_seeds=num_seeds, train=pretence)
    return list(found), pretence.calls


@pytest.fixture(scope="module")
def learner():
    return curriculum.build_trainer(CONFIG, DOMAIN)


@pytest.fixture(scope="module")
def few(learner):
    """The stages of one set, two seeds at once, and the calls of its training."""
    return run(learner, "few")


def assert_same(first, second):
    jax.tree.map(np.testing.assert_array_equal, first, second)


def test_a_stage_adds_its_steps_to_those_before(few):
    done, _ = few
    assert [stage.env_steps for stage in done] == [30, 50, 70]
    assert [stage.store.count.tolist() for stage in done] == [[30, 30], [50, 50], [70, 70]]
    for before, after, count in zip(done, done[1:], (30, 50), strict=False):
        np.testing.assert_array_equal(before.store.states[:, :count], after.store.states[:, :count])
    # The steps of all of them are those of a cart pole, and no two seeds have the same.
    store = done[-1].store
    assert store.states.shape == (2, 70, 4)
    step = partial(cart_pole.CartPole().step, key=jax.random.key(0))
    expected = jax.vmap(jax.vmap(step))(store.states, store.actions).observation
    np.testing.assert_allclose(store.next_states, expected, rtol=1e-5, atol=1e-6)
    assert not np.array_equal(store.states[0, :30], store.states[1, :30])


def test_each_stage_is_trained_on_all_that_was_experienced(few):
    done, calls = few
    assert [call[0] for call in calls] == ["few_0", "few_1", "few_2"]
    for stage, (_, _, after, data, _, num_steps, chunk_steps) in zip(done, calls, strict=True):
        assert (num_steps, chunk_steps) == (6, 2)
        assert_same(data, stage.knowledge)
        assert data.num_starts.tolist() == [stage.env_steps] * 2
        assert_same(stage.state, after.model)
    # Compiled once: the function and all shapes stay the same.
    keys = {loop.executable_key(chunk, state, data) for _, state, _, data, chunk, _, _ in calls}
    assert len(keys) == 1


def test_a_stage_goes_on_with_what_the_one_before_has_learned(learner, few):
    _, calls = few
    for before, after in zip(calls, calls[1:], strict=False):
        for layer in (0, 1):
            learned, begun = (learner.model.kernel_state(state.model, layer).params for state in (before[2], after[1]))
            assert_same(begun, learned)


def test_the_time_that_training_took_adds_up(few):
    done, _ = few
    for number, stage in enumerate(done, start=1):
        # What is compiled and run besides takes some time of its own.
        assert 7.0 * number < stage.compile_seconds
        assert 5.0 * number < stage.learn_seconds
        assert stage.collect_seconds > 0
    assert done[0].collect_seconds < done[1].collect_seconds < done[2].collect_seconds


def test_randomness_is_that_of_name_and_seed(learner, few):
    done, _ = few
    # The first 10 of 30 steps of another set with the same seeds are others.
    other, _ = run(learner, "one")
    assert not np.array_equal(other[0].store.states[:, :10], done[0].store.states[:, :10])
    # The second of two seeds is the first of those that begin with it.
    alone, _ = run(learner, "one", seed=4, num_seeds=1)
    np.testing.assert_array_equal(alone[0].store.actions[0], other[0].store.actions[1])
    np.testing.assert_allclose(alone[0].store.states[0], other[0].store.states[1], rtol=1e-5, atol=1e-6)


def test_the_keys_of_a_set_are_those_that_its_parts_give_one_by_one():
    keys = curriculum._keys("few", 3, 2)
    for number in range(2):
        one = jax.random.fold_in(jax.random.key(3 + number), zlib.crc32(b"few"))
        np.testing.assert_array_equal(jax.random.key_data(keys[number]), jax.random.key_data(one))
        stage = jax.random.key_data(curriculum._fold_in(keys, 4)[number])
        np.testing.assert_array_equal(stage, jax.random.key_data(jax.random.fold_in(one, 4)))


def test_recorded_steps_stand_for_the_first_stage_s():
    recorded = collecting.collect(DOMAIN.environment, jax.random.key(0), num_steps=25)
    learner = curriculum.build_trainer(CONFIG, DOMAIN, recorded)
    # Room for the 70 steps of the longest set, and the recorded ones.
    assert learner.capacity == 95
    (stage,), _ = run(learner, "one")
    assert stage.env_steps == 25
    for seed in (0, 1):
        one = jax.tree.map(lambda leaf, seed=seed: leaf[seed], stage.store)
        empty = transitions.empty(95, *learner.spaces)
        assert_same(transitions.append(empty, transitions.from_trajectories(recorded)), one)


def test_what_is_compiled_ahead_is_what_is_run(learner, few, caplog):
    done, _ = few
    ahead = ahead_lib.Ahead()
    jax.clear_caches()
    curriculum.compile_ahead(ahead, learner, num_seeds=2)
    for function in (curriculum._collect_at_random, curriculum._fit, curriculum._begin, learner.chunk):
        ahead.wait(function)
    with jax.log_compiles(), caplog.at_level("WARNING"):
        train = _Pretence()
        follows = curriculum.run(learner, "few", STAGE_STEPS["few"], seed=3, num_seeds=2, train=train, ahead=ahead)
        (stage, *_) = follows
        ((_, state, _, data, _, _, _), *_) = train.calls
        loop.jit_chunk(learner.chunk).lower(state, data, np.int32(0)).compile()
    ahead.close()
    assert_same((stage.state, stage.knowledge), (done[0].state, done[0].knowledge))
    messages = [record.getMessage() for record in caplog.records]
    compiled = [message for message in messages if message.startswith("Finished XLA compilation of ")]
    # What adds steps to the store is not compiled ahead.
    assert any("jit(_append)" in line for line in compiled)
    for name in ("_collect_at_random", "_fit", "chunk"):
        assert not any(f"jit({name})" in line for line in compiled)


def test_a_stage_begins_when_it_is_asked_for(learner):
    pretence = _Pretence()
    follows = curriculum.run(learner, "few", STAGE_STEPS["few"], seed=3, num_seeds=2, train=pretence)
    assert pretence.calls == []
    assert next(follows).env_steps == 30
    assert [call[0] for call in pretence.calls] == ["few_0"]


def test_stages_in_a_simulator_are_collected_there():
    config = small_config({"few": (30, 20)})
    config.learning.goal_coordinates, config.learning.goal_weights = ("cos_1",), (1.0,) * 6
    domain = acrobot.domain()
    learner = curriculum.build_trainer(config, domain)
    pretence = _Pretence()
    done = list(curriculum.run(learner, "few", (30, 20), seed=3, num_seeds=2, train=pretence))
    assert [stage.env_steps for stage in done] == [30, 50]
    store = done[-1].store
    assert store.states.shape == (2, 50, 6)
    assert np.all(store.rewards == -1)
    # Each seed has steps of its own, and what the first stage experienced stays.
    assert not np.array_equal(store.states[0, :30], store.states[1, :30])
    np.testing.assert_array_equal(store.states[:, :30], done[0].store.states[:, :30])
    # Cosines and sines, and the first step of a stage begins an episode near hanging at rest.
    np.testing.assert_allclose(store.states[..., 0] ** 2 + store.states[..., 1] ** 2, 1, rtol=1e-5)
    assert np.all(np.abs(store.states[:, (0, 30), 1]) < 0.1)
