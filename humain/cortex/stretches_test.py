"""Stretches by hand: from pivot to pivot, each of equal examples once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain.abstraction.chunk_mean import ChunkMean
from humain.abstraction.skip import Skip
from humain.cortex import hindsight
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear, Return
from humain.layer import Layer
from humain.spaces import Continuous, Discrete
from humain.stopping import Stopping
from humain.testing.probe import Probe
from humain.types import Trajectories

_SPACE = Discrete(100)
_LINEAR = Linear(10)


def _layer(score_rule=_LINEAR, context_length=1, space=_SPACE, target_space=None, **settings):
    cortex = Cortex(Probe(space, target_space or space), score_rule, pivot_to_pivot=True)
    return Layer(cortex, context_length=context_length, **settings)


def _walks(*walks, rewards=None, actions=None):
    length = max(map(len, walks))
    states = np.array([[*walk, *[0] * (length - len(walk))] for walk in walks], np.int32)
    return Trajectories(
        states=jnp.asarray(states), lengths=jnp.array([len(walk) for walk in walks]), rewards=rewards, actions=actions
    )


def _listed(experience, number):
    places = experience.stretches[number]
    columns = (places.walks, places.times, places.goal_times, places.kept)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_places_of_one_walk():
    found = hindsight.gather(_walks((1, 2, 3, 4, 5, 6)), (Skip(2), Skip(9)), (_layer(context_length=9),) * 2)
    # Pivots at 0, 2 and 4, and the end at 5; what is kept begins with the pivot before.
    assert _listed(found, 0) == [(0, 0, 2, 0), (0, 1, 2, 1), (0, 2, 4, 0), (0, 3, 4, 1), (0, 4, 5, 0)]
    # Above, the path is 0, 2, 4, and there is no pivot after the first.
    assert _listed(found, 1) == [(0, 0, 5, 0), (0, 2, 5, 1), (0, 4, 5, 2)]


def test_equal_examples_count_once_by_what_is_in_sight():
    walks = _walks((1, 2, 3), (7, 9, 1, 2, 3), (8, 9, 5))
    # With a pivot at every second state, 1 to 3 by 2 stands in two walks.
    found = hindsight.gather(walks, (Skip(2),), (_layer(),))
    first = [(0, 0, 2, 0), (0, 1, 2, 1)]
    assert _listed(found, 0) == [*first, (1, 0, 2, 0), (1, 1, 2, 1), (2, 0, 2, 0), (2, 1, 2, 1)]
    # From 9 to 5 in the third walk is another example than from 9 to 1, for it has another goal. With a longer memory,
    # it makes a difference what came before 2, as it was since the last pivot.
    walks = _walks((1, 2, 3), (4, 2, 3))
    assert _listed(hindsight.gather(walks, (Skip(2),), (_layer(),)), 0) == [*first, (1, 0, 2, 0)]
    longer = hindsight.gather(walks, (Skip(2),), (_layer(context_length=2),))
    assert _listed(longer, 0) == [*first, (1, 0, 2, 0), (1, 1, 2, 1)]


def test_the_best_score_is_kept():
    rewards = jnp.array([[1.0, 1.0, 0.0], [2.0, 2.0, 0.0], [2.0, 2.0, 0.0]])
    found = hindsight.gather(
        _walks((1, 2, 3), (1, 2, 3), (1, 2, 3), rewards=rewards), (Skip(9),), (_layer(Return(0, 9)),)
    )
    # Returns to go are 2 and 1 in the first walk, 4 and 2 in the others, the first of which counts.
    assert _listed(found, 0) == [(1, 0, 2, 0), (1, 1, 2, 1)]


def test_other_actions_make_other_examples():
    actions = jnp.array([[5, 6, 0], [5, 7, 0]])
    walks = _walks((1, 2, 3), (1, 2, 3), actions=actions)
    found = hindsight.gather(walks, (Skip(9),), (_layer(target_space=Discrete(9)),))
    assert _listed(found, 0) == [(0, 0, 2, 0), (0, 1, 2, 1), (1, 1, 2, 1)]


def test_a_layer_that_does_not_go_from_pivot_to_pivot_has_none():
    cortex = Cortex(Probe(_SPACE, _SPACE), Linear(10))
    assert hindsight.gather(_walks((1, 2, 3)), (Skip(2),), (Layer(cortex),)).stretches == ()


def test_examples_are_drawn_from_the_list_each_as_often():
    layer = _layer(context_length=2)
    # What is common, 1 to 2, has nine walks, and what is rare one.
    found = hindsight.gather(_walks(*[(1, 2)] * 9, (3, 4)), (Skip(2),), (layer,))
    batch = hindsight.sample(found, layer, number=0, key=jax.random.key(0), batch_size=2000)
    assert jnp.all(batch.mask)
    # 2000 draws of two: 1000, with a standard deviation of 22.
    assert abs(int(jnp.sum(batch.goals == 4)) - 1000) < 110
    np.testing.assert_array_equal(batch.targets, batch.goals)


@pytest.mark.parametrize("hide_start", [False, True])
def test_what_was_looked_up_before_is_what_would_be_found(hide_start):
    space = Continuous(1)
    layer = _layer(Return(-9, 9), 3, space, Stopping(space), hide_start=hide_start)
    rng = np.random.default_rng(0)
    walks = Trajectories(
        states=jnp.asarray(rng.normal(size=(3, 12, 1)), jnp.float32),
        lengths=jnp.array([12, 7, 3]),
        rewards=jnp.asarray(rng.normal(size=(3, 12)), jnp.float32),
    )
    found = hindsight.gather(walks, (ChunkMean(2), ChunkMean(2), Skip(99)), (layer,) * 3)
    for number, places in enumerate(found.stretches):
        assert places is not None
        drawn = hindsight.sample(found, layer, number=number, key=jax.random.key(0), batch_size=64)
        at = jax.random.randint(jax.random.key(0), (64,), 0, len(places.walks))
        expected = hindsight.examples_between(
            found,
            layer,
            number=number,
            walks=places.walks[at],
            times=places.times[at],
            goal_times=places.goal_times[at],
            kept=places.kept[at],
        )
        mask = expected.context.mask
        np.testing.assert_array_equal(drawn.context.mask, mask)
        for name in ("states", "features"):
            one, other = (jnp.where(mask[..., None], getattr(made.context, name), 0) for made in (drawn, expected))
            np.testing.assert_array_equal(one, other)
        for name in ("goals", "targets", "scores", "mask"):
            np.testing.assert_array_equal(getattr(drawn, name), getattr(expected, name))


def test_a_layer_below_a_mean_is_asked_for_it_and_told_where_its_way_ends():
    space = Continuous(1)
    layer = _layer(space=space, target_space=Stopping(space), context_length=2)
    states = jnp.array([[[9.0], [1.0], [3.0], [8.0]]])
    walks = Trajectories(states=states, lengths=jnp.array([4]))
    found = hindsight.gather(walks, (ChunkMean(2), Skip(9)), (layer, layer))
    places = found.stretches[0]
    assert places is not None
    examples = hindsight.examples_between(
        found,
        layer,
        number=0,
        walks=places.walks,
        times=places.times,
        goal_times=places.goal_times,
        kept=places.kept,
    )
    # The mean of 1 and 3 is asked for at 9 and at 1, and the chunk of 8 alone at 3.
    np.testing.assert_array_equal(examples.goals, [[2], [2], [8]])
    np.testing.assert_array_equal(examples.targets, [[1, 0], [3, 1], [8, 1]])


def test_starts_that_are_hidden_are_all_alike():
    space = Continuous(1)
    states = jnp.array([[[1.0], [2.0], [3.0]], [[9.0], [2.0], [3.0]]])
    walks = Trajectories(states=states, lengths=jnp.array([3, 3]))
    shown, hidden = (
        hindsight.gather(walks, (Skip(2),), (_layer(space=space, context_length=2, hide_start=hide),))
        for hide in (False, True)
    )
    assert _listed(shown, 0) == [(0, 0, 2, 0), (0, 1, 2, 1), (1, 0, 2, 0), (1, 1, 2, 1)]
    assert _listed(hidden, 0) == [(0, 0, 2, 0), (0, 1, 2, 1)]


@pytest.mark.parametrize("number", [0, 1])
def test_the_user_s_goal_is_a_state(number):
    states = jnp.array([[[9.0], [1.0], [3.0], [8.0], [10.0]]])
    walks = Trajectories(states=states, lengths=jnp.array([5]))
    _, seen, goals = hindsight.views(walks, (ChunkMean(2), Skip(9)))
    # The layer above sees 9, 1, the mean of 1 and 3, 8, and the mean of 8 and 10; the user asks for states.
    expected = [states, jnp.array([[[9.0], [1.0], [2.0], [8.0], [9.0]]])]
    np.testing.assert_array_equal(seen[number], expected[number])
    np.testing.assert_array_equal(goals[number], expected[1 - number])


def test_ids_are_not_hidden():
    with pytest.raises(ValueError, match=r"vectors, not those of Discrete\(num_elements=100\); set it to False"):
        _layer(hide_start=True)


def _shown(context_length, times, kept, *, number=0, hide_start=True):
    """The states that are there, of contexts on the path 5, 6, 7, 8, 9, ... of vectors."""
    space = Continuous(1)
    walks = Trajectories(states=5.0 + jnp.arange(8.0)[None, :, None], lengths=jnp.array([8]))
    experience = hindsight.gather(walks, (Skip(2), Skip(2)))
    layer = Layer(Cortex(Probe(space, space), _LINEAR), context_length, hide_start=hide_start)
    found = hindsight.contexts(
        experience,
        layer,
        number=number,
        walks=jnp.zeros(len(times), jnp.int32),
        times=jnp.array(times),
        kept=jnp.array(kept),
    )
    return [row[mask][:, 0].tolist() for row, mask in zip(*map(np.asarray, (found.states, found.mask)), strict=True)]


def test_the_first_state_since_the_refresh_is_hidden_and_no_other():
    # At time 3 with 0, 1, 2 and 3 states kept, of which there is room for 2.
    assert _shown(3, [3] * 4, [0, 1, 2, 3]) == [[0], [0, 8], [0, 7, 8], [6, 7, 8]]
    # Where the walk begins nothing is older, whatever was kept.
    assert _shown(3, [0, 1, 2], [7] * 3) == [[0], [0, 6], [0, 6, 7]]
    assert _shown(3, [0, 1, 3], [7, 1, 2], hide_start=False) == [[5], [5, 6], [6, 7, 8]]


def test_a_start_without_any_context_is_hidden_too():
    assert _shown(1, [0, 1, 3, 3], [7, 7, 7, 0]) == [[0], [6], [8], [0]]
    # Above, 5 and 7 are stored a step late: 5 is not yet at time 0, but at time 1.
    assert _shown(1, [0, 1, 2, 3], [7] * 4, number=1) == [[0], [6], [7], [8]]
    assert _shown(2, [0, 1, 2, 3], [7] * 4, number=1) == [[0], [0, 6], [0, 7], [7, 8]]
