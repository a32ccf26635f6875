"""Long ways, what is remembered of them, and that the experiment runs."""

import jax
import jax.numpy as jnp
import numpy as np

from humain import acting
from humain.abstraction.skip import Skip
from tasks.ablations import long_order, order
from tasks.ablations.long_order import LongOrderSettings


def test_every_other_way_finds_the_gate_open():
    ways = np.asarray(long_order.led_ways(LongOrderSettings(num_episodes=6), np.random.default_rng(0), 20))
    assert ways.shape == (6, 20)
    stages = []
    for way in ways:
        stage = 0
        for room in way:
            stage = order.following_stage_of(stage, int(room))
        stages.append(stage)
    assert stages == [1, 2, 1, 2, 1, 2]
    assert np.all(ways[:, -1] == order.GATE)
    assert np.all(ways[:, 1:] != ways[:, :-1])


def test_what_is_remembered_is_what_asking_at_each_step_leaves():
    model = long_order._build(LongOrderSettings(), "rotary", 8)
    state = model.init(jax.random.key(0), (Skip(4),))
    led = jnp.array([[0, 1, 2, 0, 2, 0], [1, 2, 1, 0, 1, 0]])
    goals = jnp.full(2, order.OUT)
    asked = acting.begin(model, 2)
    for time in range(5):
        asked, _ = acting.react(model, state, asked, led[:, time], goals)
    told = long_order._remembered(model, led, goals)
    # What the last answer was plays a part only where answers can end a way, which these cannot.
    assert not np.any(asked.ends[0])
    for part in ("memories", "trails", "goals"):
        first, second = getattr(asked, part), getattr(told, part)
        for left, right in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
            np.testing.assert_array_equal(left, right)
    goes_on = [acting.react(model, state, episode, led[:, 5], goals) for episode in (asked, told)]
    jax.tree.map(np.testing.assert_array_equal, *goes_on)


def test_it_runs():
    settings = LongOrderSettings(
        num_walks=40, trained_length=16, tested_length=32, num_updates=10, batch_size=8, num_episodes=4
    )
    outcome = long_order.measure(settings, seed=0, num_seeds=2)
    assert len(outcome.on.values) == len(outcome.off.values) == 2
    assert set(outcome.to_json()["trained_length"]) == {"on", "off"}
