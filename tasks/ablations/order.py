"""Order: the gate lets out who was at B after A; what happened in which order is not to be seen, only remembered.

Three rooms, each a step from the others: the gate, A and B. From the gate one goes out if B was visited since the last
visit to A, and falls into a pit for ever otherwise. The agent has been led through A and B, once each, in an order of
chance, and stands at the gate. The optimum is 1 step where B came after A, else 3: to B, to the gate, out.

Learned from demonstrations: someone is led through the rooms at random for some steps and goes out by a shortest way.
The steps out are learned; those before are remembered and not imitated. Who can't tell the order does as well as can be
by always trying the gate, 1/2 of the optimum, or by always going to B first, 2/3.
The network has one block: with two, causal attention would let the order leak through how much each state has seen.
"""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from humain import acting
from humain.abstraction.skip import Skip
from humain.cortex import hindsight
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.hippocampus import encodings, routing
from humain.kernels import configs
from humain.kernels.transformer import TransformerConfig
from humain.layer import Layer
from humain.model import Model, ModelState
from humain.spaces import Discrete
from humain.types import Array, Trajectories
from tasks.ablations import seeds
from tasks.ablations.outcome import Outcome
from tasks.ablations.shares import Shares

GATE, A, B, OUT, PIT = range(5)
"""States; the first three are rooms."""
SPACE = Discrete(16)
"""The rooms are five; the features of the others are room for positions, which are added to features."""
OPTIMAL_STEPS = (4, 3, 1)
"""From the gate to the outside, by stage: to A, B, the gate and out; to B, the gate and out; out."""
_ABSTRACTIONS = (Skip(4),)
_BLOCKS = 1


@dataclasses.dataclass(frozen=True)
class Settings:
    """Sizes; both ways of encoding are trained alike.

    Attributes:
        num_walks: demonstrations of a seed.
        walk_length: states of the longest, and of the context.
        num_updates: of the network.
        batch_size: examples of an update.
        num_episodes: tested, of each order half.
        max_steps: to get out.
        longest_period: of the sinusoids; the features are few and contexts short, so slow ones would tell nothing.
    """

    num_walks: int = 2000
    walk_length: int = 8
    num_updates: int = 400
    batch_size: int = 64
    num_episodes: int = 50
    max_steps: int = 8
    longest_period: float = 100.0


def measure(settings: Settings, *, seed: int, num_seeds: int) -> Outcome:
    """The world with positions encoded, in attention, and not; with sinusoids, in the notes.

    A share of the optimum is the mean over episodes of the optimal number of steps over those taken; 0 for an episode
    that does not get out.

    Args:
        settings: sizes.
        seed: the first one.
        num_seeds: how many are trained side by side, each on demonstrations of its own.
    """
    generators = [np.random.default_rng([seed + number, 0]) for number in range(num_seeds)]
    experience = seeds.stack([demonstrated(settings, rng) for rng in generators])
    led = jnp.stack([led_ways(settings, rng) for rng in generators])

    def shares(name: str) -> Shares:
        model = _build(settings, name)
        state = seeds.learn(
            model,
            _ABSTRACTIONS,
            experience,
            seeds.keys(seed, num_seeds),
            num_updates=settings.num_updates,
            batch_size=settings.batch_size,
        )
        found = jax.jit(jax.vmap(partial(_test, settings, model)))(state, led)
        return Shares.of(np.asarray(found).tolist())

    return Outcome(
        title="get out by B after A, three rooms; optimum 1 or 3 steps",
        on_name="rotary",
        off_name="none",
        on=shares("rotary"),
        off=shares("none"),
        notes={"sinusoidal": shares("sinusoidal").to_json(), "num_blocks": _BLOCKS},
    )


def following_stage(stage: Any, room: Any) -> Any:
    """What the gate knows: 0 if A was never visited, 1 if A came last of A and B, 2 if B came after A."""
    stage = jnp.where(room == A, 1, stage)
    return jnp.where((stage == 1) & (room == B), 2, stage)


def step(room: Array, stage: Array, answer: Array) -> Array:
    """Where an answer leads from a room; an answer that can't be leaves the agent where it is."""
    leaves = jnp.where(stage == 2, OUT, PIT)
    inside = jnp.where(answer <= B, answer, jnp.where((answer == OUT) & (room == GATE), leaves, room))
    return jnp.where(room >= OUT, room, inside)


def demonstrated(settings: Settings, rng: np.random.Generator) -> hindsight.Experience:
    """What there is to learn: the steps out. Those before, in which one was led, are remembered and not imitated."""
    walks, num_led = demonstrations(settings, rng)
    experience = hindsight.gather(walks, _ABSTRACTIONS)
    own = np.asarray(experience.times) >= num_led[np.asarray(experience.walks)] - 1
    return dataclasses.replace(experience, walks=experience.walks[own], times=experience.times[own])


def demonstrations(settings: Settings, rng: np.random.Generator) -> tuple[Trajectories, np.ndarray]:
    """Random ways that turn, after some steps, into a shortest way out; and the number `[W]` of states until then."""
    states = np.full((settings.num_walks, settings.walk_length), OUT, np.int32)
    lengths = np.zeros(settings.num_walks, np.int32)
    num_led = np.zeros(settings.num_walks, np.int32)
    for number in range(settings.num_walks):
        way = [int(rng.integers(3))]
        stage = int(following_stage_of(0, way[-1]))
        for _ in range(rng.integers(settings.walk_length - 4)):
            way.append(other_room(rng, way[-1]))
            stage = following_stage_of(stage, way[-1])
        num_led[number] = len(way)
        while way[-1] != OUT:
            if stage == 2:
                way.append(OUT if way[-1] == GATE else GATE)
            else:
                way.append(B if stage == 1 else A)
            stage = following_stage_of(stage, way[-1])
        states[number, : len(way)] = way
        lengths[number] = len(way)
    return Trajectories(states=jnp.asarray(states), lengths=jnp.asarray(lengths)), num_led


def following_stage_of(stage: int, room: int) -> int:
    """`following_stage` of plain numbers."""
    if room == A:
        return 1
    return 2 if room == B and stage == 1 else stage


def led_ways(settings: Settings, rng: np.random.Generator) -> Array:
    """Ways `[num_episodes, 4]` through A and B, once each, that end at the gate; every other one with B after A."""
    ways = np.zeros((settings.num_episodes, 4), np.int32)
    for number in range(settings.num_episodes):
        first, second = (A, B) if number % 2 else (B, A)
        ways[number, :3] = [GATE, first, second] if rng.random() < 0.5 else [first, GATE, second]
    return jnp.asarray(ways)


def other_room(rng: np.random.Generator, room: int) -> int:
    """Another room, drawn at random."""
    return int((room + rng.integers(1, 3)) % 3)


def _build(settings: Settings, name: str) -> Model:
    encoding = routing.route(name, SPACE)
    added = encoding.added
    if name == "sinusoidal":
        added = partial(encodings.sinusoidal, longest_period=settings.longest_period)
    config = TransformerConfig(
        num_slots=1, num_blocks=_BLOCKS, width=32, hidden=64, learning_rate=5e-3, num_updates=settings.num_updates
    )
    kernel = configs.build(config, encoding, context_length=settings.walk_length)
    layer = Layer(Cortex(kernel, Linear(6)), context_length=settings.walk_length, encoding=added)
    return Model((layer,), encoding.space)


def _test(settings: Settings, model: Model, state: ModelState, led: Array) -> Array:
    """Mean share `[]` of the optimum over the episodes that begin with the led ways `[N, P]`."""
    num_episodes, num_led = led.shape
    goals = jnp.full(num_episodes, OUT)
    stages = jnp.zeros(num_episodes, jnp.int32)
    for time in range(num_led):
        stages = following_stage(stages, led[:, time])
    optimal = jnp.array(OPTIMAL_STEPS)[stages]

    def advance(carry: tuple[Any, ...], time: Array) -> tuple[tuple[Any, ...], None]:
        episode, room, stage, steps = carry
        # While it is led, the agent remembers, and what it would do does not count.
        episode, reaction = acting.react(model, state, episode, room, goals)
        is_led = time + 1 < num_led
        on = jnp.where(is_led, led[:, jnp.minimum(time + 1, num_led - 1)], step(room, stage, reaction.action))
        steps = steps + jnp.where(is_led | (room == OUT), 0, 1)
        return (episode, on, following_stage(stage, on), steps), None

    room = led[:, 0]
    start = (acting.begin(model, num_episodes), room, following_stage(jnp.zeros_like(room), room), jnp.zeros_like(room))
    (_, room, _, steps), _ = jax.lax.scan(advance, start, jnp.arange(num_led - 1 + settings.max_steps))
    return jnp.mean(jnp.where(room == OUT, optimal / jnp.maximum(steps, 1), 0))
