"""Model sets of the graph planner: a config becomes a stack of layers, its training data and its update."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

from humain import errors
from humain.abstraction.abstraction import Abstraction
from humain.abstraction.entropy import count_visits
from humain.abstraction.neural_entropy import check_peaks, learn_visits
from humain.abstraction.skip import Skip
from humain.abstraction.visit_density import DensityConfig
from humain.cortex import balance, hindsight, scores
from humain.cortex.cortex import Cortex
from humain.hippocampus import routing
from humain.hippocampus.location import Located, PlacesOfIds, Scales
from humain.kernels.kernel import Kernel
from humain.kernels.linear import LinearConfig, linear
from humain.kernels.slots import SlotLoss
from humain.kernels.table import Table, table
from humain.kernels.transformer import TransformerConfig, transformer
from humain.model import Layer, Model, ModelState
from humain.replay import composition, sweeping
from humain.spaces import Discrete
from humain.training.loop import Update
from humain.types import Trajectories

_MAX_QUEUE = 2**22
_WHOLE_NUMBERS = {
    **dict.fromkeys(("num_layers", "stride", "num_steps", "chunk_steps", "batch_size", "candidates"), 1),
    **dict.fromkeys(("replay.sweep_batch_size", "replay.compose_batch_size", "replay.imagine_batch_size"), 0),
    "replay.imagine_max_steps": 1,
}
"""The least that they may be."""


@struct.dataclass
class Learner:
    """What training carries.

    Attributes:
        state: what the model has learned.
        key: root of all randomness.
        queue: pairs that wait to be swept, or None.
        tallies: for each layer, what it has learned from; empty where examples are taken as they come.
    """

    state: ModelState
    key: jax.Array
    queue: sweeping.Queue | None
    tallies: tuple[balance.Tally, ...]


@struct.dataclass
class Lessons:
    """What training reads.

    Attributes:
        experience: the walks.
        before: the steps by where they lead, or None.
    """

    experience: hindsight.Experience
    before: sweeping.Predecessors | None


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
        build_model(config, num_nodes, places)
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
            f"num_steps must be a multiple of chunk_steps, and {config.num_steps} is none of {config.chunk_steps}"
        )
    if not 0 <= _value(config, "replay.pivot_share") <= 1:
        raise errors.UserError(f"replay.pivot_share must lie between 0 and 1, not {config.replay.pivot_share}")
    if not 0 < _value(config, "learning_rate") < math.inf:
        raise errors.UserError(f"learning_rate must be a number above 0, not {config.learning_rate}")
    if not isinstance(_value(config, "demonstrations"), bool):
        raise errors.UserError(f"demonstrations must be True or False, not {config.demonstrations}")
    if config.replay.sweep_batch_size and _value(config, "kernel.name") != "table":
        raise errors.UserError("sweeping works on tables; set replay.sweep_batch_size to 0")
    if config.replay.sweep_batch_size and _value(config, "context_length") > 1:
        raise errors.UserError(
            "sweeping learns what to do in the present state, whatever came before it; set context_length to 1 or "
            "replay.sweep_batch_size to 0"
        )


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
    raise errors.UserError(f"abstraction {config.abstraction!r} is none of skip, entropy, neural_entropy")


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


def make_lessons(
    config: Any, model: Model, trajectories: Trajectories, abstractions: tuple[Abstraction, ...]
) -> Lessons:
    """Trajectories, prepared for what the set's config asks for."""
    experience = hindsight.gather(trajectories, abstractions)
    before = sweeping.predecessors(experience, _ids(model)) if config.replay.sweep_batch_size else None
    return Lessons(experience=experience, before=before)


def init_learner(config: Any, model: Model, abstractions: tuple[Abstraction, ...], key: jax.Array) -> Learner:
    """The state before the first update; `key` is consumed."""
    init_key, root_key = jax.random.split(key)
    space = _ids(model)
    queue = None
    if config.replay.sweep_batch_size:
        # A pair can wait several times over; what is met at the start improves all at once.
        queue = sweeping.begin(space, min(_MAX_QUEUE, max(2**15, 2 * space.num_elements**2)))
    tallies: tuple[balance.Tally, ...] = ()
    if config.candidates > 1:
        tallies = tuple(balance.begin(space) for _ in model.layers)
    return Learner(state=model.init(init_key, abstractions), key=root_key, queue=queue, tallies=tallies)


def build_update(config: Any, model: Model) -> Update:
    """One update of all layers: hindsight, and what the set's config asks of replay."""
    replay_config = config.replay
    space = _ids(model)
    kernel = model.layers[0].cortex.kernel
    if replay_config.sweep_batch_size and not isinstance(kernel, Table):
        raise errors.UserError("replay.sweep_batch_size needs the table kernel, which stores scores exactly")
    resolution = 1 / (kernel.num_levels - 1) if isinstance(kernel, Table) else 0.0

    def update(learner: Learner, lessons: Lessons, step: jax.Array) -> tuple[Learner, Mapping[str, jax.Array]]:
        state, queue = learner.state, learner.queue
        observe_key, compose_key, imagine_key = jax.random.split(jax.random.fold_in(learner.key, step), 3)
        examples = model.sample(lessons.experience, observe_key, config.batch_size * config.candidates)
        tallies = []
        for number, tally in enumerate(learner.tallies):
            examples[number], tally = balance.choose(tally, space, examples[number], config.batch_size)
            tallies.append(tally)
        if queue is not None:
            _, queue = sweeping.enqueue_improvements(model, state, queue, examples[0], resolution=resolution)
        state, metrics = model.learn(state, examples)
        if queue is not None and lessons.before is not None:
            swept, queue = sweeping.sweep(
                model,
                state,
                experience=lessons.experience,
                before=lessons.before,
                queue=queue,
                batch_size=replay_config.sweep_batch_size,
                resolution=resolution,
            )
            state, values = model.learn(state, {0: swept})
            metrics |= {f"sweep/{name}": value for name, value in values.items()}
            metrics |= {"sweep/waiting": queue.size, "sweep/dropped": queue.dropped}
        if replay_config.compose_batch_size:
            composed = composition.compose(
                model,
                state,
                experience=lessons.experience,
                key=compose_key,
                batch_size=replay_config.compose_batch_size,
                pivot_share=replay_config.pivot_share,
            )
            state, values = model.learn(state, {0: composed})
            metrics |= {f"compose/{name}": value for name, value in values.items()}
        if replay_config.imagine_batch_size:
            imagined = composition.imagine(
                model,
                state,
                experience=lessons.experience,
                key=imagine_key,
                batch_size=replay_config.imagine_batch_size,
                max_steps=replay_config.imagine_max_steps,
            )
            state, values = model.learn(state, imagined)
            metrics |= {f"imagine/{name}": value for name, value in values.items()}
        return Learner(state=state, key=learner.key, queue=queue, tallies=tuple(tallies)), metrics

    return update


def _ids(model: Model) -> Discrete:
    """The model's space, which is one of ids, with places or without, in all that `build_model` builds."""
    space = model.space.space if isinstance(model.space, Located) else model.space
    assert isinstance(space, Discrete)
    return space


def _location(config: Any, places: PlacesOfIds | None) -> routing.Location | None:
    """Codes of the nodes' places, the longest wavelength of twice the extent, so that no two look alike."""
    if places is None or not places.extent:
        return None
    scales = Scales(2 * places.extent, config.location.num_scales)
    return routing.Location(places, scales, own_features=config.location.own_features)


def _build_kernel(config: Any, encoding: routing.Routing) -> Kernel:
    kernel, space = config.kernel, encoding.space
    if kernel.name == "table":
        encoding.check_kernel("table", features=False, attention=False)
        assert isinstance(space, Discrete)
        return table(
            state_space=space,
            target_space=space,
            num_slots=kernel.num_slots,
            context_length=config.context_length,
            access=kernel.access,
            sparse_capacity=kernel.sparse_capacity or None,
        )
    loss = SlotLoss(
        access=kernel.access,
        asymmetry=kernel.asymmetry,
        suppression=kernel.suppression,
        suppression_weight=kernel.suppression_weight,
    )
    schedule = optax.cosine_decay_schedule(config.learning_rate, config.num_steps)
    if kernel.name == "linear":
        encoding.check_kernel("linear", features=True, attention=False)
        size = LinearConfig(
            num_slots=kernel.num_slots,
            num_keys=kernel.num_keys,
            context_length=config.context_length,
            sharpness=kernel.sharpness,
        )
        return linear(size, state_space=space, target_space=space, optimizer=optax.adam(schedule), loss=loss)
    if kernel.name == "transformer":
        sizes = TransformerConfig(
            num_slots=kernel.num_slots,
            num_blocks=kernel.num_blocks,
            num_heads=kernel.num_heads,
            width=kernel.width,
            hidden=kernel.hidden,
            window=config.context_length,
            rotary=encoding.rotary,
        )
        return transformer(sizes, state_space=space, target_space=space, optimizer=optax.adam(schedule), loss=loss)
    raise errors.UserError(f"kernel {kernel.name!r} is none of table, linear, transformer")


def _build_score_rule(config: Any, stretch: int) -> scores.ScoreRule:
    if config.score_rule == "linear":
        return scores.Linear(config.longest * stretch)
    if config.score_rule == "geometric":
        return scores.Geometric(config.score_discount)
    raise errors.UserError(f"score_rule {config.score_rule!r} is none of linear, geometric")
