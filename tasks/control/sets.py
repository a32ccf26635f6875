"""Model sets of the cart pole: a config becomes two layers, and how they learn and explore."""

from typing import Any

from humain import errors
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric
from humain.hippocampus import routing
from humain.hippocampus.location import PlacesInVectors, Scales
from humain.kernels import configs
from humain.layer import Layer
from humain.model import Model
from humain.spaces import Continuous, Discrete
from tasks.control import cart_pole
from tasks.control.collection import Exploration
from tasks.control.learner import Settings


def build_settings(config: Any) -> Settings:
    """How the layers learn.

    Args:
        config: `learning` of the task's config, see `configs/rl_cart_pole.py`.

    Raises:
        UserError: naming what can't be.
    """
    values = dict(config)
    try:
        weights = tuple(values.pop("goal_weights"))
        if len(weights) != cart_pole.STATE_SIZE:
            raise ValueError(f"goal_weights must be {cart_pole.STATE_SIZE} numbers, not {len(weights)}")
        return Settings(
            goal_coordinates=tuple(cart_pole.coordinate(name) for name in values.pop("goal_coordinates")),
            goal_weights=weights,
            **values,
        )
    except KeyError as error:
        raise errors.UserError(f"learning.{error.args[0]} is missing") from error
    except (TypeError, ValueError) as error:
        raise errors.UserError(f"learning: {error}") from error


def build_exploration(config: Any) -> Exploration:
    """How collecting explores; the config is `exploration` of the task's config."""
    try:
        return Exploration(**dict(config))
    except (TypeError, ValueError) as error:
        raise errors.UserError(f"exploration: {error}") from error


def build_model(config: Any, num_updates: int) -> Model:
    """Two layers: the upper one answers the state to aim for, the bottom one the action.

    Args:
        config: `model` of the task's config.
        num_updates: over which the learning rate falls to 0.
    """
    try:
        encoding = _build_encoding(config)
        rate = {"learning_rate": config.learning_rate, "num_updates": num_updates}
        # Ways look alike wherever they begin, and a state near 0 keeps its size.
        shown = {"relative": True, "offset": 1.0}
        layers = tuple(
            Layer(
                cortex=Cortex(
                    kernel=configs.build(
                        configs.read({**config.kernel, **shown, **rate, **layer}),
                        encoding,
                        target_space=target,
                        context_length=1,
                    ),
                    score_rule=Geometric(config.score_discount),
                ),
                encoding=encoding.added,
            )
            for layer, target in ((config.bottom, Discrete(cart_pole.NUM_ACTIONS)), (config.top, encoding.space))
        )
        return Model(layers=layers, space=encoding.space)
    except (AttributeError, TypeError, ValueError) as error:
        raise errors.UserError(f"model: {error}") from error


def _build_encoding(config: Any) -> routing.Routing:
    """The config's encoding; the place of a cart pole are the coordinates that it names."""
    location = None
    if config.encoding == "location":
        places = PlacesInVectors(tuple(cart_pole.coordinate(name) for name in config.location.coordinates))
        scales = Scales(config.location.longest, config.location.num_scales)
        location = routing.Location(places, scales, own_features=True)
    return routing.route(config.encoding, Continuous(cart_pole.STATE_SIZE), location=location)
