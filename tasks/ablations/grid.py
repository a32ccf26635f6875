"""Grid: from any cell to any other, for unseen pairs, where the cells' coordinates show the way.

An open grid; a step goes to one of four neighbours, or nowhere at the edge. The optimum is the sum of the differences
of the coordinates. The layer learns from demonstrations: shortest ways between random cells, so few that hindsight sees
a small share of all pairs. The test is on random pairs that no demonstration passes in this order, so that no example
had the first as the present state and the second as the goal.
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
from humain.hippocampus import routing
from humain.hippocampus.location import PlacesOfIds, Scales
from humain.kernels.transformer import TransformerConfig
from humain.layer import Layer
from humain.model import Model, ModelState
from humain.spaces import Discrete
from humain.types import Array, Trajectories
from tasks.ablations import seeds
from tasks.ablations.outcome import AblationOutcome
from tasks.ablations.shares import Shares

_MOVES = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)], np.int32)


@dataclasses.dataclass(frozen=True)
class GridSettings:
    """Settings of the grid; both encodings are trained with the same ones.

    Attributes:
        size: the number of cells along an edge.
        num_walks: the number of demonstrations per seed.
        num_scales: the number of wavelengths per coordinate, from twice the edge down. More of them fit the few pairs
            seen better, but generalise less.
        num_updates: the number of updates of the network.
        batch_size: examples per update.
        num_episodes: the number of test episodes.
    """

    size: int = 12
    num_walks: int = 100
    num_scales: int = 2
    num_updates: int = 600
    batch_size: int = 64
    num_episodes: int = 200


def measure(settings: GridSettings, *, seed: int, num_seeds: int) -> AblationOutcome:
    """Measures the grid with cells encoded by their coordinates, and by their ids.

    A share of the optimum is the mean over pairs of the optimal number of steps over those taken; 0 for a pair on which
    the goal is not reached in four times the edge.

    Args:
        settings: the settings of the experiment.
        seed: the first one.
        num_seeds: the number of seeds, trained in parallel, each on its own demonstrations.
    """
    generators = [np.random.default_rng([seed + number, 1]) for number in range(num_seeds)]
    shown = [demonstrations(settings, rng) for rng in generators]
    seen = [pairs_seen(settings, walks) for walks in shown]
    pairs = [draw_unseen(settings, rng, known) for rng, known in zip(generators, seen, strict=True)]
    abstractions = (Skip(settings.size),)
    # The encodings differ in what a cell looks like to the kernel, not in the walks.
    plain = _build(settings, "none")
    experience = seeds.stack([seeds.gather(plain, abstractions, walks) for walks in shown])
    starts, goals = (jnp.asarray(np.stack(cells), jnp.int32) for cells in zip(*pairs, strict=True))

    def shares(name: str) -> Shares:
        model = _build(settings, name)
        state = seeds.learn(
            model,
            abstractions,
            experience,
            seeds.keys(seed, num_seeds),
            num_updates=settings.num_updates,
            batch_size=settings.batch_size,
        )
        found = jax.jit(jax.vmap(partial(_test, settings, model)))(state, starts, goals)
        return Shares.of(np.asarray(found).tolist())

    num_pairs = settings.size**2 * (settings.size**2 - 1)
    return AblationOutcome(
        title=f"unseen pairs of cells on a grid of {settings.size} by {settings.size}; optimum by coordinates",
        on_name="location",
        off_name="none",
        on=shares("location"),
        off=shares("none"),
        notes={"pairs_seen": float(np.mean([known.sum() for known in seen]) / num_pairs)},
    )


def demonstrations(settings: GridSettings, rng: np.random.Generator) -> Trajectories:
    """Draws shortest ways between different random cells; where two moves are shortest, one is chosen at random."""
    shape = (settings.num_walks, 2 * settings.size - 1)
    cells, moves = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    lengths = np.zeros(settings.num_walks, np.int32)
    for number in range(settings.num_walks):
        here, goal = (np.array(divmod(cell, settings.size)) for cell in rng.choice(settings.size**2, 2, replace=False))
        time = 0
        while np.any(here != goal):
            cells[number, time] = here @ (settings.size, 1)
            moves[number, time] = rng.choice(np.flatnonzero(_MOVES @ (goal - here) > 0))
            here = here + _MOVES[moves[number, time]]
            time += 1
        cells[number, time] = here @ (settings.size, 1)
        lengths[number] = time + 1
    return Trajectories(states=jnp.asarray(cells), lengths=jnp.asarray(lengths), actions=jnp.asarray(moves))


def pairs_seen(settings: GridSettings, walks: Trajectories) -> np.ndarray:
    """Returns bool `[N, N]`: whether some walk visits the first cell and, at any later time, the second."""
    seen = np.zeros((settings.size**2,) * 2, bool)
    for way, length in zip(np.asarray(walks.states), np.asarray(walks.lengths), strict=True):
        for time in range(length):
            seen[way[time], way[time + 1 : length]] = True
    return seen


def step(settings: GridSettings, cells: Array, moves: Array) -> Array:
    """Returns the cells that moves lead to; a move across the edge has no effect."""
    places = jnp.stack([cells // settings.size, cells % settings.size], axis=-1) + jnp.asarray(_MOVES)[moves]
    inside = jnp.all((places >= 0) & (places < settings.size), axis=-1)
    return jnp.where(inside, places[..., 0] * settings.size + places[..., 1], cells)


def draw_unseen(settings: GridSettings, rng: np.random.Generator, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draws distinct pairs of starts and goals `[num_episodes]` that are not among the pairs seen `[N, N]`."""
    starts, goals = np.nonzero(~seen & ~np.eye(len(seen), dtype=bool))
    chosen = rng.choice(len(starts), settings.num_episodes, replace=False)
    return starts[chosen], goals[chosen]


def _build(settings: GridSettings, name: str) -> Model:
    places = PlacesOfIds(tuple((float(row), float(column)) for row, column in np.ndindex(settings.size, settings.size)))
    encoding = routing.route(
        name,
        Discrete(settings.size**2),
        location=routing.Location(places, Scales(2.0 * settings.size, settings.num_scales)),
    )
    config = TransformerConfig(num_heads=1, width=32, hidden=64, learning_rate=5e-3, num_updates=settings.num_updates)
    kernel = config.build(encoding.space, Discrete(len(_MOVES)))
    layer = Layer(Cortex(kernel, Linear(2 * settings.size)), encoding=encoding.added)
    return Model((layer,), encoding.space)


def _test(settings: GridSettings, model: Model, state: ModelState, starts: Array, goals: Array) -> Array:
    """Returns the mean share `[]` of the optimum over the ways from starts to goals `[N]`."""

    def advance(carry: tuple[Any, Array, Array], _: None) -> tuple[tuple[Any, Array, Array], None]:
        episode, cells, steps = carry
        episode, reaction = acting.react(model, state, episode, cells, goals)
        there = cells == goals
        return (episode, jnp.where(there, cells, step(settings, cells, reaction.action)), steps + ~there), None

    begun = (acting.begin(model, starts.shape[0]), starts, jnp.zeros_like(starts))
    (_, cells, steps), _ = jax.lax.scan(advance, begun, length=4 * settings.size)
    size = settings.size
    optimal = jnp.abs(starts // size - goals // size) + jnp.abs(starts % size - goals % size)
    return jnp.mean(jnp.where(cells == goals, optimal / jnp.maximum(steps, 1), 0))
