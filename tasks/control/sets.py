"""A config becomes layers, a world, and how they learn and explore, for the environment of a domain."""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from humain import errors
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric
from humain.hippocampus import routing
from humain.hippocampus.location import PlacesInVectors, Scales
from humain.kernels import configs
from humain.layer import Layer
from humain.model import Model
from humain.world.config import ImaginationConfig
from humain.world.linear import LinearWorld
from humain.world.world import World
from tasks.control.domain import Domain
from tasks.control.exploration import Exploration

_LIKE = 0.8
"""Names that share so much are taken for one, misspelt: `no_layer` and `no_layers`, not `one_layer_curriculum` and
`curriculum`."""


@dataclasses.dataclass(frozen=True)
class Ablation:
    """What a set has in place of two layers.

    Attributes:
        num_layers: 0 to search the learned world at every step, 1 for a layer that answers actions for the goal itself,
            or 2.
        learning: what differs from the config's `learning`.
    """

    num_layers: int = 2
    learning: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.num_layers not in (0, 1, 2):
            raise ValueError(f"num_layers must be 0, 1 or 2, not {self.num_layers}")


def ablation(config: Any, name: str) -> Ablation:
    """The ablation of a set; one that `ablations` of the task's config does not name has two layers.

    Raises:
        UserError: naming what can't be.
    """
    try:
        return Ablation(**dict(config.ablations.get(name, {})))
    except (TypeError, ValueError) as error:
        raise errors.UserError(f"ablations.{name}: {error}") from error


def check_ablations(config: Any) -> None:
    """Refuses ablations that seem meant for a set of another name, which would have two layers without them.

    One that is like no set is passed over: sets can be left out, and their ablations stay.

    Raises:
        UserError: naming both.
    """
    unused = [name for name in config.ablations if name not in config.sets]
    for meant in config.sets:
        likest = difflib.get_close_matches(meant, unused, n=1, cutoff=_LIKE)
        if meant not in config.ablations and likest:
            raise errors.UserError(
                f"ablations.{likest[0]}: there is no set {likest[0]!r}; if {meant!r} is meant, write ablations.{meant}"
                ", and if not, leave it out"
            )


def build_imagination(config: Any, domain: Domain, differs: Mapping[str, Any] | None = None) -> ImaginationConfig:
    """How the layers learn.

    Args:
        config: `learning` of the task's config, see `configs/rl_cart_pole.py`.
        domain: whose coordinates the config names.
        differs: what is to be otherwise.

    Raises:
        UserError: naming what can't be.
    """
    values = {**dict(config), **(differs or {})}
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


def build_model(config: Any, num_updates: int, domain: Domain, *, num_layers: int = 2) -> Model:
    """Two layers: the upper one answers the state to aim for, the bottom one the action.

    Args:
        config: `model` of the task's config.
        num_updates: over which the learning rate falls to 0.
        domain: what is seen and done.
        num_layers: 1 for the bottom one by itself.
    """
    try:
        encoding = _build_encoding(config, domain)
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
            for layer, target in (
                (config.bottom, domain.environment.actions.space),
                (config.top, encoding.space),
            )[:num_layers]
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
