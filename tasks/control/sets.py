"""A config becomes two layers, a world, and how they learn and explore, for the environment of a domain."""

from typing import Any

import optax

from humain import errors
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric
from humain.hippocampus import routing
from humain.hippocampus.location import PlacesInVectors, Scales
from humain.kernels.kernel import Kernel
from humain.kernels.linear import LinearConfig, linear
from humain.kernels.slots import SlotLoss
from humain.kernels.transformer import TransformerConfig, transformer
from humain.model import Layer, Model
from humain.spaces import Space
from humain.world.config import ImaginationConfig
from humain.world.linear import LinearWorld
from humain.world.world import World
from tasks.control.domain import Domain
from tasks.control.exploration import Exploration


def build_imagination(config: Any, domain: Domain) -> ImaginationConfig:
    """How the layers learn.

    Args:
        config: `learning` of the task's config, see `configs/rl_cart_pole.py`.
        domain: whose coordinates the config names.

    Raises:
        UserError: naming what can't be.
    """
    values = dict(config)
    try:
        weights = tuple(values.pop("goal_weights"))
        if len(weights) != len(domain.coordinates):
            raise ValueError(f"goal_weights must be {len(domain.coordinates)} numbers, not {len(weights)}")
        return ImaginationConfig(
            goal_coordinates=tuple(domain.coordinate(name) for name in values.pop("goal_coordinates")),
            goal_weights=weights,
            target=tuple((domain.coordinate(name), value) for name, value in domain.target),
            **values,
        )
    except KeyError as error:
        raise errors.UserError(f"learning.{error.args[0]} is missing") from error
    except (TypeError, ValueError) as error:
        raise errors.UserError(f"learning: {error}") from error


def build_world(config: Any, domain: Domain) -> World:
    """The kind of world that is learned; the config is `world` of the task's config."""
    try:
        if config.name == "linear":
            return LinearWorld(actions=domain.environment.actions, max_leverage=config.max_leverage)
        raise ValueError(f"name {config.name!r} is not one of linear")
    except (AttributeError, TypeError, ValueError) as error:
        raise errors.UserError(f"world: {error}") from error


def build_exploration(config: Any) -> Exploration:
    """How collecting explores; the config is `exploration` of the task's config."""
    try:
        return Exploration(**dict(config))
    except (TypeError, ValueError) as error:
        raise errors.UserError(f"exploration: {error}") from error


def build_model(config: Any, num_updates: int, domain: Domain) -> Model:
    """Two layers: the upper one answers the state to aim for, the bottom one the action.

    Args:
        config: `model` of the task's config.
        num_updates: over which the learning rate falls to 0.
        domain: what is seen and done.
    """
    try:
        encoding = _build_encoding(config, domain)
        optimizer = optax.adam(optax.cosine_decay_schedule(config.learning_rate, num_updates))
        layers = tuple(
            Layer(
                cortex=Cortex(
                    kernel=_build_kernel(config.kernel, layer, encoding, target, optimizer),
                    score_rule=Geometric(config.score_discount),
                ),
                encoding=encoding.added,
            )
            for layer, target in ((config.bottom, domain.environment.actions.space), (config.top, encoding.space))
        )
        return Model(layers=layers, space=encoding.space)
    except (AttributeError, TypeError, ValueError) as error:
        raise errors.UserError(f"model: {error}") from error


def _build_encoding(config: Any, domain: Domain) -> routing.Routing:
    """The config's encoding; places are the coordinates that it names."""
    location = None
    if config.encoding == "location":
        places = PlacesInVectors(tuple(domain.coordinate(name) for name in config.location.coordinates))
        scales = Scales(config.location.longest, config.location.num_scales)
        location = routing.Location(places, scales, own_features=True)
    return routing.route(config.encoding, domain.environment.observation_space, location=location)


def _build_kernel(
    config: Any, layer: Any, encoding: routing.Routing, targets: Space, optimizer: optax.GradientTransformation
) -> Kernel:
    states = encoding.space
    loss = SlotLoss(
        access=layer.access,
        asymmetry=layer.asymmetry,
        suppression=layer.suppression,
        suppression_weight=layer.suppression_weight,
    )
    if config.name == "transformer":
        sizes = TransformerConfig(
            num_slots=layer.num_slots,
            num_blocks=config.num_blocks,
            num_heads=config.num_heads,
            width=config.width,
            hidden=config.hidden,
            window=1,
            offset=1.0,
            rotary=encoding.rotary,
        )
        return transformer(
            sizes, state_space=states, target_space=targets, optimizer=optimizer, loss=loss, relative=True
        )
    if config.name == "linear":
        encoding.check_kernel("linear", features=True, attention=False)
        size = LinearConfig(num_slots=layer.num_slots, num_keys=config.num_keys, sharpness=config.sharpness)
        return linear(size, state_space=states, target_space=targets, optimizer=optimizer, loss=loss, relative=True)
    raise ValueError(f"kernel {config.name!r} is not one of transformer, linear")
