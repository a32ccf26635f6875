"""The layers of the language tasks' models: over embeddings, each with the states that its answers are taken for."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from humain import errors
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Geometric, Return
from humain.hippocampus import encodings, routing
from humain.kernels import configs
from humain.layer import Layer
from humain.model import Model
from humain.nearest import Nearest
from humain.spaces import Continuous
from humain.stopping import Stopping

_SMALL = encodings.Scaled(encodings.sinusoidal, 0.1)
"""Positions are told by less than what sentences differ by."""


def build_model(config: Any, known: Sequence[np.ndarray], *, num_updates: int, stop: float) -> Model:
    """The stack of layers, bottom first.

    Args:
        config: one of the `models` of the task's config, see `configs/lm_guide_train.py`.
        known: `[N, D]` for each layer, the states that its answers are taken for the nearest of.
        num_updates: over which the learning rate falls to 0.
        stop: weight of the stop signal.

    Raises:
        UserError: naming what can't be.
    """
    lengths, top = config.context_lengths, len(known) - 1
    try:
        if len(lengths) != len(known):
            raise ValueError(f"context_lengths must be one for each of the {len(known)} layers, not {len(lengths)}")
        encoding = routing.route(config.encoding, Continuous(known[0].shape[1]))
        names = ("num_slots", "access", "asymmetry", "suppression", "suppression_weight", "learning_rate")
        slots = {name: getattr(config, name) for name in names}
        kernel = configs.read({**config.kernel, **slots, "num_updates": num_updates})
        layers = []
        for number, (states, length) in enumerate(zip(known, lengths, strict=True)):
            answers = Stopping(Nearest(states), stop)
            cortex = Cortex(
                kernel=configs.build(kernel, encoding, target_space=answers, context_length=length),
                # The top layer's ways are told apart by the returns that they were given.
                score_rule=Return(0.0, 1.0) if number == top else Geometric(config.score_discount),
                pivot_to_pivot=True,
                # A single layer is asked for sentences; under others, for chunks of them.
                ends_at_goal=top == 0,
            )
            added = _SMALL if config.encoding == "sinusoidal" else encoding.added
            layers.append(Layer(cortex=cortex, context_length=length, encoding=added, hide_start=True))
        return Model(layers=tuple(layers), space=encoding.space)
    except (TypeError, ValueError) as error:
        raise errors.UserError(f"model: {error}") from error
