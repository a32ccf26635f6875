"""Order: a gate opens only if B was visited after A; the order can't be seen, only remembered.

Three rooms, each a step from the others: the gate, A and B. From the gate the agent gets out if B was visited since the
last visit to A; otherwise it falls into a pit and stays there. It has been led through A and B, once each, in random
order, and stands at the gate. The optimum is 1 step if B came after A, else 3: to B, to the gate, out.

The layer learns from demonstrations: random steps through the rooms, then a shortest way out. The steps out are
learned; those before are remembered but not imitated. A policy that does not know the order reaches at best 1/2 of the
optimum by always trying the gate, or 2/3 by always going to B first. The network has one block: with two, causal
attention would reveal the order by how many states each one sees.
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
from humain.cortex.hindsight import Experience
from humain.cortex.scores import Linear
from humain.hippocampus import encodings, routing
from humain.kernels import configs
from humain.kernels.transformer import TransformerConfig
from humain.layer import Layer
from humain.model import Model, ModelState
from humain.spaces import Discrete
from humain.types import Array, Trajectories
from tasks.ablations import seeds
from tasks.ablations.outcome import AblationOutcome
from tasks.ablations.shares import Shares

GATE, A, B, OUT, PIT = range(5)
"""The states; the first three are rooms."""
SPACE = Discrete(16)
"""There are five states; the features of the other ids leave space for positions, which are added to features."""
OPTIMAL_STEPS = (4, 3, 1)
"""Steps from the gate to the outside, by stage: via A, B and the gate; via B and the gate; directly."""
_ABSTRACTIONS = (Skip(4),)
_BLOCKS = 1


@dataclasses.dataclass(frozen=True)
class OrderSettings:
    """Settings of `order`; all encodings are trained with the same ones.

    Attributes:
        num_walks: the number of demonstrations per seed.
        walk_length: the number of states of the longest demonstration, and of the context.
        num_updates: the number of updates of the network.
        batch_size: examples per update.
        num_episodes: the number of test episodes, half of them with each order.
        max_steps: the step limit to get out.
        longest_period: the longest period of the sinusoids; since features are few and contexts short, slow ones would
            be useless.
    """

    num_walks: int = 2000
    walk_length: int = 8
    num_updates: int = 400
    batch_size: int = 64
    num_episodes: int = 50
    max_steps: int = 8
    longest_period: float = 100.0


def measure(settings: OrderSettings, *, seed: int, num_seeds: int) -> AblationOutcome:
    """Measures the world with rotary encoding and without encoding; with sinusoids, in the notes.

    A share of the optimum is the mean over episodes of the optimal number of steps over those taken; 0 if the agent
    does not get out.

    Args:
        settings: the settings of the experiment.
        seed: the first one.
        num_seeds: the number of seeds, trained in parallel, each on its own demonstrations.
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

    return AblationOutcome(
        title="get out by B after A, three rooms; optimum 1 or 3 steps",
        on_name="rotary",
        off_name="none",
        on=shares("rotary"),
        off=shares("none"),
        notes={"sinusoidal": shares("sinusoidal").to_json(), "num_blocks": _BLOCKS},
    )


def following_stage(stage: Any, room: Any) -> Any:
    """Returns the state of the gate: 0 before a visit to A, 1 if B was not visited since, 2 if it was."""
    stage = jnp.where(room == A, 1, stage)
    return jnp.where((stage == 1) & (room == B), 2, stage)


def step(room: Array, stage: Array, answer: Array) -> Array:
    """Returns the room that an answer leads to; an impossible answer leaves the agent where it is."""
    leaves = jnp.where(stage == 2, OUT, PIT)
    inside = jnp.where(answer <= B, answer, jnp.where((answer == OUT) & (room == GATE), leaves, room))
    return jnp.where(room >= OUT, room, inside)


def demonstrated(settings: OrderSettings, rng: np.random.Generator) -> Experience:
    """Returns the experience: the steps out are learned; those before them are remembered but not imitated."""
    walks, num_led = demonstrations(settings, rng)
    # The encodings differ in what a state looks like to the kernel, not in the walks.
    experience = seeds.gather(_build(settings, "none"), _ABSTRACTIONS, walks)
    own = np.asarray(experience.times) >= num_led[np.asarray(experience.walks)] - 1
    return dataclasses.replace(experience, walks=experience.walks[own], times=experience.times[own])


def demonstrations(settings: OrderSettings, rng: np.random.Generator) -> tuple[Trajectories, np.ndarray]:
    """Draws random ways that end in a shortest way out; also returns the number `[W]` of states before that."""
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
    """`following_stage` for Python numbers."""
    if room == A:
        return 1
    return 2 if room == B and stage == 1 else stage


def led_ways(settings: OrderSettings, rng: np.random.Generator) -> Array:
    """Returns ways `[num_episodes, 4]` that visit A and B once each and end at the gate; every second has B last."""
    ways = np.zeros((settings.num_episodes, 4), np.int32)
    for number in range(settings.num_episodes):
        first, second = (A, B) if number % 2 else (B, A)
        ways[number, :3] = [GATE, first, second] if rng.random() < 0.5 else [first, GATE, second]
    return jnp.asarray(ways)


def other_room(rng: np.random.Generator, room: int) -> int:
    """Draws another room."""
    return int((room + rng.integers(1, 3)) % 3)


def _build(settings: OrderSettings, name: str) -> Model:
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


def _test(settings: OrderSettings, model: Model, state: ModelState, led: Array) -> Array:
    """Returns the mean share `[]` of the optimum over the episodes that begin with the given ways `[N, P]`."""
    num_episodes, num_led = led.shape
    goals = jnp.full(num_episodes, OUT)
    stages = jnp.zeros(num_episodes, jnp.int32)
    for time in range(num_led):
        stages = following_stage(stages, led[:, time])
    optimal = jnp.array(OPTIMAL_STEPS)[stages]

    def advance(carry: tuple[Any, ...], time: Array) -> tuple[tuple[Any, ...], None]:
        episode, room, stage, steps = carry
        # While it is led, the agent remembers the states, and its own actions are ignored.
        episode, reaction = acting.react(model, state, episode, room, goals)
        is_led = time + 1 < num_led
        on = jnp.where(is_led, led[:, jnp.minimum(time + 1, num_led - 1)], step(room, stage, reaction.action))
        steps = steps + jnp.where(is_led | (room == OUT), 0, 1)
        return (episode, on, following_stage(stage, on), steps), None

    room = led[:, 0]
    start = (acting.begin(model, num_episodes), room, following_stage(jnp.zeros_like(room), room), jnp.zeros_like(room))
    (_, room, _, steps), _ = jax.lax.scan(advance, start, jnp.arange(num_led - 1 + settings.max_steps))
    return jnp.mean(jnp.where(room == OUT, optimal / jnp.maximum(steps, 1), 0))
