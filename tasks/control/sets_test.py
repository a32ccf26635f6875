"""The default config makes a model, and what can't be made says so in one line."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import rl_cart_pole
from humain import errors
from humain.abstraction.skip import Skip
from humain.spaces import Continuous, Discrete
from humain.types import Context
from humain.world.imagination import first_contexts
from tasks.control import cart_pole, sets

DOMAIN = cart_pole.domain()


@pytest.fixture
def config():
    return rl_cart_pole.get_config()


def refused(match, build, *arguments):
    with pytest.raises(errors.UserError, match=f"^{match}$") as caught:
        build(*arguments)
    assert "\n" not in str(caught.value)


def test_the_default_imagination_is_those_of_the_config(config):
    imagination = sets.build_imagination(config.learning, DOMAIN)
    assert imagination.goal_coordinates == (0,)
    assert imagination.goal_weights == (1.0, 0.3, 0.3, 0.3)
    for name in ("pool_size", "discount", "closeness_width"):
        assert getattr(imagination, name) == config.learning[name]
    # A static argument of compiled functions.
    assert hash(imagination) == hash(sets.build_imagination(config.learning, DOMAIN))
    assert sets.build_exploration(config.exploration).goal_steps == config.exploration.goal_steps


@pytest.mark.parametrize("name", ["transformer", "linear"])
def test_a_model_answers_actions_below_and_states_above(config, name):
    config.model.kernel.update({"name": name, "num_heads": 2, "width": 8, "hidden": 8, "num_keys": 8})
    config.model.top.num_slots = 3
    model = sets.build_model(config.model, 10, DOMAIN)
    bottom, top = (layer.cortex for layer in model.layers)
    assert (bottom.kernel.target_space, top.kernel.target_space) == (Discrete(2), Continuous(4))
    state = model.init(jax.random.key(0), (Skip(2), Skip(2)))
    states = jnp.ones((5, 4))
    context = Context(states=states[:, None], features=states[:, None], mask=jnp.ones((5, 1), bool))
    slots = top.kernel.recall(model.kernel_state(state, 1), context, states)
    assert (slots.values.shape, slots.scores.shape) == ((5, 3, 4), (5, 3))
    slots = bottom.kernel.recall(model.kernel_state(state, 0), context, states)
    assert slots.values.shape == (5, 1)
    assert np.all(np.isin(slots.values, [0, 1]))


def test_sets_with_fewer_layers_have_what_is_left(config):
    layers = {name: sets.ablation(config, name).num_layers for name in config.sets}
    assert layers == {
        "curriculum": 2,
        "kindergarten": 2,
        "no_layers": 0,
        "no_layers_fast": 0,
        "one_layer": 1,
        "one_layer_curriculum": 1,
    }
    # As many steps of the world as their like with two.
    for name in ("no_layers", "no_layers_fast", "one_layer"):
        assert config.sets[name] == config.sets.kindergarten
    assert config.sets.one_layer_curriculum == config.sets.curriculum
    one = sets.build_model(config.model, 10, DOMAIN, num_layers=1)
    assert [layer.cortex.kernel.target_space for layer in one.layers] == [Discrete(2)]


def test_what_an_ablation_has_of_its_own_stands_for_what_all_have(config):
    config.ablations.no_layers.learning = {"num_branches": 128, "branch_steps": 48}
    own = sets.build_imagination(config.learning, DOMAIN, sets.ablation(config, "no_layers").learning)
    assert (own.num_branches, own.branch_steps, own.pool_size) == (128, 48, config.learning.pool_size)
    shared = sets.build_imagination(config.learning, DOMAIN, sets.ablation(config, "curriculum").learning)
    assert shared == sets.build_imagination(config.learning, DOMAIN)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"num_layers": 3}, "ablations.curriculum: num_layers must be 0, 1 or 2, not 3"),
        ({"layers": 1}, "ablations.curriculum: .* unexpected keyword argument 'layers'"),
    ],
)
def test_an_ablation_that_can_not_be_is_refused(config, values, match):
    with config.unlocked():
        config.ablations.curriculum = values
    refused(match, sets.ablation, config, "curriculum")


@pytest.mark.parametrize(("name", "meant"), [("no_layer", "no_layers"), ("one-layer", "one_layer")])
def test_an_ablation_of_a_misspelt_set_is_refused(config, name, meant):
    with config.unlocked():
        config.ablations[name] = config.ablations[meant]
        del config.ablations[meant]
    refused(
        f"ablations.{name}: there is no set '{name}'; if '{meant}' is meant, write ablations.{meant}, .*",
        sets.check_ablations,
        config,
    )


def test_ablations_of_sets_that_were_left_out_may_stay(config):
    sets.check_ablations(config)
    for kept in ("curriculum", "one_layer", "no_layers"):
        with config.unlocked():
            config.sets = {kept: (2000,)}
        sets.check_ablations(config)


def test_the_learning_rate_falls_to_nothing_over_the_updates(config):
    model = sets.build_model(config.model, 2, DOMAIN)
    kernel: Any = model.layers[0].cortex.kernel
    optimizer = kernel.optimizer
    state, sizes = optimizer.init(jnp.zeros(())), []
    for _ in range(3):
        change, state = optimizer.update(jnp.ones(()), state)
        sizes.append(-change / config.model.learning_rate)
    # Adam's steps under one gradient are of the rate, which is that of half a cosine: 1, a half, 0.
    np.testing.assert_allclose(sizes, [1, 0.5, 0], atol=1e-4)


@pytest.mark.parametrize(
    ("part", "key", "value", "match"),
    [
        (
            "model.kernel",
            "name",
            "lstm",
            "model: kernel 'lstm' is not one of table, linear, transformer, inverse_model",
        ),
        ("model", "encoding", "rotten", "model: encoding 'rotten' is not one of none, sinusoidal, rotary, location"),
        ("model.top", "access", "rank", "model: access must be 'value' or 'score', not 'rank'"),
        ("model.bottom", "num_slots", 0, "model: num_slots must be at least 1, not 0"),
        (
            "learning",
            "goal_coordinates",
            ("x", "y"),
            "learning: 'y' is not a coordinate of a cart pole; there are x, x_dot, theta, theta_dot",
        ),
        ("learning", "explore", 1.5, r"learning: explore must lie in \[0, 1\], not 1.5"),
        ("learning", "speed", 1, "learning: .* unexpected keyword argument 'speed'"),
        ("world", "name", "flat", "world: name 'flat' is not one of linear"),
        ("world", "max_leverage", 0.0, "world: max_leverage must be more than 0, not 0.0"),
        ("exploration", "random_actions", -0.5, r"exploration: random_actions must lie in \[0, 1\], not -0.5"),
        ("exploration", "noise", 0, "exploration: .* unexpected keyword argument 'noise'"),
    ],
)
def test_what_can_not_be_is_the_user_s_error(config, part, key, value, match):
    with config.unlocked():
        place = config
        for name in part.split("."):
            place = place[name]
        place[key] = value
    build, arguments = {
        "model": (sets.build_model, (config.model, 10, DOMAIN)),
        "learning": (sets.build_imagination, (config.learning, DOMAIN)),
        "world": (sets.build_world, (config.world, DOMAIN)),
        "exploration": (sets.build_exploration, (config.exploration,)),
    }[part.split(".")[0]]
    refused(match, build, *arguments)


@pytest.mark.parametrize(
    ("kernel", "encoding"),
    [(kernel, name) for kernel in ("transformer", "linear") for name in ("none", "sinusoidal", "location")]
    + [("transformer", "rotary")],
)
def test_every_encoding_that_makes_sense_is_asked_and_answers(config, kernel, encoding):
    config.model.kernel.update({"name": kernel, "num_heads": 2, "width": 8, "hidden": 8, "num_keys": 8})
    config.model.encoding = encoding
    config.model.location.coordinates = ("x", "theta")
    model = sets.build_model(config.model, 10, DOMAIN)
    state = model.init(jax.random.key(0), (Skip(2), Skip(2)))
    states = jax.random.normal(jax.random.key(1), (5, 4))
    context = first_contexts(model.layers[1], states, states)
    assert context.features.shape == (5, 1, model.space.num_features)
    top = model.layers[1].cortex
    answer = top.answer(model.kernel_state(state, 1), context, states + 1)
    assert answer.value.shape == (5, 4)
    assert np.all(np.isfinite(answer.value))


def test_places_stand_behind_the_state_s_own_numbers(config):
    config.model.encoding = "location"
    config.model.location.update({"coordinates": ("theta",), "longest": 8.0, "num_scales": 1})
    model = sets.build_model(config.model, 10, DOMAIN)
    states = jnp.array([[1.0, 0.0, 2.0, 3.0]])
    shown = first_contexts(model.layers[0], states, states).features
    # A quarter of the wavelength.
    np.testing.assert_allclose(shown, [[[1, 0, 2, 3, 1, 0]]], atol=1e-6)


def test_a_linear_kernel_has_no_attention_to_turn(config):
    config.model.kernel.name = "linear"
    config.model.encoding = "rotary"
    refused(
        "model: encoding 'rotary' acts inside self-attention, but kernel 'linear' has none; .*",
        sets.build_model,
        config.model,
        10,
        DOMAIN,
    )


def test_an_unknown_coordinate_is_refused(config):
    config.model.encoding = "location"
    config.model.location.coordinates = ("y",)
    refused("model: 'y' is not a coordinate of a cart pole; .*", sets.build_model, config.model, 10, DOMAIN)
