"""The rooms by hand, and that the experiment runs."""

import jax.numpy as jnp
import numpy as np
import pytest

from tasks.ablations import order
from tasks.ablations.order import OrderSettings

_GATE, _A, _B, _OUT, _PIT = range(5)


@pytest.mark.parametrize(
    ("way", "stage"),
    [((), 0), ((_B,), 0), ((_A,), 1), ((_A, _GATE, _B), 2), ((_B, _A), 1), ((_A, _B, _A), 1), ((_A, _B, _GATE), 2)],
)
def test_the_gate_knows_what_came_last(way, stage):
    found, plain = jnp.int32(0), 0
    for room in way:
        found, plain = order.following_stage(found, room), order.following_stage_of(plain, room)
    assert (int(found), plain) == (stage, stage)


@pytest.mark.parametrize(
    ("room", "stage", "answer", "expected"),
    [
        (_GATE, 2, _OUT, _OUT),
        (_GATE, 1, _OUT, _PIT),
        (_A, 2, _OUT, _A),
        (_A, 0, _B, _B),
        (_GATE, 2, _PIT, _GATE),
        (_PIT, 2, _GATE, _PIT),
        (_OUT, 2, _A, _OUT),
    ],
)
def test_a_step_by_hand(room, stage, answer, expected):
    assert order.step(jnp.int32(room), jnp.int32(stage), jnp.int32(answer)) == expected


def test_demonstrations_go_out_where_the_gate_is_open():
    shown, num_led = order.demonstrations(OrderSettings(num_walks=50), np.random.default_rng(0))
    # From where one is free it takes 1 to 4 steps: at most to A, B, the gate and out.
    assert set(np.asarray(shown.lengths) - num_led) == {1, 2, 3, 4}
    for way, length in zip(np.asarray(shown.states), np.asarray(shown.lengths), strict=True):
        stage = 0
        for room in way[: length - 1]:
            assert room <= _B
            stage = order.following_stage_of(stage, int(room))
        assert (stage, way[length - 2], way[length - 1]) == (2, _GATE, _OUT)


def test_steps_in_which_one_was_led_are_not_learned():
    settings = OrderSettings(num_walks=20)
    experience = order.demonstrated(settings, np.random.default_rng(1))
    shown, num_led = order.demonstrations(settings, np.random.default_rng(1))
    # As many places as steps out, the first one in the last room that one was led to.
    assert experience.walks.shape == (int((np.asarray(shown.lengths) - num_led).sum()),)
    first = {int(walk): int(time) for walk, time in zip(experience.walks[::-1], experience.times[::-1], strict=True)}
    assert first == {walk: int(led) - 1 for walk, led in enumerate(num_led)}


def test_ways_pass_a_and_b_once_in_either_order():
    ways = np.asarray(order.led_ways(OrderSettings(num_episodes=20), np.random.default_rng(0)))
    assert np.all((ways == _A).sum(axis=1) == 1)
    assert np.all((ways == _B).sum(axis=1) == 1)
    assert np.all(ways[:, -1] == _GATE)
    assert ((ways == _A).argmax(axis=1) < (ways == _B).argmax(axis=1)).sum() == 10


def test_it_runs_and_what_sees_a_set_can_not_do_both():
    outcome = order.measure(
        OrderSettings(num_walks=100, num_updates=20, batch_size=16, num_episodes=8), seed=0, num_seeds=2
    )
    assert len(outcome.on.values) == len(outcome.off.values) == 2
    # The ways differ in the order alone, so that it goes out at once on all or on none: 4 of 8, or 8 of 8 in 3 steps,
    # half of which could have taken 1: (1 + 1/3) / 2.
    assert max(outcome.off.values) <= 2 / 3 + 1e-6
    assert outcome.to_json()["num_blocks"] == 1
