"""The hierarchy's learner: all layers learn together, each from its own table of examples."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from humain import errors
from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric
from humain.hippocampus import encodings, routing
from humain.hippocampus.encodings import Encoding
from humain.kernels import configs
from humain.layer import Layer
from humain.model import Model, ModelState
from humain.spaces import Continuous
from humain.training.loop import Update
from humain.types import Array, Context, Examples
from tasks.language.hierarchy import Table

_SMALL = encodings.Scaled(encodings.sinusoidal, 0.1)
"""Positions are told by less than what sentences differ by."""


@struct.dataclass
class Learner:
    """What training carries.

    Attributes:
        model: what the layers have learned.
        key: root of all randomness.
    """

    model: ModelState
    key: jax.Array


def build_model(config: Any, *, num_features: int, num_updates: int, context_lengths: Sequence[int]) -> Model:
    """The stack of layers, bottom first.

    Args:
        config: `model` of the task's config, see `configs/lm_guide_train.py`.
        num_features: of an embedding and the stop signal, F.
        num_updates: over which the learning rate falls to 0.
        context_lengths: states that each layer sees.

    Raises:
        UserError: naming what can't be.
    """
    space = Continuous(num_features)
    try:
        encoding = routing.route(config.encoding, space)
        names = ("num_slots", "access", "asymmetry", "suppression", "suppression_weight", "learning_rate")
        slots = {name: getattr(config, name) for name in names}
        kernel = configs.read({**config.kernel, **slots, "num_updates": num_updates})
        return Model(
            layers=tuple(
                Layer(
                    cortex=Cortex(
                        kernel=configs.build(kernel, encoding, context_length=length),
                        score_rule=Geometric(config.score_discount),
                    ),
                    context_length=length,
                    encoding=_SMALL if config.encoding == "sinusoidal" else encoding.added,
                )
                for length in context_lengths
            ),
            space=space,
        )
    except (TypeError, ValueError) as error:
        raise errors.UserError(f"model: {error}") from error


def begin(model: Model, key: jax.Array) -> Learner:
    """The state before the first update; `key` is consumed."""
    model_key, root_key = jax.random.split(key)
    # The layers' paths are cut into chunks beforehand, so the stack's own abstractions have nothing to do.
    return Learner(model=model.init(model_key, tuple(Skip(1) for _ in model.layers)), key=root_key)


def build_update(model: Model, batch_size: int) -> Update:
    """One update of every layer, from a batch of its own examples, drawn uniformly."""

    def update(
        learner: Learner, tables: tuple[dict[str, Array], ...], step: jax.Array
    ) -> tuple[Learner, Mapping[str, jax.Array]]:
        keys = jax.random.split(jax.random.fold_in(learner.key, step), len(tables))
        examples = {
            number: _draw(table, key, batch_size, model.layers[number].encoding)
            for number, (table, key) in enumerate(zip(tables, keys, strict=True))
        }
        state, metrics = model.learn(learner.model, examples)
        return Learner(model=state, key=learner.key), metrics

    return update


def on_device(tables: Sequence[Table]) -> tuple[dict[str, Array], ...]:
    """The tables as pytrees of device arrays."""
    return tuple(
        {field.name: jnp.asarray(getattr(table, field.name)) for field in dataclasses.fields(Table)} for table in tables
    )


def context(rows: Array, states: Array, encoding: Encoding) -> Context:
    """Contexts `[B, C, F]` out of rows `[B, C]` of states `[M, F]`, where -1 is none, with a layer's encoding."""
    mask = rows >= 0
    seen = jnp.where(mask[..., None], states[jnp.maximum(rows, 0)], 0)
    positions = jnp.cumsum(mask, axis=1) - 1
    encoded = encoding(jnp.maximum(positions, 0), states.shape[1])
    return Context(states=seen, features=seen + encoded, mask=mask)


def _draw(table: Mapping[str, Array], key: jax.Array, batch_size: int, encoding: Encoding) -> Examples:
    index = jax.random.randint(key, (batch_size,), 0, table["scores"].shape[0])
    return Examples(
        context=context(table["contexts"][index], table["states"], encoding),
        goals=table["goals"][table["asked"][index]],
        targets=table["states"][table["targets"][index]],
        scores=table["scores"][index],
        mask=jnp.ones(batch_size, bool),
    )
