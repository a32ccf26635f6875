"""What learning refuses, and what an update draws and counts, by hand."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain import learning
from humain.abstraction.chunk_mean import ChunkMean
from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.kernels.table import TableConfig
from humain.layer import Layer
from humain.learning import LearningConfig, ReplayConfig
from humain.model import Model
from humain.replay.steps import make_steps
from humain.spaces import Continuous, Discrete
from humain.stopping import Stopping
from humain.testing import stacks
from humain.testing.probe import Probe
from humain.types import Trajectories

PLANE = Continuous(2)
IDS = stacks.table_stack(6, 2)
VECTORS = Model((Layer(Cortex(Probe(PLANE, PLANE), Linear(8))),) * 2, PLANE)
GROUPED = dataclasses.replace(IDS, group_layers=True)
MOTORS = Model((Layer(Cortex(TableConfig().build(Discrete(6), Discrete(2)), Linear(8))),), Discrete(6))


def replay(**sizes):
    return LearningConfig(batch_size=8, replay=ReplayConfig(**sizes))


def stopping(number):
    """Two layers of vectors, of which one answers with a stop signal."""
    targets = [Stopping(PLANE) if layer == number else PLANE for layer in range(2)]
    return Model(tuple(Layer(Cortex(Probe(PLANE, target), Linear(8))) for target in targets), PLANE)


def begin(model, config, abstractions=None):
    return learning.begin(model, config, abstractions or (Skip(2),) * len(model.layers), jax.random.key(0))


REFUSED = [
    (VECTORS, replay(sweep_batch_size=4), "sweeping and balance count ids, and Continuous.* is not a space of ids"),
    (VECTORS, LearningConfig(candidates=2), "sweeping and balance count ids"),
    (
        Model((Layer(Cortex(Probe(Discrete(6), Discrete(6)), Linear(8))),), Discrete(6)),
        replay(sweep_batch_size=4),
        "sweep_batch_size needs the table kernel, which stores scores exactly; set it to 0",
    ),
    (
        stacks.table_stack(6, 1, context_length=2),
        replay(sweep_batch_size=4),
        "set context_length to 1 or sweep_batch_size to 0",
    ),
    *(
        (
            stopping(number),
            replay(**{kind: 4}),
            f"replay composes states, and layer {number} answers with a stop signal; set compose_batch_size and "
            "imagine_batch_size to 0",
        )
        for number in range(2)
        for kind in ("compose_batch_size", "imagine_batch_size")
    ),
    (
        MOTORS,
        replay(imagine_batch_size=4),
        "replay imagines ways of states, and the bottom layer answers Discrete.*=2.*imagine_batch_size to 0",
    ),
    *(
        (
            GROUPED,
            replay(**{kind: 4}),
            rf"layers \(0, 1\) learn together, and only \[{alone}\] have examples; group_layers=False",
        )
        for kind, alone in (
            ("sweep_batch_size", 0),
            ("sweep_goals", 0),
            ("compose_batch_size", 0),
            ("imagine_batch_size", 1),
        )
    ),
]


@pytest.mark.parametrize(("model", "config", "message"), REFUSED)
def test_what_would_learn_nothing_or_something_wrong_is_refused(model, config, message):
    with pytest.raises(ValueError, match=message):
        begin(model, config)
    with pytest.raises(ValueError, match=message):
        learning.build_update(model, config)


@pytest.mark.parametrize("kind", ["sweep_batch_size", "compose_batch_size", "imagine_batch_size"])
def test_replay_does_not_go_with_an_abstraction_of_paths_below_the_top(kind):
    message = "replay lifts states one by one, and ChunkMean lifts the way to them; set .*compose_batch_size.* to 0"
    with pytest.raises(ValueError, match=message):
        begin(VECTORS, replay(**{kind: 4}), (ChunkMean(2), Skip(2)))
    state = VECTORS.init(jax.random.key(0), (ChunkMean(2), Skip(2)))
    walks = Trajectories(states=jnp.zeros((1, 4, 2)), lengths=jnp.array([4]))
    with pytest.raises(ValueError, match=message):
        learning.gather(VECTORS, replay(**{kind: 4}), state, walks)


def test_the_top_layer_s_own_abstraction_lifts_nothing_and_hindsight_lifts_along_the_way():
    apart = dataclasses.replace(VECTORS, group_layers=False)
    begin(apart, replay(compose_batch_size=4, imagine_batch_size=4), (Skip(2), ChunkMean(2)))
    begin(VECTORS, replay(), (ChunkMean(2), Skip(2)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReplayConfig(sweep_batch_size=-1), "sweep_batch_size must be 0 or more, not -1"),
        (lambda: ReplayConfig(compose_batch_size=-1), "compose_batch_size must be 0 or more, not -1"),
        (lambda: ReplayConfig(imagine_batch_size=-1), "imagine_batch_size must be 0 or more, not -1"),
        (lambda: ReplayConfig(imagine_max_steps=0), "imagine_max_steps must be at least 1, not 0"),
        (lambda: ReplayConfig(pivot_share=1.5), "pivot_share must lie between 0 and 1, not 1.5"),
        (lambda: ReplayConfig(pivot_share=float("nan")), "pivot_share must lie between 0 and 1, not nan"),
        (lambda: ReplayConfig(pivot_share=-0.01), "pivot_share must lie between 0 and 1, not -0.01"),
        (lambda: LearningConfig(batch_size=0), "batch_size must be at least 1, not 0"),
        (lambda: LearningConfig(candidates=0), "candidates must be at least 1, not 0"),
        (lambda: LearningConfig(candidates=2, remembered=-1), "remembered must be 0 or more, not -1"),
        (lambda: LearningConfig(hindsight=False), "with hindsight off and no replay nothing would be learned"),
        (lambda: dataclasses.replace(replay(), hindsight=False), "with hindsight off and no replay"),
        (
            lambda: dataclasses.replace(replay(sweep_goals=1), hindsight=False, candidates=2),
            r"candidates \(2\) are drawn from hindsight, which is off; set candidates to 1",
        ),
        (lambda: LearningConfig(remembered=4), "remembered is 4, and candidates is 1, .*; raise candidates"),
    ],
)
def test_numbers_that_cannot_be_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def recalled(model, state, start, goal):
    """The bottom layer's best score for going from one id to another."""
    layer = model.layers[0]
    context = layer.context(layer.begin(1), jnp.array([start]), jnp.array([goal]))
    answer = layer.cortex.answer(model.kernel_state(state, 0), context, jnp.array([goal]))
    return float(answer.score[0]) if answer.known[0] else None


def test_hindsight_and_then_sweeping_find_a_way_over_two_walks():
    # 0 -> 1 and 1 -> 2. Hindsight has the two steps, each 1 - 1/16. Sweeping joins them to 0 -> 2, 1 - 2/16, in the
    # update after the one that saw them improve at the latest.
    model = stacks.table_stack(3, 1)
    walks = Trajectories(states=jnp.array([[0, 1], [1, 2]]), lengths=jnp.array([2, 2]))
    config = replay(sweep_batch_size=16)
    learner = begin(model, config)
    # Every goal waits at the start.
    assert learner.queue is not None
    assert int(learner.queue.size) == 3
    data = learning.gather(model, config, learner.state, walks)
    update = jax.jit(learning.build_update(model, config))
    for step in range(3):
        learner, metrics = update(learner, data, jnp.int32(step))
    assert recalled(model, learner.state, 0, 1) == pytest.approx(1 - 1 / 16, abs=1e-3)
    assert recalled(model, learner.state, 1, 2) == pytest.approx(1 - 1 / 16, abs=1e-3)
    assert recalled(model, learner.state, 0, 2) == pytest.approx(1 - 2 / 16, abs=1e-3)
    assert recalled(model, learner.state, 2, 0) is None
    assert (int(metrics["sweep/waiting"]), int(metrics["sweep/dropped"])) == (0, 0)


def test_hindsight_alone_keeps_to_what_was_walked():
    model = stacks.table_stack(3, 1)
    walks = Trajectories(states=jnp.array([[0, 1], [1, 2]]), lengths=jnp.array([2, 2]))
    learner = begin(model, LearningConfig(batch_size=16))
    data = learning.gather(model, LearningConfig(), learner.state, walks)
    assert (learner.queue, learner.tallies, data.before) == (None, (), None)
    learner, metrics = jax.jit(learning.build_update(model, LearningConfig(batch_size=16)))(learner, data, jnp.int32(0))
    assert recalled(model, learner.state, 0, 2) is None
    assert not [name for name in metrics if name.startswith(("sweep/", "compose/", "imagine/"))]


@pytest.mark.parametrize("kind", ["sweep_batch_size", "compose_batch_size", "imagine_batch_size"])
def test_without_hindsight_nothing_is_learned_but_from_replay(kind):
    # All that replay could compose lies in what hindsight has learned first, which is nothing; but for single steps,
    # which sweeping has from the trajectories itself.
    walks = Trajectories(states=jnp.array([[0, 1, 2, 3]]), lengths=jnp.array([4]))
    known = {}
    for hindsight in (True, False):
        config = dataclasses.replace(replay(**{kind: 4}), hindsight=hindsight)
        learner = begin(IDS, config)
        data = learning.gather(IDS, config, learner.state, walks)
        before, update = learner.state, jax.jit(learning.build_update(IDS, config))
        learner, _ = update(learner, data, jnp.int32(0))
        pairs = zip(jax.tree.leaves(before.kernels), jax.tree.leaves(learner.state.kernels), strict=True)
        known[hindsight] = any(bool(jnp.any(one != other)) for one, other in pairs)
    assert known == {True: True, False: kind == "sweep_batch_size"}


def test_above_a_layer_that_is_swept_nothing_but_imagined_ways_is_learned_without_hindsight():
    # The path goes by a step that does not count, so that no way between its states can be imagined.
    steps = make_steps(6, [0, 1], [1, 2], [1, 1])
    changed = {}
    for hindsight in (True, False):
        config = dataclasses.replace(replay(sweep_goals=6, imagine_batch_size=4), hindsight=hindsight)
        learner = begin(IDS, config)
        walks = Trajectories(states=jnp.array([[5, 4]]), lengths=jnp.array([2]))
        data = learning.gather(IDS, config, learner.state, walks, steps=steps)
        after, _ = jax.jit(learning.build_update(IDS, config))(learner, data, jnp.int32(0))
        assert recalled(IDS, after.state, 0, 1) is not None
        assert recalled(IDS, after.state, 5, 4) is None
        tables = [jax.tree.leaves(IDS.kernel_state(state, 1)) for state in (learner.state, after.state)]
        changed[hindsight] = any(bool(jnp.any(one != other)) for one, other in zip(*tables, strict=True))
    assert changed == {True: True, False: False}


def test_what_was_drawn_once_is_learned_as_often_as_the_rest():
    # Of 100 walks 99 go from 0 to 1, and one from 2 to 3: of 4 drawn an update, one in 25 updates has that one.
    states = np.tile(np.array([[0, 1]], np.int32), (100, 1))
    states[50] = [2, 3]
    walks = Trajectories(states=jnp.asarray(states), lengths=jnp.full(100, 2))
    counts = {}
    for remembered in (0, 4):
        config = LearningConfig(batch_size=2, candidates=2, remembered=remembered)
        learner = begin(IDS, config)
        data = learning.gather(IDS, config, learner.state, walks)
        update = jax.jit(learning.build_update(IDS, config))
        for step in range(100):
            learner, _ = update(learner, data, jnp.int32(step))
        tally = learner.tallies[0]
        counts[remembered] = int(tally.counts[2 * 6 + 3]), int(tally.counts[1])
    # Two are learned an update, 200 in all.
    assert sum(counts[0]) == sum(counts[4]) == 200
    assert 1 <= counts[0][0] <= 15
    # From when it is drawn first, nothing comes before it until it has caught up, at one half.
    assert counts[4][0] >= 80


def test_each_layer_s_tally_counts_what_it_learned_from():
    config = LearningConfig(batch_size=5, candidates=2)
    learner = begin(IDS, config)
    data = learning.gather(
        IDS, config, learner.state, Trajectories(states=jnp.array([[0, 1, 2, 3]]), lengths=jnp.array([4]))
    )
    update = jax.jit(learning.build_update(IDS, config))
    for step in range(3):
        learner, _ = update(learner, data, jnp.int32(step))
    # Of the 10 drawn, 5 an update are learned.
    assert len(learner.tallies) == 2
    for tally in learner.tallies:
        assert int(tally.counts.sum()) == 15


def test_the_defaults():
    assert ReplayConfig() == ReplayConfig(
        sweep_batch_size=0, compose_batch_size=0, pivot_share=0.5, imagine_batch_size=0, imagine_max_steps=16
    )
    assert LearningConfig() == LearningConfig(batch_size=64, candidates=1, remembered=0, replay=None, hindsight=True)


def test_settings_may_go_to_the_very_edge():
    for share in (0.0, 1.0):
        assert ReplayConfig(pivot_share=share, imagine_max_steps=1).pivot_share == share
    assert LearningConfig(batch_size=1, candidates=2, remembered=1).remembered == 1


def test_sweeping_is_asked_for_by_its_batch_size():
    assert not LearningConfig().sweeps
    assert not replay(compose_batch_size=4).sweeps
    assert replay(sweep_batch_size=1).sweeps


@pytest.mark.parametrize(("num_ids", "capacity"), [(6, 2**15), (128, 2**15), (200, 80_000), (1449, 2**22)])
def test_the_queue_has_room_for_every_pair_twice(num_ids, capacity):
    model = stacks.table_stack(num_ids, 1)
    learner = jax.eval_shape(lambda: begin(model, replay(sweep_batch_size=4)))
    assert learner.queue.states.shape == (capacity,)
