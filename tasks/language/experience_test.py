"""Paths as trajectories, and what the library's layers learn from them, by hand."""

import collections

import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from humain.abstraction.chunk_mean import ChunkMean
from humain.abstraction.skip import Skip
from humain.cortex import hindsight
from tasks.language import experience, layers
from tasks.language.paths import Path
from tasks.language.small_model import CONFIG

_E = np.eye(4, dtype=np.float32)
"""Four sentences."""
_MIDDLE = np.array([0.5, 0.5, 0, 0], np.float32)
"""The mean of sentences 0 and 1."""
_ABSTRACTIONS = (ChunkMean(2), Skip(100))


def test_paths_are_trajectories_that_begin_with_nothing():
    made = experience.trajectories([Path((0, 1, 2), 0.5), Path((3,), 1.0)], _E, score_discount=0.9)
    zero = np.zeros(4)
    np.testing.assert_array_equal(made.states, [[zero, _E[0], _E[1], _E[2]], [zero, _E[3], zero, zero]])
    assert made.lengths.tolist() == [4, 2]
    # Returns to go: 3 sentences to go 0.5 * 0.9 ** 2, then 0.5 * 0.9, then 0.5; and 1 at once.
    to_go = np.cumsum(np.asarray(made.rewards)[:, ::-1], axis=1)[:, ::-1]
    np.testing.assert_allclose(to_go, np.array([[0.405, 0.45, 0.5, 0], [1, 0, 0, 0]]), atol=1e-6)


def test_no_path_is_refused():
    with pytest.raises(ValueError, match="no path to learn from; expected at least one"):
        experience.trajectories([], _E, score_discount=0.9)


def test_what_each_layer_can_answer():
    made = experience.trajectories([Path((0, 1, 2), 1.0), Path((0, 1), 1.0)], _E, score_discount=0.9)
    bottom, top = hindsight.answers(made, _ABSTRACTIONS)
    np.testing.assert_array_equal(bottom, _E[:3])
    # The chunks (0, 1) and (2).
    np.testing.assert_array_equal(top, [_MIDDLE, _E[2]])


def test_two_layers_by_hand():
    """The path 0, 1, 2 in chunks of 2: (0, 1) and (2)."""
    made = experience.trajectories([Path((0, 1, 2), 0.5)], _E, score_discount=0.9)
    known = [np.asarray(states) for states in hindsight.answers(made, _ABSTRACTIONS)]
    model = layers.build_model(CONFIG, known, num_updates=1, stop=2.0)
    found = hindsight.gather(made, _ABSTRACTIONS, model.layers)
    examples = []
    for number, (layer, places) in enumerate(zip(model.layers, found.stretches, strict=True)):
        assert places is not None
        examples.append(
            hindsight.examples_between(
                found,
                layer,
                number=number,
                walks=places.walks,
                times=places.times,
                goal_times=places.goal_times,
                kept=places.kept,
            )
        )
    bottom, top = examples
    zero = np.zeros(4)
    # In sight of nothing, of 0, and, in the second chunk, of nothing again: where the first one ended is hidden.
    np.testing.assert_array_equal(bottom.context.mask, [[False, True], [True, True], [False, True]])
    np.testing.assert_array_equal(bottom.context.states[:, -1], [zero, _E[0], zero])
    np.testing.assert_array_equal(bottom.context.states[1, 0], zero)
    np.testing.assert_array_equal(bottom.goals, [_MIDDLE, _MIDDLE, _E[2]])
    np.testing.assert_array_equal(bottom.targets, [[*_E[0], 0], [*_E[1], 1], [*_E[2], 1]])
    # 0.9 for each sentence to go in a chunk.
    np.testing.assert_allclose(bottom.scores, [0.81, 0.9, 0.9], rtol=1e-6)

    # The path's weight counts on the top layer only; its goal is the sentence.
    np.testing.assert_array_equal(top.context.states[:, -1], [zero, _MIDDLE])
    np.testing.assert_array_equal(top.goals, [_E[2], _E[2]])
    np.testing.assert_array_equal(top.targets, [[*_MIDDLE, 0], [*_E[2], 1]])
    # 3 sentences to go: 0.5 * 0.9 ** 2; and 1.
    np.testing.assert_allclose(top.scores, [0.405, 0.5], atol=1e-6)
    assert jnp.all(bottom.mask)
    assert jnp.all(top.mask)


def _listed(num_first, share):
    """How often each example of two paths, of three sentences and of one, stands in a list that is shared out."""
    made = experience.trajectories([Path((0, 1, 2), 1.0), Path((3,), 1.0)], _E, score_discount=0.9)
    model = layers.build_model(ConfigDict({**CONFIG, "context_lengths": (2,)}), [_E], num_updates=1, stop=2.0)
    found = hindsight.gather(made, (Skip(100),), model.layers)
    (listed,) = experience.shared_out(found, num_first=num_first, share=share).stretches
    assert listed is not None
    places = list(zip(listed.walks.tolist(), listed.times.tolist(), listed.target_times.tolist(), strict=True))
    return collections.Counter(places)


def test_a_share_of_the_examples_is_of_the_first_paths():
    # The first path has three examples, and the second one. Of 3 + 9 the others are three quarters.
    assert _listed(1, 0.25) == {(0, 0, 1): 1, (0, 1, 2): 1, (0, 2, 3): 1, (1, 0, 1): 9}
    # Of 4 + 1 the first are four fifths: the list begins anew.
    assert _listed(1, 0.8) == {(0, 0, 1): 2, (0, 1, 2): 1, (0, 2, 3): 1, (1, 0, 1): 1}


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match=f"^the share must lie between 0 and 1, not {share}$"):
        _listed(1, share)


@pytest.mark.parametrize(("num_first", "message"), [(0, "0 examples .* 4 of the others"), (2, "4 examples .* 0 of")])
def test_a_share_of_one_kind_is_refused(num_first, message):
    with pytest.raises(ValueError, match=f"^{message}.*; a share needs both$"):
        _listed(num_first, 0.5)
