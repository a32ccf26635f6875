"""Models: built by config, counted, kept and found again, and other models are refused."""

import dataclasses

import jax
import numpy as np
import pytest
import safetensors.numpy
from ml_collections import ConfigDict

from humain import errors
from humain.abstraction import clustering
from humain.language.dataset import Dataset
from humain.language.vocabulary import IndexedPlan
from tasks.language import learner, models

_PLANS = (
    IndexedPlan("a boat", (0, 1, 2)),
    IndexedPlan("a lamp", (0, 3)),
    IndexedPlan("a radar", (3, 0), split="test"),
)


def _data(plans=_PLANS):
    rng = np.random.default_rng(0)
    return Dataset(
        plans=plans,
        vocabulary=("wood", "plank", "boat", "lamp"),
        vocabulary_embeddings=rng.normal(size=(4, 3)).astype(np.float32),
        goal_embeddings=rng.normal(size=(len(plans), 3)).astype(np.float32),
        embedder="test",
        writer="test",
    )


def _model(**values):
    return {
        "kernel": {"name": "linear", "num_keys": 5, "sharpness": 1.0},
        "num_slots": 2,
        "access": "value",
        "asymmetry": 0.9,
        "suppression": "per_slot",
        "encoding": "sinusoidal",
        "suppression_weight": 0.3,
        "score_discount": 0.9,
        "learning_rate": 1e-2,
        "abstraction": "chunk_mean",
        "chunks": (2,),
        "num_clusters": (2,),
        "context_lengths": (2, 1),
        **values,
    }


_CONFIG = ConfigDict(
    {
        "num_updates": 10,
        "paths": {"replay": True, "max_paths": 3, "passed_weight": 0.9},
        "stop": 2.0,
        "models": {
            "hierarchy": _model(),
            "flat": _model(chunks=(), context_lengths=(2,)),
            "wide": _model(num_slots=3),
            # Two layers that are alike, and so are learned together.
            "alike": _model(context_lengths=(1, 1)),
            "short": _model(context_lengths=(2,)),
            "empty": _model(chunks=(0,)),
            "clusters": _model(abstraction="kmeans", chunks=(3,)),
            "fewer": _model(abstraction="kmeans", num_clusters=()),
            "other": _model(abstraction="mean"),
        },
    }
)


@pytest.fixture(scope="module")
def setup():
    return models.build(_CONFIG, "hierarchy", _data())


def test_clusters_are_what_the_upper_layer_sees():
    # Wood and plank lie together, and boat and lamp. Scaled, the spread of the numbers is 0.3; unscaled it is that of
    # -1, -1, 1, 1 in one direction and 0 in the other, over both: sqrt(1 / 2). So 1 becomes 0.3 * sqrt(2).
    places = np.array([[-1, 0], [-1, 0], [1, 0], [1, 0]], np.float32)
    built = models.build(_CONFIG, "clusters", dataclasses.replace(_data(), vocabulary_embeddings=places))
    side = 0.3 * np.sqrt(2)
    # Nothing, then the clusters: the first one on the way to others, the second at an end, the first at an end.
    above = sorted(built.tables[1].states.tolist())
    expected = [[-side, 0, 0], [-side, 0, 2], [0, 0, 0], [side, 0, 0], [side, 0, 2]]
    np.testing.assert_allclose(above, expected, atol=1e-6)


def test_a_trained_model_s_clusters_are_kept_with_it(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    built = models.build(_CONFIG, "clusters", _data())
    (centroids,) = built.centroids
    learned = learner.begin(built.model, jax.random.key(1)).model
    # Another device may number them the other way round; here, too, nothing but the file says which is which.
    turned = centroids[::-1].copy()
    models.save(path, learned, (turned,))

    def refuse(*_, **__):
        raise AssertionError("clusters are found anew")

    monkeypatch.setattr(clustering, "fit", refuse)
    again = models.build(_CONFIG, "clusters", _data(), trained=path)
    np.testing.assert_array_equal(again.centroids[0], turned)
    _assert_same(models.load(path, again), learned)
    for table, other in zip(built.tables, again.tables, strict=True):
        for field in dataclasses.fields(table):
            np.testing.assert_array_equal(getattr(table, field.name), getattr(other, field.name))


def test_a_trained_model_s_clusters_are_those_of_the_file(tmp_path):
    path = tmp_path / "model.safetensors"
    built = models.build(_CONFIG, "clusters", _data())
    # All sentences lie around the first centroid.
    moved = np.array([[0, 0, 0], [9, 9, 9]], np.float32)
    models.save(path, learner.begin(built.model, jax.random.key(1)).model, (moved,))
    again = models.build(_CONFIG, "clusters", _data(), trained=path)
    # Nothing; and the one cluster, last on its way as a target and seen.
    np.testing.assert_array_equal(again.tables[1].states, [[0, 0, 0, 0], [0, 0, 0, 2], [0, 0, 0, 0]])


@pytest.mark.parametrize("num_saved", [0, 2])
def test_clusters_of_another_model_are_refused(tmp_path, num_saved):
    path = tmp_path / "model.safetensors"
    built = models.build(_CONFIG, "clusters", _data())
    models.save(path, learner.begin(built.model, jax.random.key(1)).model, built.centroids * num_saved)
    with pytest.raises(errors.UserError, match=r"model.safetensors is of another model .*; train again$"):
        models.load(path, models.build(_CONFIG, "clusters", _data(), trained=path))


def test_means_need_no_file_to_be_built(tmp_path):
    built = models.build(_CONFIG, "hierarchy", _data(), trained=tmp_path / "nowhere")
    assert built.centroids == ()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fewer", "models.fewer: 1 sizes of chunks need as many num_clusters"),
        ("other", "models.other: abstraction 'mean' is neither 'chunk_mean' nor 'kmeans'"),
    ],
)
def test_an_abstraction_that_cannot_be_is_refused(name, message):
    with pytest.raises(errors.UserError, match=message):
        models.build(_CONFIG, name, _data())


@pytest.fixture(scope="module")
def state(setup):
    return learner.begin(setup.model, jax.random.key(1)).model


def _leaves(state):
    return [np.asarray(leaf) for kernel in state.kernels for leaf in jax.tree.leaves(kernel.params)]


def _assert_same(first, second):
    for one, other in zip(_leaves(first), _leaves(second), strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        assert one.tobytes() == other.tobytes()


def test_a_setup_learns_from_the_split_train_alone(setup):
    # Of the flat model's goals there is one for each of the sentences 0 to 3 that a plan of `train` passes; the goal
    # of the test plan, sentence 0, has only the way of the training plans: from nothing to 0.
    flat = models.build(_CONFIG, "flat", _data())
    (table,) = flat.tables
    assert table.goals.shape == (4, 4)
    to_0 = np.flatnonzero(np.all(np.isclose(table.goals[table.asked, :3], flat.embeddings[0]), axis=1))
    assert table.contexts[to_0].tolist() == [[-1, 0]]
    assert len(setup.tables) == 2


def test_a_setup_scales_embeddings(setup):
    data = _data()
    # To a spread of 0.3 about 0; see `scaling`.
    np.testing.assert_allclose(setup.embeddings.mean(axis=0), np.zeros(3), atol=1e-6)
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(setup.embeddings))), 0.3, rtol=1e-5)
    np.testing.assert_allclose(setup.scaling.restore(setup.embeddings), data.vocabulary_embeddings, rtol=1e-4)
    assert setup.stop == 2.0
    assert setup.model.space.num_features == 4


def test_replay_and_weights_come_from_the_config():
    # Merely passed: 0.9 (from 0 to itself and on the way to 1); asked for: 1. The scores of each path's last step.
    (table,) = models.build(_CONFIG, "flat", _data()).tables
    last = table.states[table.targets, 3] == 2.0
    np.testing.assert_allclose(np.sort(table.scores[last]), [0.9, 0.9, 1, 1], rtol=1e-6)


def test_guidance_asks_the_top_layer_as_often_as_told(setup, state):
    guidance = setup.guidance(state, max_sub_steps=5, max_top_steps=7)
    assert guidance.max_sub_steps == (5, 7)
    assert guidance.state is state
    assert guidance.tables is setup.tables
    # Untrained: one step is enough to see that it can be asked.
    assert len(guidance.think([2], max_steps=1).steps) == 1


def test_parameters_by_hand(state):
    # A state has 3 + 1 features and each layer 5 keys and 2 slots, so that a query has (C + 1) * 4 numbers:
    # keys (C + 1) * 4 * 5, memories 5 * 2 * (4 + 1) = 50, biases 5. C = 2: 60 + 55 = 115; C = 1: 40 + 55 = 95.
    assert models.num_parameters(state) == 115 + 95


@pytest.mark.parametrize("name", ["hierarchy", "alike"])
def test_what_was_saved_comes_back_to_the_bit(tmp_path, name):
    setup = models.build(_CONFIG, name, _data())
    state = learner.begin(setup.model, jax.random.key(1)).model
    path = tmp_path / "new" / "model.safetensors"
    models.save(path, state)
    loaded = models.load(path, setup)
    _assert_same(loaded, state)
    assert str(jax.tree.structure(loaded)) == str(jax.tree.structure(state))
    # Other parameters than a new model's, which `load` begins with.
    other = learner.begin(setup.model, jax.random.key(0)).model
    assert any(not np.array_equal(*leaves) for leaves in zip(_leaves(other), _leaves(loaded), strict=True))
    assert [file.name for file in path.parent.iterdir()] == ["model.safetensors"]


def test_a_loaded_model_answers_alike(tmp_path, setup, state):
    path = tmp_path / "model.safetensors"
    models.save(path, state)
    limits = {"max_sub_steps": 2, "max_top_steps": 2}
    first, second = (
        setup.guidance(one, **limits).think([2], max_steps=3).nodes for one in (state, models.load(path, setup))
    )
    assert [node.answer.tobytes() for node in first] == [node.answer.tobytes() for node in second]


def test_saving_again_replaces(tmp_path, setup, state):
    path = tmp_path / "model.safetensors"
    models.save(path, learner.begin(setup.model, jax.random.key(2)).model)
    models.save(path, state)
    _assert_same(models.load(path, setup), state)


@pytest.mark.parametrize("name", ["flat", "wide", "alike"])
def test_another_model_is_refused(tmp_path, state, name):
    path = tmp_path / "model.safetensors"
    models.save(path, state)
    with pytest.raises(errors.UserError, match=r"model.safetensors is of another model .*; train again$"):
        models.load(path, models.build(_CONFIG, name, _data()))


def test_other_tensors_are_refused(tmp_path, setup, state):
    path = tmp_path / "model.safetensors"
    half = [leaf.astype(np.float16) for leaf in _leaves(state)]
    for tensors in ({"weights": half[0]}, {}, {str(at): leaf for at, leaf in enumerate(half)}):
        safetensors.numpy.save_file(tensors, path)
        with pytest.raises(errors.UserError, match=r"model.safetensors is of another model .*; train again$"):
            models.load(path, setup)


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_truncated_file_is_refused(tmp_path, setup, state, keep):
    path = tmp_path / "model.safetensors"
    models.save(path, state)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(errors.UserError, match=r"model.safetensors can't be read \(.+\); train again$"):
        models.load(path, setup)


def test_a_missing_file_is_refused(tmp_path, setup):
    with pytest.raises(errors.UserError, match=r"model.safetensors can't be read \(.+\); train again$"):
        models.load(tmp_path / "model.safetensors", setup)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("short", "^models.short: 2 layers need as many context lengths, not 1$"),
        ("empty", "^models.empty: a chunk has 1 state or more, not 0$"),
    ],
)
def test_a_config_that_can_not_be_is_one_line_for_the_user(name, message):
    with pytest.raises(errors.UserError, match=message):
        models.build(_CONFIG, name, _data())


def test_data_without_a_plan_to_learn_from_is_refused():
    with pytest.raises(errors.UserError, match="^the data has no plan of the split 'train' to learn from; prepare"):
        models.build(_CONFIG, "hierarchy", _data(_PLANS[2:]))


def test_the_main_model_is_the_hierarchy_or_the_first():
    assert models.main(["flat", "hierarchy", "regression"]) == "hierarchy"
    assert models.main(["flat", "regression"]) == "flat"
    assert models.main(iter(("flat", "hierarchy"))) == "hierarchy"


def test_known_goals_are_those_of_training():
    assert models.known_goals(_PLANS) == {"a boat": 2, "a lamp": 3}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path, setup, state, value):
    path = tmp_path / "model.safetensors"
    models.save(path, state)
    tensors = {name: tensor.copy() for name, tensor in safetensors.numpy.load_file(path).items()}
    tensors["0"].flat[-1] = value
    safetensors.numpy.save_file(tensors, path)
    with pytest.raises(errors.UserError, match=r"model.safetensors has weights that are not finite; train again$"):
        models.load(path, setup)
