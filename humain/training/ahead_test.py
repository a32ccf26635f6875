"""Tests of compiling ahead: what was compiled in a thread is not compiled again."""

import threading
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.training import ahead as ahead_lib
from humain.training import loop


@pytest.fixture
def ahead():
    made = ahead_lib.Ahead()
    yield made
    made.close()


@pytest.fixture
def compiled(caplog):
    """The names of all that was compiled since it was asked last."""
    with jax.log_compiles(), caplog.at_level("WARNING"):

        def names():
            found = [
                record.getMessage().split()[4]
                for record in caplog.records
                if record.getMessage().startswith("Finished XLA compilation of ")
            ]
            caplog.clear()
            return found

        yield names


def like(tree):
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)


def test_a_function_is_not_compiled_again(ahead, compiled):
    @partial(jax.jit, static_argnames=("power",))
    def ahead_of_its_call(values, key, *, power):
        return values**power + jax.random.uniform(key, values.shape)

    values, keys = jnp.arange(3.0), [jax.random.key(number) for number in (0, 0, 0, 1)]
    expected = np.arange(3.0) ** 2 + np.asarray(jax.random.uniform(keys[0], (3,)))
    ahead.begin(ahead_of_its_call, *like((values, keys[1])), power=2)
    ahead.wait(ahead_of_its_call)
    compiled()
    np.testing.assert_allclose(ahead_of_its_call(values, keys[1], power=2), expected, rtol=1e-6)
    ahead_of_its_call.lower(values, keys[2], power=2).compile()
    assert compiled() == []
    # The names are indeed those of what is compiled.
    ahead_of_its_call(values, keys[3], power=3)
    assert compiled() == ["jit(ahead_of_its_call)"]


def test_a_chunk_is_not_compiled_again(ahead, compiled):
    def update(state, data, step):
        return state + data[step % 3], {"state": state}

    chunk = loop.make_chunk(update, 4)
    state, data = jnp.float32(0), jnp.arange(3.0)
    ahead.begin(loop.jit_chunk(chunk), *like((state, data)), np.int32(0), named=chunk)
    ahead.wait(chunk)
    compiled()
    result = loop.train(state, chunk, data=data, num_steps=8, chunk_steps=4, host=loop.Host(ahead=ahead))
    # 0 + 1 + 2 + 0 + 1 + 2 + 0 + 1.
    assert float(result.state) == 7
    assert "jit(chunk)" not in compiled()


def test_what_was_never_begun_is_not_waited_for(ahead):
    ahead.wait(len)
    ahead.close()
    ahead.wait(len)


def test_after_the_end_nothing_is_compiled_and_all_can_be_called(ahead):
    @jax.jit
    def plus_one(values):
        return values + 1

    for size in range(1, 6):
        ahead.begin(plus_one, jax.ShapeDtypeStruct((size,), jnp.float32))
    ahead.close()
    np.testing.assert_array_equal(plus_one(jnp.zeros(5)), np.ones(5))


def test_closing_waits_for_nothing_and_begins_nothing_more(ahead):
    let_go, begun = threading.Event(), [threading.Event() for _ in range(3)]
    ended = threading.Event()

    def work(number):
        begun[number].set()
        let_go.wait(5)
        ended.set()

    for number in range(3):
        ahead._begin(len, partial(work, number))
    # Two at a time.
    assert begun[0].wait(60) and begun[1].wait(60)
    ahead.close()
    assert not ended.is_set()
    let_go.set()
    assert ended.wait(60)
    assert not begun[2].is_set()
    ahead.close()
