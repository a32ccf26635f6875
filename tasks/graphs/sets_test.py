"""Model sets from configs: what is built, what is refused, and what an update learns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from humain import errors, learning, planning
from humain.abstraction.entropy import Entropy
from humain.abstraction.neural_entropy import NeuralEntropy
from humain.abstraction.skip import Skip
from humain.cortex import scores
from humain.hippocampus import routing
from humain.hippocampus.location import PlacesOfIds
from humain.kernels.table import Table
from humain.spaces import Discrete
from tasks.graphs import sets, small_runs

# 0 -> 1 -> 2 and 2 -> 3 -> 4: the way from 0 to 4 is on no walk.
_NODES = np.array([[0, 1, 2], [2, 3, 4]], np.int32)
_LENGTHS = np.array([3, 3], np.int32)


def _config(name: str, **overrides):
    return small_runs.config("smoke", sets=[name], **overrides).sets[name]


def _prepared(config, seed: int = 0):
    """Model, learner, training_data and update for the two walks."""
    model = sets.build_model(config, 5)
    trajectories = sets.as_trajectories(_NODES, _LENGTHS)
    abstractions = sets.build_abstractions(config, trajectories, 5)
    how = sets.build_learning(config)
    learner = learning.begin(model, how, abstractions, jax.random.key(seed))
    training_data = learning.gather(model, how, learner.state, trajectories)
    return model, learner, training_data, jax.jit(learning.build_update(model, how))


def _learned(config, num_updates: int):
    """A model of five nodes after updates from the two walks, and the metrics of the last update."""
    model, learner, training_data, update = _prepared(config)
    metrics = {}
    for step in range(num_updates):
        learner, metrics = update(learner, training_data, jnp.int32(step))
    return model, learner.state, metrics


def test_layers_are_the_bottom_one_stretched():
    config = _config("skip", stride=4, longest=6, goal_discount=0.8, lookahead=2)
    model = sets.build_model(config, 32)
    assert len(model.layers) == 3
    # Every fourth state is a pivot, so a step of layer i is 4 ** i steps long.
    rules = [layer.cortex.score_rule for layer in model.layers]
    assert rules == [scores.Linear(6), scores.Linear(24), scores.Linear(96)]
    # 0.8 a step of the bottom layer, a step of the layer above, and so on.
    discounts = [layer.cortex.goal_discount for layer in model.layers]
    assert discounts == pytest.approx([0.8, 0.8**0.25, 0.8**0.0625])
    assert {layer.cortex.lookahead for layer in model.layers} == {2}
    assert model.space == Discrete(32)


def test_the_geometric_rule_is_the_same_on_every_layer():
    config = _config("table", score_rule="geometric", score_discount=0.9, num_layers=2)
    rules = [layer.cortex.score_rule for layer in sets.build_model(config, 8).layers]
    assert rules == [scores.Geometric(0.9), scores.Geometric(0.9)]


@pytest.mark.parametrize(
    ("name", "is_table", "groups"),
    [
        ("skip", False, ((0, 1, 2),)),
        ("entropy", False, ((0, 1, 2),)),
        ("linear", False, ((0, 1, 2),)),
        ("table", True, ((0,), (1,), (2,))),
        ("table_replay", True, ((0,), (1,), (2,))),
    ],
)
def test_networks_learn_together_and_tables_alone(name, is_table, groups):
    model = sets.build_model(_config(name), 12)
    assert isinstance(model.layers[0].cortex.kernel, Table) == is_table
    assert model.groups == groups


def test_models_of_equal_configs_are_equal_where_that_saves_compilation():
    first, second = (sets.build_model(_config("table"), 12) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoding": "rotten"}, "encoding 'rotten' is not one of none, sinusoidal, rotary, location"),
        ({"encoding": "location"}, "'location' needs states that have 1 to 3 coordinates, and these have none; .*"),
        ({"abstraction": "kmean"}, "abstraction 'kmean' is not one of skip, entropy, neural_entropy"),
        ({"score_rule": "cubic"}, "score_rule 'cubic' is not one of linear, geometric"),
        ({"kernel": {"name": "tabel"}}, "kernel 'tabel' is not one of table, linear, transformer, inverse_model"),
        ({"kernel": {"access": "best"}}, "access must be 'value' or 'score', not 'best'"),
        ({"kernel": {"num_heads": 7, "width": 96}}, "width 96 is not a multiple of num_heads 7"),
        ({"kernel": {"name": "table"}}, "its config lacks kernel.sparse_capacity"),
        ({"stride": 0}, "stride must be 1 or more, not 0"),
        ({"num_layers": 0}, "num_layers must be 1 or more, not 0"),
        ({"batch_size": -4}, "batch_size must be 1 or more, not -4"),
        ({"candidates": 0}, "candidates must be 1 or more, not 0"),
        ({"replay": {"compose_batch_size": -1}}, "replay.compose_batch_size must be 0 or more, not -1"),
        ({"replay": {"imagine_max_steps": 0}}, "replay.imagine_max_steps must be 1 or more, not 0"),
        ({"replay": {"pivot_share": 7.0}}, "replay.pivot_share must lie between 0 and 1, not 7.0"),
        ({"learning_rate": -0.1}, "learning_rate must be a number above 0, not -0.1"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number above 0, not nan"),
        (
            {"replay": {"sweep_batch_size": 8}},
            "sweep_batch_size needs the table kernel, which stores scores exactly; set it to 0",
        ),
        ({"lookahead": 0}, "the lookahead must be 1 pivot or more, not 0"),
        ({"goal_discount": -0.5}, r"the goal_discount must lie in \(0, 1\], not -0.5"),
        ({"demonstrated_share": 0.0}, "demonstrated_share must be more than 0 and at most 1, not 0.0"),
        ({"demonstrated_share": 1.5}, "demonstrated_share must be more than 0 and at most 1, not 1.5"),
        ({"walks": False}, "walks and demonstrations are both False, which leaves nothing to learn from"),
        ({"num_steps": 0}, "num_steps must be 1 or more, not 0"),
        ({"num_steps": 25}, "num_steps must be a multiple of chunk_steps \\(10\\), not 25"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(changes, message):
    config = _config("skip")
    sets.check("mine", config, 12)
    config.update(changes)
    with pytest.raises(errors.UserError, match=f"^set mine: .*{message}$"):
        sets.check("mine", config, 12)


@pytest.mark.parametrize(
    "key", ["num_steps", "replay", "kernel", "learning_rate", "max_nodes", "demonstrations", "walks"]
)
def test_a_config_that_lacks_something_is_refused(key):
    config = _config("skip").unlock()
    del config[key]
    with pytest.raises(errors.UserError, match=f"^set mine: .*lacks.*{key}"):
        sets.check("mine", config, 12)


def test_sweeping_and_longer_contexts_do_not_go_together():
    config = _config("table_replay")
    sets.check("mine", config, 12)
    config.context_length = 2
    with pytest.raises(errors.UserError, match="^set mine: .*set context_length to 1 or sweep_batch_size to 0"):
        sets.check("mine", config, 12)
    config.replay.sweep_batch_size = 0
    sets.check("mine", config, 12)


@pytest.mark.parametrize(
    ("changes", "bound"),
    [
        ({}, (64, "max_nodes")),
        ({"max_sub_steps": 2}, (32, "max_sub_steps")),  # two sub-goals of the top layer, 4 * 4 steps each
        ({"longest": 3}, (48, "longest")),  # 3 * 4 * 4
        ({"longest": 3, "score_rule": "geometric"}, (64, "max_nodes")),
        ({"max_sub_steps": 2, "abstraction": "entropy"}, (64, "max_nodes")),
    ],
)
def test_the_longest_way_that_can_be_planned(changes, bound):
    assert sets.farthest(_config("skip", **changes)) == bound


def _counts(abstraction) -> list[int]:
    assert isinstance(abstraction, Entropy)
    return abstraction.counts.tolist()


def test_each_layer_has_its_abstraction():
    trajectories = sets.as_trajectories(_NODES, _LENGTHS)
    assert sets.build_abstractions(_config("skip"), trajectories, 5) == (Skip(4),) * 3
    counted = sets.build_abstractions(_config("entropy", num_layers=2), trajectories, 6)
    # Node 2 ends one walk and starts the other; node 5 is on none.
    assert [_counts(layer) for layer in counted] == [[1, 1, 2, 1, 1, 0]] * 2


def test_each_layer_has_the_density_that_was_learned():
    trajectories = sets.as_trajectories(_NODES, _LENGTHS)
    config = _config("entropy", abstraction="neural_entropy", num_layers=2)
    config.neural_entropy.update({"num_steps": 20, "batch_size": 16, "hysteresis": 0.5})
    learned = sets.build_abstractions(config, trajectories, 5, seed=3)
    assert isinstance(learned[0], NeuralEntropy)
    assert learned[1] is learned[0]
    assert learned[0].hysteresis == 0.5
    (again, _), (other, _) = (sets.build_abstractions(config, trajectories, 5, seed=seed) for seed in (3, 4))
    assert isinstance(again, NeuralEntropy) and isinstance(other, NeuralEntropy)
    levels = [abstraction.level(jnp.arange(5)) for abstraction in (learned[0], again, other)]
    np.testing.assert_array_equal(levels[0], levels[1])
    assert not np.array_equal(levels[0], levels[2])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hysteresis": -1.0}, "set dense: hysteresis must be 0 or more, not -1.0"),
        ({"width": 0}, "set dense: width must be 1 or more, not 0"),
    ],
)
def test_a_density_that_cannot_be_is_refused(values, message):
    config = _config("entropy", abstraction="neural_entropy")
    config.neural_entropy.update(values)
    with pytest.raises(errors.UserError, match=message):
        sets.check("dense", config, 5)


def test_padding_is_not_counted():
    trajectories = sets.as_trajectories(_NODES, np.array([3, 1], np.int32))
    (counted,) = sets.build_abstractions(_config("entropy", num_layers=1), trajectories, 5)
    assert _counts(counted) == [1, 1, 2, 0, 0]


def test_walks_are_shuffled_together():
    first = (np.arange(60, dtype=np.int32).reshape(20, 3), np.full(20, 3, np.int32))
    second = (np.arange(100, 120, dtype=np.int32).reshape(10, 2), np.array([2, 1] * 5, np.int32))
    nodes, lengths = sets.shuffled_together(np.random.default_rng(0), first, second)
    assert nodes.shape == (30, 3)
    walks = [row[:length].tolist() for row, length in zip(nodes, lengths, strict=True)]
    expected = [row[:length].tolist() for part in (first, second) for row, length in zip(part[0], part[1], strict=True)]
    assert sorted(walks) == sorted(expected)
    # Neither kind is left in one piece: 10 of 30 in the first half by chance lie between 1 and 9.
    early = sum(walk[0] >= 100 for walk in walks[:15])
    assert 1 <= early <= 9
    again, _ = sets.shuffled_together(np.random.default_rng(0), first, second)
    assert np.array_equal(nodes, again)
    other, _ = sets.shuffled_together(np.random.default_rng(1), first, second)
    assert not np.array_equal(nodes, other)


def _plan(model, state, start: int, goal: int):
    plan = planning.think(model, state, jnp.array([start], jnp.int32), jnp.array([goal], jnp.int32))
    bottom = plan.layers[0]
    return bool(plan.complete[0]), bottom.states[0][bottom.valid[0]].tolist()


def test_hindsight_learns_each_walk_and_no_more():
    model, state, metrics = _learned(_config("table", batch_size=64), 5)
    assert _plan(model, state, 0, 2) == (True, [1, 2])
    assert _plan(model, state, 2, 4) == (True, [3, 4])
    assert not _plan(model, state, 0, 4)[0]
    assert set(metrics) == {f"layer_{layer}/{kind}" for layer in range(3) for kind in ("improved", "refused")}


def _replay(**parts):
    return {"sweep_batch_size": 0, "compose_batch_size": 0, "imagine_batch_size": 0, "imagine_max_steps": 8} | parts


@pytest.mark.parametrize("part", ["sweep", "compose"])
def test_replay_joins_walks(part):
    replay = _replay(**{f"{part}_batch_size": 64, "imagine_batch_size": 32})
    model, state, metrics = _learned(_config("table_replay", num_layers=2, batch_size=64, replay=replay), 20)
    assert _plan(model, state, 0, 4) == (True, [1, 2, 3, 4])
    # The bottom layer learns what is joined, the one above from the ways that it imagines.
    replayed = {name for name in metrics if name.endswith("improved") and not name.startswith("layer")}
    assert replayed == {f"{part}/layer_0/improved", "imagine/layer_1/improved"}


def test_each_part_of_replay_can_be_left_out():
    for parts in ({}, {"imagine_batch_size": 32}, {"sweep_batch_size": 8}):
        config = _config("table_replay", num_layers=2, batch_size=64, replay=_replay(**parts))
        _, _, training_data, update = _prepared(config)
        _, metrics = jax.eval_shape(update, _prepared(config)[1], training_data, jnp.int32(0))
        expected = {part.removesuffix("_batch_size") for part in parts}
        assert {name.split("/")[0] for name in metrics} == {"layer_0", "layer_1"} | expected
        assert (training_data.before is None) == ("sweep_batch_size" not in parts)


def test_sweeping_ends_when_nothing_is_left_to_improve():
    replay = _replay(sweep_batch_size=64)
    _, _, metrics = _learned(_config("table_replay", num_layers=1, batch_size=64, replay=replay), 20)
    assert (int(metrics["sweep/waiting"]), int(metrics["sweep/dropped"])) == (0, 0)
    assert float(metrics["sweep/layer_0/improved"]) == 0


def test_candidates_are_tallied_layer_by_layer():
    config = _config("table", num_layers=2, batch_size=8, candidates=4)
    _, learner, training_data, update = _prepared(config)
    assert len(learner.tallies) == 2
    learner, _ = update(learner, training_data, jnp.int32(0))
    # Eight examples a layer, over the 5 * 5 questions.
    assert [int(tally.counts.sum()) for tally in learner.tallies] == [8, 8]
    assert learner.tallies[0].counts.shape == (25,)
    assert _prepared(_config("table", num_layers=2, candidates=1))[1].tallies == ()


def test_an_update_depends_on_its_step_and_root_key_alone():
    config = _config("linear", batch_size=8, num_layers=1, candidates=1, remembered=0)
    _, learner, training_data, update = _prepared(config)

    def loss(seed: int, step: int) -> float:
        _, metrics = update(learner.replace(key=jax.random.key(seed)), training_data, jnp.int32(step))
        return float(metrics["layer_0/loss"])

    assert loss(0, 0) == loss(0, 0)
    assert len({loss(0, 0), loss(0, 1), loss(1, 0), loss(1, 1)}) == 4
    assert update._cache_size() == 1


_PLACES = PlacesOfIds(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (2.0, 1.0), (2.0, 4.0)))


@pytest.mark.parametrize("encoding", routing.NAMES)
@pytest.mark.parametrize("kernel", ["skip", "linear", "table"])
def test_every_encoding_that_makes_sense_learns(kernel, encoding):
    config = _config(kernel, context_length=2, encoding=encoding)
    if kernel == "table" and encoding != "none" or (kernel, encoding) == ("linear", "rotary"):
        with pytest.raises(errors.UserError, match=f"^set mine: encoding '{encoding}' acts .* kernel '{kernel}'"):
            sets.check("mine", config, 5, _PLACES)
        return
    sets.check("mine", config, 5, _PLACES)
    model = sets.build_model(config, 5, _PLACES)
    trajectories = sets.as_trajectories(_NODES, _LENGTHS)
    abstractions = sets.build_abstractions(config, trajectories, 5)
    how = sets.build_learning(config)
    learner = learning.begin(model, how, abstractions, jax.random.key(0))
    training_data = learning.gather(model, how, learner.state, trajectories)
    _, metrics = jax.jit(learning.build_update(model, how))(learner, training_data, jnp.int32(0))
    assert all(np.isfinite(value) for value in metrics.values())


def test_nodes_are_shown_by_their_places():
    model = sets.build_model(
        _config("skip", encoding="location", location={"num_scales": 1, "own_features": False}), 5, _PLACES
    )
    # Twice the widest extent is 8: the last node's 2 and 4 are a quarter and a half of it.
    np.testing.assert_allclose(model.space.encode(jnp.array(4)), [1, 0, 0, -1], atol=1e-6)
    assert model.space.num_outputs == 5
