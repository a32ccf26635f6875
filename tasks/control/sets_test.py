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
from tasks.control import sets
from tasks.control.contexts import present


@pytest.fixture
def config():
    return rl_cart_pole.get_config()


def refused(match, build, *arguments):
    with pytest.raises(errors.UserError, match=f"^{match}$") as caught:
        build(*arguments)
    assert "\n" not in str(caught.value)


def test_the_default_settings_are_those_of_the_config(config):
    settings = sets.build_settings(config.learning)
    assert settings.goal_coordinates == (0,)
    assert settings.goal_weights == (1.0, 0.3, 0.3, 0.3)
    for name in ("pool_size", "discount", "closeness_width"):
        assert getattr(settings, name) == config.learning[name]
    # A static argument of compiled functions.
    assert hash(settings) == hash(sets.build_settings(config.learning))
    assert sets.build_exploration(config.exploration).goal_steps == config.exploration.goal_steps


@pytest.mark.parametrize("name", ["transformer", "linear"])
def test_a_model_answers_actions_below_and_states_above(config, name):
    config.model.kernel.update({"name": name, "num_heads": 2, "width": 8, "hidden": 8, "num_keys": 8})
    config.model.top.num_slots = 3
    model = sets.build_model(config.model, 10)
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


def test_the_learning_rate_falls_to_nothing_over_the_updates(config):
    model = sets.build_model(config.model, 2)
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
        ("model.kernel", "name", "lstm", "model: kernel 'lstm' is not one of table, linear, transformer"),
        ("model", "encoding", "rotten", "model: encoding 'rotten' is not one of none, sinusoidal, rotary, location"),
        ("model.top", "access", "rank", "model: access must be 'value' or 'score', not 'rank'"),
        ("model.bottom", "num_slots", 0, "model: num_slots must be at least 1, not 0"),
        (
            "learning",
            "goal_coordinates",
            ("x", "y"),
            "learning: 'y' is no coordinate of a cart pole; there are x, x_dot, theta, theta_dot",
        ),
        ("learning", "explore", 1.5, r"learning: explore must lie in \[0, 1\], not 1.5"),
        ("learning", "speed", 1, "learning: .* unexpected keyword argument 'speed'"),
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
        "model": (sets.build_model, (config.model, 10)),
        "learning": (sets.build_settings, (config.learning,)),
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
    model = sets.build_model(config.model, 10)
    state = model.init(jax.random.key(0), (Skip(2), Skip(2)))
    states = jax.random.normal(jax.random.key(1), (5, 4))
    context = present(model, states)
    assert context.features.shape == (5, 1, model.space.num_features)
    top = model.layers[1].cortex
    answer = top.answer(model.kernel_state(state, 1), context, states + 1)
    assert answer.value.shape == (5, 4)
    assert np.all(np.isfinite(answer.value))


def test_places_stand_behind_the_state_s_own_numbers(config):
    config.model.encoding = "location"
    config.model.location.update({"coordinates": ("theta",), "longest": 8.0, "num_scales": 1})
    model = sets.build_model(config.model, 10)
    shown = present(model, jnp.array([[1.0, 0.0, 2.0, 3.0]])).features
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
    )


def test_an_unknown_coordinate_is_refused(config):
    config.model.encoding = "location"
    config.model.location.coordinates = ("y",)
    refused("model: 'y' is no coordinate of a cart pole; .*", sets.build_model, config.model, 10)
