"""Model sets of the graph planner: a config becomes a stack of layers, its training data and its update."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from humain import errors, learning
from humain.abstraction.abstraction import Abstraction
from humain.abstraction.entropy import count_visits
from humain.abstraction.neural_entropy import check_peaks, learn_visits
from humain.abstraction.skip import Skip
from humain.abstraction.visit_density import DensityConfig
from humain.cortex import scores
from humain.cortex.cortex import Cortex
from humain.hippocampus import routing
from humain.hippocampus.location import PlacesOfIds, Scales
from humain.kernels import configs
from humain.kernels.kernel import Kernel
from humain.layer import Layer
from humain.learning import LearningConfig, ReplayConfig
from humain.model import Model
from humain.spaces import Discrete
from humain.types import Trajectories

_WHOLE_NUMBERS = {
    **dict.fromkeys(("num_layers", "stride", "num_steps", "chunk_steps", "batch_size", "candidates"), 1),
    **dict.fromkeys(("replay.sweep_batch_size", "replay.compose_batch_size", "replay.imagine_batch_size"), 0),
    "replay.imagine_max_steps": 1,
    "remembered": 0,
}
"""The least that they may be."""
_LEFT_TO_THE_KERNEL = {"score_delta", "relative", "window", "offset"}
"""Fields of kernels that a set's config may leave out."""


def check(name: str, config: Any, num_nodes: int, places: PlacesOfIds | None = None) -> None:
    """Refuses a set's config that can't be trained.

    Args:
        name: of the set.
        config: of the set, see `configs/simple.py`.
        num_nodes: size of the world.
        places: of the nodes, where they have some.

    Raises:
        UserError: naming the set, the value and what was expected.
    """
    no_walks = as_trajectories(np.zeros((1, 2), np.int32), np.zeros(1, np.int32))
    try:
        _check_numbers(config)
        learning.check(build_model(config, num_nodes, places), build_learning(config))
        # What is learned from walks can't be built without them.
        if config.abstraction == "neural_entropy":
            check_peaks(**_neural_entropy(config)[1])
        else:
            build_abstractions(config, no_walks, num_nodes)
    except AttributeError as error:
        key = " ".join(str(error).replace("'", "").replace('"', "").split())
        raise errors.UserError(f"set {name}: what it is made of needs a value that its config lacks: {key}") from error
    except (TypeError, ValueError, errors.UserError) as error:
        raise errors.UserError(f"set {name}: {error}") from error


def _check_numbers(config: Any) -> None:
    """Refuses what the parts that a set is made of do not see."""
    for key, least in _WHOLE_NUMBERS.items():
        value = _value(config, key)
        if not isinstance(value, int) or value < least:
            raise errors.UserError(f"{key} must be {least} or more, not {value}")
    if config.num_steps % config.chunk_steps:
        raise errors.UserError(
            f"num_steps must be a multiple of chunk_steps ({config.chunk_steps}), not {config.num_steps}"
        )
    if not 0 <= _value(config, "replay.pivot_share") <= 1:
        raise errors.UserError(f"replay.pivot_share must lie between 0 and 1, not {config.replay.pivot_share}")
    if not 0 < _value(config, "learning_rate") < math.inf:
        raise errors.UserError(f"learning_rate must be a number above 0, not {config.learning_rate}")
    for key in ("demonstrations", "walks"):
        if not isinstance(_value(config, key), bool):
            raise errors.UserError(f"{key} must be True or False, not {config[key]}")
    if not 0 < _value(config, "demonstrated_share") <= 1:
        raise errors.UserError(f"demonstrated_share must be more than 0 and at most 1, not {config.demonstrated_share}")
    if not config.walks and not config.demonstrations:
        raise errors.UserError("walks and demonstrations are both False, which leaves nothing to learn from")


def _value(config: Any, key: str) -> Any:
    """What a config holds under a dotted key."""
    for part in key.split("."):
        if part not in config:
            raise errors.UserError(f"its config lacks {key}")
        config = config[part]
    return config


def batch_sizes(config: Any) -> dict[str, int]:
    """The examples in each batch that a set learns from, by the key of its config that says so."""
    keys = (
        "batch_size",
        "replay.sweep_batch_size",
        "replay.compose_batch_size",
        "replay.imagine_batch_size",
    )
    return {key: _value(config, key) for key in keys}


def farthest(config: Any) -> tuple[int, str]:
    """The longest way that a set can plan, in steps, and the key of its config that sets this bound.

    How far apart the pivots of `entropy` lie depends on the graph; with it, the real bound may be a nearer one.
    """
    bounds = [(config.max_nodes, "max_nodes")]
    if config.abstraction == "skip":
        above = config.stride ** (config.num_layers - 1)
        bounds.append((config.max_sub_steps * above, "max_sub_steps"))
    if config.score_rule == "linear":
        bounds.append((config.longest * config.stride ** (config.num_layers - 1), "longest"))
    return min(bounds)


def build_model(config: Any, num_nodes: int, places: PlacesOfIds | None = None) -> Model:
    """The stack that a set's config describes.

    Layer i's next state lies about `stride ** i` steps ahead, so distances that score 0 and the discount of goals are
    those of the bottom layer, stretched.

    Args:
        config: of one set, see `configs/simple.py`.
        num_nodes: size of the world.
        places: of the nodes, for the encoding `location`; None where they have none.
    """
    encoding = routing.route(config.encoding, Discrete(num_nodes), location=_location(config, places))
    kernel = _build_kernel(config, encoding)
    layers = []
    for number in range(config.num_layers):
        stretch = config.stride**number
        cortex = Cortex(
            kernel=kernel,
            score_rule=_build_score_rule(config, stretch),
            lookahead=config.lookahead,
            goal_discount=config.goal_discount ** (1 / stretch)
            if config.abstraction == "skip"
            else config.goal_discount,
        )
        layers.append(
            Layer(
                cortex=cortex,
                context_length=config.context_length,
                encoding=encoding.added,
                max_sub_steps=config.max_sub_steps,
                max_nodes=config.max_nodes,
            )
        )
    return Model(layers=tuple(layers), space=encoding.space, group_layers=config.kernel.name != "table")


def build_abstractions(
    config: Any, trajectories: Trajectories, num_nodes: int, *, seed: int = 0
) -> tuple[Abstraction, ...]:
    """One abstraction for each layer.

    Args:
        config: of one set.
        trajectories: whose visits are counted or learned.
        num_nodes: size of the world.
        seed: of what is learned.
    """
    if config.abstraction == "skip":
        return tuple(Skip(config.stride) for _ in range(config.num_layers))
    if config.abstraction == "entropy":
        return tuple(count_visits(trajectories, num_nodes) for _ in range(config.num_layers))
    if config.abstraction == "neural_entropy":
        density, peaks = _neural_entropy(config)
        learned = learn_visits(trajectories, jax.random.key(seed), space=Discrete(num_nodes), config=density, **peaks)
        return (learned,) * config.num_layers
    raise errors.UserError(f"abstraction {config.abstraction!r} is not one of skip, entropy, neural_entropy")


def _neural_entropy(config: Any) -> tuple[DensityConfig, dict[str, Any]]:
    """How a set's density is trained, and what is asked of a peak."""
    values = dict(_value(config, "neural_entropy"))
    peaks = {name: _value(config, f"neural_entropy.{name}") for name in ("min_separation", "hysteresis")}
    return DensityConfig(**{name: value for name, value in values.items() if name not in peaks}), peaks


def as_trajectories(nodes: np.ndarray, lengths: np.ndarray) -> Trajectories:
    """Walks `[W, T]` as trajectories of ids."""
    return Trajectories(states=jnp.asarray(nodes, jnp.int32), lengths=jnp.asarray(lengths, jnp.int32))


def shuffled_together(
    rng: np.random.Generator, first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Two collections of walks as one, in random order."""
    longest = max(first[0].shape[1], second[0].shape[1])
    nodes = np.concatenate([np.pad(walks, ((0, 0), (0, longest - walks.shape[1]))) for walks, _ in (first, second)])
    lengths = np.concatenate([first[1], second[1]])
    order = rng.permutation(len(lengths))
    return nodes[order], lengths[order]


def build_learning(config: Any) -> LearningConfig:
    """How the set that a config describes learns."""
    replay = ReplayConfig(**config.replay)
    return LearningConfig(
        batch_size=config.batch_size, candidates=config.candidates, remembered=config.remembered, replay=replay
    )


def _location(config: Any, places: PlacesOfIds | None) -> routing.Location | None:
    """Codes of the nodes' places, the longest wavelength of twice the extent, so that no two look alike."""
    if places is None or not places.extent:
        return None
    scales = Scales(2 * places.extent, config.location.num_scales)
    return routing.Location(places, scales, own_features=config.location.own_features)


def _build_kernel(config: Any, encoding: routing.Routing) -> Kernel:
    schedule = {"learning_rate": config.learning_rate, "num_updates": config.num_steps}
    values = {"name": _value(config, "kernel.name"), **config.kernel, **schedule}
    # A config of plain numbers says 0 where the choice is left to the table.
    values |= {"sparse_capacity": values["sparse_capacity"] or None} if "sparse_capacity" in values else {}
    kernel = configs.read(values)
    missing = {field.name for field in dataclasses.fields(kernel)} - set(values) - _LEFT_TO_THE_KERNEL
    if missing:
        raise errors.UserError(f"its config lacks {', '.join(sorted(f'kernel.{name}' for name in missing))}")
    return configs.build(kernel, encoding, context_length=config.context_length)


def _build_score_rule(config: Any, stretch: int) -> scores.ScoreRule:
    if config.score_rule == "linear":
        return scores.Linear(config.longest * stretch)
    if config.score_rule == "geometric":
        return scores.Geometric(config.score_discount)
    raise errors.UserError(f"score_rule {config.score_rule!r} is not one of linear, geometric")
