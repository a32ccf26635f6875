"""Long order: the rooms of `order`, learned from ways of up to 32 states and tested after 248 of them.

The gate still opens depending on which of A and B was visited last, and that was recently; but the episode is long, and
the hippocampus shows 256 states. Positions counted from its oldest state are then larger than any in training, while
distances from the present state are not. With either encoding, attention reaches equally far back in training and test.
With sinusoids the network could learn the same, since distances can be computed from them; its result on ways of the
trained length is in the notes.
"""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from humain import acting
from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.hippocampus import encodings, routing
from humain.hippocampus import memory as memory_lib
from humain.kernels import configs
from humain.kernels.transformer import TransformerConfig
from humain.layer import Layer
from humain.model import Model, ModelState
from humain.types import Array
from tasks.ablations import order, seeds
from tasks.ablations.outcome import AblationOutcome
from tasks.ablations.shares import Shares

_ABSTRACTIONS = (Skip(4),)


@dataclasses.dataclass(frozen=True)
class LongOrderSettings:
    """Settings of `long_order`; both encodings are trained with the same ones.

    Attributes:
        num_walks: the number of demonstrations per seed.
        trained_length: the number of states of the longest demonstration, and of the context in training.
        tested_length: the number of states of the context in the test.
        window: how many states attention sees, including the present one.
        longest_period: the longest period of the sinusoids; the slowest turns by about one radian over the trained
            length.
        num_updates: the number of updates of the network.
        batch_size: examples per update.
        num_episodes: the number of test episodes; the gate is open in half of them.
        max_steps: the step limit to get out.
    """

    num_walks: int = 1000
    trained_length: int = 32
    tested_length: int = 256
    window: int = 32
    longest_period: float = 30.0
    num_updates: int = 300
    batch_size: int = 64
    num_episodes: int = 20
    max_steps: int = 8


def measure(settings: LongOrderSettings, *, seed: int, num_seeds: int) -> AblationOutcome:
    """Measures the world with rotary encoding, and with added sinusoids.

    A share of the optimum is the mean over episodes of the optimal number of steps, see `order`, over those taken; 0 if
    the agent does not get out. The notes have the same for ways of the trained length.

    Args:
        settings: the settings of the experiment.
        seed: the first one.
        num_seeds: the number of seeds, trained in parallel, each on its own demonstrations.
    """
    generators = [np.random.default_rng([seed + number, 2]) for number in range(num_seeds)]
    shown = order.OrderSettings(num_walks=settings.num_walks, walk_length=settings.trained_length)
    experience = seeds.stack([order.demonstrated(shown, rng) for rng in generators])
    lengths = (settings.trained_length, settings.tested_length)
    # Shorter by max_steps, to leave room for the agent's own steps.
    led = [
        jnp.stack([led_ways(settings, rng, length - settings.max_steps) for rng in generators]) for length in lengths
    ]

    def shares(name: str) -> list[Shares]:
        models = [_build(settings, name, length) for length in lengths]
        state = seeds.learn(
            models[0],
            _ABSTRACTIONS,
            experience,
            seeds.keys(seed, num_seeds),
            num_updates=settings.num_updates,
            batch_size=settings.batch_size,
        )
        found = [
            jax.jit(jax.vmap(partial(_test, settings, model)))(state, ways)
            for model, ways in zip(models, led, strict=True)
        ]
        return [Shares.of(np.asarray(values).tolist()) for values in found]

    (near_on, on), (near_off, off) = shares("rotary"), shares("sinusoidal")
    return AblationOutcome(
        title=f"get out by B after A, after {led[1].shape[2]} states; trained on up to {settings.trained_length}",
        on_name="rotary",
        off_name="sinusoidal",
        on=on,
        off=off,
        notes={"trained_length": {"on": near_on.to_json(), "off": near_off.to_json()}, "window": settings.window},
    )


def led_ways(settings: LongOrderSettings, rng: np.random.Generator, length: int) -> Array:
    """Draws random ways `[num_episodes, length]` through the rooms to the gate, which is open after every other one."""
    ways: list[list[int]] = []
    while len(ways) < settings.num_episodes:
        way = [int(rng.integers(3))]
        stage = order.following_stage_of(0, way[0])
        while len(way) < length:
            way.append(order.other_room(rng, way[-1]))
            stage = order.following_stage_of(stage, way[-1])
        if way[-1] == order.GATE and stage == 1 + len(ways) % 2:
            ways.append(way)
    return jnp.asarray(ways, jnp.int32)


def _build(settings: LongOrderSettings, name: str, context_length: int) -> Model:
    encoding = routing.route(name, order.SPACE)
    added = encoding.added
    if name == "sinusoidal":
        added = partial(encodings.sinusoidal, longest_period=settings.longest_period)
    config = TransformerConfig(
        num_slots=1,
        width=32,
        hidden=64,
        window=settings.window,
        learning_rate=5e-3,
        num_updates=settings.num_updates,
    )
    kernel = configs.build(config, encoding, context_length=context_length)
    layer = Layer(Cortex(kernel, Linear(6)), context_length=context_length, encoding=added)
    return Model((layer,), encoding.space)


def _test(settings: LongOrderSettings, model: Model, state: ModelState, led: Array) -> Array:
    """Returns the mean share `[]` of the optimum over the episodes that begin with the given ways `[N, P]`."""
    num_episodes, num_led = led.shape
    goals = jnp.full(num_episodes, order.OUT)
    zero = jnp.zeros(num_episodes, jnp.int32)
    stages = jax.lax.fori_loop(0, num_led, lambda time, stage: order.following_stage(stage, led[:, time]), zero)
    optimal = jnp.array(order.OPTIMAL_STEPS)[stages]

    def advance(carry: tuple[Any, ...], _: None) -> tuple[tuple[Any, ...], None]:
        episode, room, stage, steps = carry
        episode, reaction = acting.react(model, state, episode, room, goals)
        on = order.step(room, stage, reaction.action)
        return (episode, on, order.following_stage(stage, on), steps + (room != order.OUT)), None

    start = (_remembered(model, led, goals), led[:, -1], stages, zero)
    (_, room, _, steps), _ = jax.lax.scan(advance, start, length=settings.max_steps)
    return jnp.mean(jnp.where(room == order.OUT, optimal / jnp.maximum(steps, 1), 0))


def _remembered(model: Model, led: Array, goals: Array) -> acting.Episode:
    """Returns episodes that remember the ways `[N, P]` except the present state, as if the agent had acted on them."""
    num_episodes, num_led = led.shape
    append = jax.vmap(memory_lib.append)
    # The newest state is stored only when the next one arrives.
    memory = jax.lax.fori_loop(
        0, num_led - 2, lambda time, memory: append(memory, led[:, time]), model.layers[0].begin(num_episodes)
    )
    episode = acting.begin(model, num_episodes)
    trail = dataclasses.replace(
        episode.trails[0],
        newest=led[:, -2],
        before=led[:, -3],
        count=jnp.full(num_episodes, num_led - 1, jnp.int32),
    )
    return dataclasses.replace(episode, memories=(memory,), trails=(trail,), goals=(goals,))
