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
from tasks.language import models, reading

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
        "blueprints": "whole",
        "train_share": 0.0,
        "reads": False,
        **values,
    }


_CONFIG = ConfigDict(
    {
        "num_updates": 10,
        "num_imagined": 6,
        "milestones": {"width": 4, "hidden": 4, "num_updates": 10, "num_imagined": 6},
        "paths": {"replay": True, "max_paths": 3, "passed_weight": 0.9},
        "stop": 2.0,
        "models": {
            "hierarchy": _model(),
            "flat": _model(chunks=(), context_lengths=(2,)),
            "wide": _model(num_slots=3),
            "divided": _model(blueprints="divided"),
            # Two layers that are alike, and so are learned together.
            "alike": _model(context_lengths=(1, 1)),
            "short": _model(context_lengths=(2,)),
            "empty": _model(chunks=(0,)),
            "clusters": _model(abstraction="kmeans", num_clusters=(3,)),
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
    # Nothing is a place of its own, where paths begin; what comes after it is in one of the other two clusters.
    assert sorted(place for place, _ in built.centroids[0].tolist()) == pytest.approx([-side, 0, side], abs=1e-6)
    np.testing.assert_allclose(sorted(built.known(1).tolist()), [[-side, 0], [side, 0]], atol=1e-6)


def test_a_trained_model_s_clusters_are_kept_with_it(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    built = models.build(_CONFIG, "clusters", _data())
    (centroids,) = built.centroids
    learned = built.model.init(jax.random.key(1), built.abstractions)
    # Another device may number them the other way round; here, too, nothing but the file says which is which.
    turned = centroids[::-1].copy()
    models.save(path, learned, (turned,))

    def refuse(*_, **__):
        raise AssertionError("clusters are found anew")

    monkeypatch.setattr(clustering, "fit", refuse)
    again = models.build(_CONFIG, "clusters", _data(), trained=path)
    np.testing.assert_array_equal(again.centroids[0], turned)
    _assert_same(models.load(path, again), learned)
    np.testing.assert_array_equal(np.sort(again.known(1), axis=0), np.sort(built.known(1), axis=0))


def test_a_trained_model_s_clusters_are_those_of_the_file(tmp_path):
    path = tmp_path / "model.safetensors"
    built = models.build(_CONFIG, "clusters", _data())
    # All sentences lie around the first centroid.
    moved = np.array([[0, 0, 0], [9, 9, 9], [-9, 9, 9]], np.float32)
    models.save(path, built.model.init(jax.random.key(1), built.abstractions), (moved,))
    again = models.build(_CONFIG, "clusters", _data(), trained=path)
    # The one cluster.
    np.testing.assert_array_equal(again.known(1), [[0, 0, 0]])


@pytest.mark.parametrize("num_saved", [0, 2])
def test_clusters_of_another_model_are_refused(tmp_path, num_saved):
    path = tmp_path / "model.safetensors"
    built = models.build(_CONFIG, "clusters", _data())
    models.save(path, built.model.init(jax.random.key(1), built.abstractions), built.centroids * num_saved)
    with pytest.raises(errors.UserError, match=r"model.safetensors is of another model .*; train again$"):
        models.load(path, models.build(_CONFIG, "clusters", _data(), trained=path))


def test_means_need_no_file_to_be_built(tmp_path):
    built = models.build(_CONFIG, "hierarchy", _data(), trained=tmp_path / "nowhere")
    assert built.centroids == ()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fewer", "model: context_lengths must be one for each of the 1 layers, not 2"),
        ("other", "models.other: abstraction 'mean' is neither 'chunk_mean' nor 'kmeans'"),
    ],
)
def test_an_abstraction_that_cannot_be_is_refused(name, message):
    with pytest.raises(errors.UserError, match=message):
        models.build(_CONFIG, name, _data())


@pytest.fixture(scope="module")
def state(setup):
    return setup.model.init(jax.random.key(1), setup.abstractions)


def _leaves(state):
    return [np.asarray(leaf) for kernel in state.kernels for leaf in jax.tree.leaves(kernel.params)]


def _assert_same(first, second):
    for one, other in zip(_leaves(first), _leaves(second), strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        assert one.tobytes() == other.tobytes()


def test_a_setup_learns_from_the_split_train_alone(setup):
    # The shortest path to each of the sentences that a plan of `train` passes; to sentence 0, the goal of the test
    # plan, there is only the way of the training plans: from nothing to 0.
    states, lengths = (np.asarray(part) for part in (setup.trajectories.states, setup.trajectories.lengths))
    ends = states[np.arange(len(lengths)), lengths - 1]
    np.testing.assert_array_equal(ends, setup.embeddings[[0, 1, 2, 3]])
    assert lengths.tolist() == [2, 3, 4, 3]
    np.testing.assert_array_equal(setup.known(0), setup.embeddings)
    # The chunks (0), (0, 1), (2) and (0, 3).
    assert setup.known(1).shape == (4, 3)


def test_a_setup_scales_embeddings(setup):
    data = _data()
    # To a spread of 0.3 about 0; see `scaling`.
    np.testing.assert_allclose(setup.embeddings.mean(axis=0), np.zeros(3), atol=1e-6)
    np.testing.assert_allclose(np.sqrt(np.mean(np.square(setup.embeddings))), 0.3, rtol=1e-5)
    np.testing.assert_allclose(setup.scaling.restore(setup.embeddings), data.vocabulary_embeddings, rtol=1e-4)
    assert setup.model.space.num_features == 3


def test_replay_and_weights_come_from_the_config():
    # Merely passed: 0.9 (from 0 to itself and on the way to 1); asked for: 1. What is left of it before the last step.
    made = models.build(_CONFIG, "flat", _data()).trajectories
    last = np.asarray(made.rewards)[np.arange(4), np.asarray(made.lengths) - 2]
    np.testing.assert_allclose(np.sort(last), [0.9, 0.9, 1, 1], rtol=1e-6)


def test_guidance_asks_each_layer_as_often_as_told(setup, state):
    guidance = setup.guidance(state, max_sub_steps=5, max_top_steps=7, max_steps=3)
    assert [layer.max_sub_steps for layer in guidance.model.layers] == [5, 7]
    assert [layer.max_nodes for layer in guidance.model.layers] == [3, 7]
    assert guidance.state is state
    # Untrained: one step is enough to see that it can be asked.
    short = setup.guidance(state, max_sub_steps=5, max_top_steps=7, max_steps=1)
    assert len(short.think([2]).steps) == 1


def test_the_steps_of_a_single_layer_are_bounded_as_steps():
    flat = models.build(_CONFIG, "flat", _data())
    learned = flat.model.init(jax.random.key(1), flat.abstractions)
    (layer,) = flat.guidance(learned, max_sub_steps=5, max_top_steps=7, max_steps=3).model.layers
    assert (layer.max_sub_steps, layer.max_nodes) == (7, 3)


def test_parameters_by_hand(state):
    # A state has 3 features, an answer one more, and each layer 5 keys and 2 slots, so that a query has (C + 1) * 3
    # numbers: keys (C + 1) * 3 * 5, memories 5 * 2 * (4 + 1) = 50, biases 5. C = 2: 45 + 55 = 100; C = 1: 30 + 55 = 85.
    assert models.num_parameters(state) == 100 + 85


@pytest.mark.parametrize("name", ["hierarchy", "alike"])
def test_what_was_saved_comes_back_to_the_bit(tmp_path, name):
    setup = models.build(_CONFIG, name, _data())
    state = setup.model.init(jax.random.key(1), setup.abstractions)
    path = tmp_path / "new" / "model.safetensors"
    models.save(path, state)
    loaded = models.load(path, setup)
    _assert_same(loaded, state)
    assert str(jax.tree.structure(loaded)) == str(jax.tree.structure(state))
    # Other parameters than a new model's, which `load` begins with.
    other = setup.model.init(jax.random.key(0), setup.abstractions)
    assert any(not np.array_equal(*leaves) for leaves in zip(_leaves(other), _leaves(loaded), strict=True))
    assert [file.name for file in path.parent.iterdir()] == ["model.safetensors"]


def test_a_loaded_model_answers_alike(tmp_path, setup, state):
    path = tmp_path / "model.safetensors"
    models.save(path, state)
    limits = {"max_sub_steps": 2, "max_top_steps": 2, "max_steps": 3}
    first, second = (setup.guidance(one, **limits).think([2]).nodes for one in (state, models.load(path, setup)))
    assert [node.answer.tobytes() for node in first] == [node.answer.tobytes() for node in second]


def test_saving_again_replaces(tmp_path, setup, state):
    path = tmp_path / "model.safetensors"
    models.save(path, setup.model.init(jax.random.key(2), setup.abstractions))
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
        ("short", "^model: context_lengths must be one for each of the 2 layers, not 1$"),
        ("empty", "^models.empty: the size must be at least 1, not 0$"),
    ],
)
def test_a_config_that_can_not_be_is_one_line_for_the_user(name, message):
    with pytest.raises(errors.UserError, match=message):
        models.build(_CONFIG, name, _data())


def _heads(*, width, hidden=4, num_heads=2, **values):
    """A config of one model whose layer of milestones attends."""
    chosen = _model(**{"blueprints": "divided", **values})
    chosen["kernel"] = {"name": "transformer", "num_heads": num_heads, "width": 8, "hidden": 8}
    return ConfigDict({"milestones": {"width": width, "hidden": hidden}, "models": {"one": chosen}})


def _named(name, **values):
    """The config of above with another model."""
    config = _CONFIG.copy_and_resolve_references()
    config.models = {"divided": _model(blueprints="divided"), name: _model(**values)}
    return config


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (_heads(width=0), "milestones.width must be at least 1, not 0"),
        (_heads(width=-4), "milestones.width must be at least 1, not -4"),
        (_heads(width=4, hidden=0), "milestones.hidden must be at least 1, not 0"),
        (_heads(width=5), r"milestones.width must be a multiple of models.one.kernel.num_heads \(2\), not 5"),
        (_heads(width=4, num_heads=0), "models.one.kernel.num_heads must be at least 1, not 0"),
        # Of 6, each of two heads has 3, which are no pairs.
        (
            _heads(width=6, encoding="rotary"),
            r"milestones.width must be an even multiple of models.one.kernel.num_heads \(2\), not 6",
        ),
        (
            _named("other", blueprints="halved"),
            "models.other.blueprints must be 'divided', 'whole' or 'unused', not 'halved'",
        ),
        (
            _named("other", train_share=1.0),
            "models.other.train_share must be 0 or more and below 1, not 1.0",
        ),
        (
            _named("other", train_share=-0.5),
            "models.other.train_share must be 0 or more and below 1, not -0.5",
        ),
        (
            _named("divided_milestones"),
            "models.divided_milestones has the name of the layer of milestones of models.divided, .*; rename one of.*",
        ),
    ],
)
def test_what_is_wrong_with_milestones_is_seen_before_there_is_data(config, message):
    with pytest.raises(errors.UserError, match=f"^{message}$"):
        models.check(config)


@pytest.mark.parametrize(
    "config",
    [
        _CONFIG,
        _heads(width=6),
        _heads(width=8, encoding="rotary"),
        # Without a layer of milestones no heads share it.
        _heads(width=5, blueprints="unused"),
        # No layer of milestones has the name.
        _named("other_milestones"),
    ],
)
def test_milestones_that_can_be_are_taken(config):
    models.check(config)


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


_BLUEPRINTS = (
    # A raft takes a plank and a lamp, a kite a lamp and a boat; their sentences, 4 and 5, come with their goals.
    IndexedPlan("a raft", (0, 1, 3, 4), "blueprints", (), (4,)),
    IndexedPlan("a kite", (0, 3, 1, 2, 5), "blueprints", (), (5,)),
)


def _more_data():
    data = _data((*_PLANS, *_BLUEPRINTS))
    rng = np.random.default_rng(1)
    return dataclasses.replace(
        data,
        vocabulary=(*data.vocabulary, "raft", "kite"),
        vocabulary_embeddings=np.concatenate([data.vocabulary_embeddings, rng.normal(size=(2, 3))]).astype(np.float32),
    )


def _ways(setup, embeddings):
    """The trajectories as numbers of sentences; None for one that is not said."""
    states, lengths = (np.asarray(part) for part in (setup.trajectories.states, setup.trajectories.lengths))
    ways = []
    for way, length in zip(states, lengths, strict=True):
        found = [np.flatnonzero((embeddings == state).all(axis=1)) for state in way[1:length]]
        ways.append(tuple(int(place[0]) if len(place) else None for place in found))
    return ways


def test_what_is_given_changes_nothing_of_the_layers_below_milestones(setup):
    built = models.build(_CONFIG, "divided", _more_data())
    np.testing.assert_array_equal(built.embeddings[:4], setup.embeddings)
    assert built.num_shared == 4
    for layer in (0, 1):
        np.testing.assert_array_equal(built.known(layer), setup.known(layer))
    np.testing.assert_array_equal(built.trajectories.states, setup.trajectories.states)
    # Without blueprints there is nothing to divide.
    assert models.build(_CONFIG, "divided", _data()).milestones is None


def _divided(data):
    """A model that divides, and its layer of milestones."""
    below = models.build(_CONFIG, "divided", data)
    assert below.milestones is not None
    return below, below.milestones


def test_milestones_are_learned_from_blueprints_and_from_imagined_ones():
    _, built = _divided(_more_data())
    ways = _ways(built, built.embeddings)
    # The raft takes plank and lamp, the kite boat and lamp, in the order of the vocabulary.
    assert ways[:2] == [(1, 3, 4), (2, 3, 5)]
    # Six that nobody has said: of plank, boat and lamp any two that do not need each other.
    assert len(ways) == 2 + 6
    assert {way[:-1] for way in ways[2:]} <= {(1, 3), (2, 3)}
    # Or, with the rest of its own sentence, one that somebody has.
    assert all(way[-1] in (None, {1: 4, 2: 5}[way[0]]) for way in ways[2:])
    assert any(way[-1] is None for way in ways[2:])


def test_milestones_see_what_sentences_take():
    below, above = _divided(_more_data())
    read = above.scaling.restore(above.embeddings)
    # One that all goals share takes itself alone.
    np.testing.assert_allclose(read[:4], np.eye(4), atol=1e-6)
    np.testing.assert_array_equal(above.known(0), above.embeddings[:4])
    # The raft is read by what the kite tells, and the other way round.
    by_kite = reading.fit(below.embeddings[[5]], np.array([[0, 0, 1, 1]]))
    np.testing.assert_allclose(read[4], by_kite.read(below.embeddings[4]), atol=1e-5)
    by_raft = reading.fit(below.embeddings[[4]], np.array([[0, 1, 0, 1]]))
    np.testing.assert_allclose(read[5], by_raft.read(below.embeddings[5]), atol=1e-5)


def test_what_is_given_and_not_learned_from_is_read_by_all_blueprints():
    # The kite is asked for, and not learned from.
    plans = (*_PLANS, _BLUEPRINTS[0], dataclasses.replace(_BLUEPRINTS[1], split="composition"))
    data = dataclasses.replace(_more_data(), plans=plans)
    below, above = _divided(data)
    read = above.scaling.restore(above.embeddings)
    by_raft = reading.fit(below.embeddings[[4]], np.array([[0, 1, 0, 1]]))
    np.testing.assert_allclose(read[5], by_raft.read(below.embeddings[5]), atol=1e-5)


def test_a_model_may_see_embeddings_and_what_sentences_take():
    config = _CONFIG.copy_and_resolve_references()
    config.models.flat.reads = True
    data = _more_data()
    built, plain = models.build(config, "flat", data), models.build(_CONFIG, "flat", data)
    np.testing.assert_array_equal(built.embeddings[:, :3], plain.embeddings)
    _, above = _divided(data)
    np.testing.assert_array_equal(built.embeddings[:, 3:], above.embeddings)
    np.testing.assert_allclose(built.scaling.restore(built.embeddings), data.vocabulary_embeddings, rtol=1e-4)
    np.testing.assert_array_equal(built.known(0), built.embeddings[:4])
    # Without blueprints there is nothing to read.
    assert models.build(config, "flat", _data()).embeddings.shape == (4, 3)


def test_without_milestones_blueprints_and_imagined_ones_are_learned_as_wholes():
    built = models.build(_CONFIG, "flat", _more_data())
    ways = _ways(built, built.embeddings)
    assert built.num_ways == 4
    assert ways[:4] == _ways(models.build(_CONFIG, "flat", _data()), built.embeddings[:4])
    assert ways[4:6] == [(0, 1, 3, 4), (0, 3, 1, 2, 5)]
    # The ways to plank or boat and then to lamp, less the wood that is there already.
    assert {way[:-1] for way in ways[6:]} <= {(0, 1, 3), (0, 1, 2, 3)}
    assert len(ways) == 6 + 6
    assert all(way[-1] in (None, 5 if 2 in way else 4) for way in ways[6:])


def test_guidance_has_the_layer_of_milestones():
    built = models.build(_CONFIG, "divided", _more_data())
    assert built.milestones is not None
    learned, above = (one.model.init(jax.random.key(1), one.abstractions) for one in (built, built.milestones))
    guidance = built.guidance(learned, above, max_sub_steps=2, max_top_steps=3, max_steps=4)
    assert guidance.num_shared == 4
    assert guidance.milestones is not None and guidance.milestones.state is above
    # Untrained: it can be asked for what is given, and answers in the embeddings of the layers below.
    named = [node for node in guidance.think([4]).nodes if node.layer == 2]
    assert named
    for node in named:
        np.testing.assert_array_equal(node.answer, built.embeddings[node.known])


def test_a_layer_of_milestones_is_named_after_its_model():
    assert models.milestones_name("hierarchy") == "hierarchy_milestones"
