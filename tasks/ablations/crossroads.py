"""Crossroads: do the pivots of `entropy` and `neural_entropy` find the doors between rooms, and does planning gain?

Worlds of two and of four rooms; the experience is shortest ways between random places. A state counts as found if it is
a pivot on nearly all paths that pass it. `neural_entropy` never sees a cell: its density is learned from positions
within cells, all of them different. The reference is `entropy`, exact counts, which needs no network. Off, pivots are
those of `skip`; as no fixed share of the paths suits it, it gets for each seed the share that does best, chosen with
knowledge of the doors.

Then a stack of two table layers learns from the same ways of the four rooms, with the pivots of each abstraction, and
plans (`thinking`). `skip` uses the stride whose plans are best over all seeds.
"""

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from humain import learning, planning
from humain.abstraction import visit_density
from humain.abstraction.abstraction import Abstraction
from humain.abstraction.entropy import Entropy
from humain.abstraction.neural_entropy import NeuralEntropy
from humain.abstraction.skip import Skip
from humain.abstraction.visit_density import DensityConfig
from humain.cortex.cortex import Cortex
from humain.cortex.hindsight import Experience
from humain.cortex.scores import Linear
from humain.kernels.table import TableConfig
from humain.layer import Layer
from humain.learning import Learner, LearningConfig, TrainingData
from humain.model import Model
from humain.spaces import Continuous, Discrete
from humain.types import Trajectories
from tasks.ablations import doors, room_worlds
from tasks.ablations import seeds as seeds_lib
from tasks.ablations.outcome import AblationOutcome
from tasks.ablations.room_worlds import FloorPlan, Ways
from tasks.ablations.shares import Shares

_SKIP_SHARES = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.8)
_LONGEST_WAY = 32
_LAYERS = 2
_MAX_NODES = 64
_WORLD, _PLANNING = range(2)
"""The use of each random generator derived from a seed; that of worlds also depends on the kind of world."""


@dataclasses.dataclass(frozen=True)
class CrossroadsSettings:
    """Settings of the crossroads experiment.

    Attributes:
        smallest: the smallest number of cells along a room's side, at least 3.
        largest: the largest number of cells along a room's side.
        num_ways: the number of ways experienced in each world.
        pivot_share: a state counts as found if it is a pivot on at least this share of the paths that pass it.
        num_positions: the number of positions that the density is learned from.
        density_steps: the number of updates of the density.
        density_batch_size: positions per update of the density.
        num_scales: the number of scales of the density's sines and cosines.
        min_separation: the smallest separation of the pivots of `neural_entropy`.
        hysteresis: the hysteresis of `neural_entropy`.
        strides: the strides of `skip`; doors are sought and plans made with each of them.
        num_updates: the number of updates of the tables.
        batch_size: examples per update, for each layer.
        num_pairs: the number of pairs that are planned between, in each world of four rooms.
    """

    smallest: int = 4
    largest: int = 6
    num_ways: int = 5000
    pivot_share: float = 0.8
    num_positions: int = 2**14
    density_steps: int = 1000
    density_batch_size: int = 512
    num_scales: int = 3
    min_separation: int = 2
    hysteresis: float = 0.2
    strides: tuple[int, ...] = (2, 4, 8)
    num_updates: int = 200
    batch_size: int = 2048
    num_pairs: int = 256

    @property
    def num_states(self) -> int:
        """The number of states of the largest world; all are padded to it, so that they share compiled programs."""
        return (2 * self.largest + 1) ** 2


def measure(settings: CrossroadsSettings, *, seed: int, num_seeds: int) -> AblationOutcome:
    """Runs the experiment.

    Args:
        settings: the settings of the experiment.
        seed: the seed of the first world; the others follow it.
        num_seeds: the number of worlds of each kind.
    """
    found: dict[str, list[doors.FoundStates]] = {"entropy": [], "neural_entropy": [], "skip": []}
    plans: dict[str, list[_Plans]] = {}
    pictures = []
    for number in range(seed, seed + num_seeds):
        of_seed: dict[str, doors.FoundStates] = {}
        for kind, build in (("two_rooms", room_worlds.two_rooms), ("four_rooms", room_worlds.four_rooms)):
            rng = np.random.default_rng([number, _WORLD, kind == "four_rooms"])
            world = build(rng, smallest=settings.smallest, largest=settings.largest)
            ways = _filled_up(room_worlds.shortest_ways(rng, world, settings.num_ways))
            learned: dict[str, Abstraction] = {
                "entropy": _counted(settings, ways),
                "neural_entropy": _learned(settings, rng, world, ways, jax.random.key(number)),
            }
            crossroads = {name: _crossroads(settings, abstraction, ways) for name, abstraction in learned.items()}
            crossroads["skip"] = _best_of_skip(settings, world, ways)
            for name, states in crossroads.items():
                result = doors.compare(states, world.doors)
                of_seed[name] = of_seed[name] + result if name in of_seed else result
            if number == seed:
                pictures.append(_picture(kind, world, crossroads))
            if kind == "four_rooms":
                skips: dict[str, Abstraction] = {f"skip_{stride}": Skip(stride) for stride in settings.strides}
                for name, abstraction in (learned | skips).items():
                    plan = _plan(settings, world, ways, abstraction, seed=number)
                    plans.setdefault(name, []).append(plan)
        for name, result in of_seed.items():
            found[name].append(result)
    return AblationOutcome(
        title="Are the doors of two and four rooms the pivots? (F1 of precision and recall)",
        on_name="neural_entropy",
        off_name="skip",
        on=Shares.of([result.f1 for result in found["neural_entropy"]]),
        off=Shares.of([result.f1 for result in found["skip"]]),
        notes={
            "reference": {"name": "entropy", **Shares.of([result.f1 for result in found["entropy"]]).to_json()},
            **{name: doors.to_json(results) for name, results in found.items()},
            "thinking": _thinking(plans),
            "worlds": pictures,
        },
    )


def _filled_up(ways: Ways) -> Ways:
    missing = _LONGEST_WAY - ways.states.shape[1]
    if missing < 0:
        raise ValueError(f"a way has {ways.states.shape[1]} states, more than {_LONGEST_WAY}; lower largest")
    return dataclasses.replace(ways, states=np.pad(ways.states, ((0, 0), (0, missing)), mode="edge"))


def _passed(ways: Ways) -> np.ndarray:
    """Returns the states of all ways, each as often as it was visited."""
    return ways.states[np.arange(_LONGEST_WAY)[None] < ways.lengths[:, None]]


def _counted(settings: CrossroadsSettings, ways: Ways) -> Entropy:
    return Entropy(jnp.asarray(np.bincount(_passed(ways), minlength=settings.num_states), jnp.int32))


def _learned(
    settings: CrossroadsSettings, rng: np.random.Generator, world: FloorPlan, ways: Ways, key: jax.Array
) -> NeuralEntropy:
    """Learns a density from random positions in the visited cells; pivots use its value at the middle of a cell."""
    visited = rng.choice(world.places[_passed(ways)], settings.num_positions)
    positions = visited + rng.uniform(-0.5, 0.5, visited.shape)
    density = visit_density.fit(
        jnp.asarray(positions, jnp.float32),
        key,
        space=Continuous(2),
        config=DensityConfig(
            num_scales=settings.num_scales,
            num_steps=settings.density_steps,
            batch_size=settings.density_batch_size,
        ),
    )
    places = np.zeros((settings.num_states, 2), np.float32)
    places[: len(world.places)] = world.places
    return NeuralEntropy(
        density,
        places=jnp.asarray(places),
        min_separation=settings.min_separation,
        hysteresis=settings.hysteresis,
    )


def _crossroads(settings: CrossroadsSettings, abstraction: Abstraction, ways: Ways) -> np.ndarray:
    """Returns the ids of the states found."""
    shares = doors.pivot_shares(abstraction, ways.states, ways.lengths, settings.num_states)
    return np.flatnonzero(shares >= settings.pivot_share)


def _best_of_skip(settings: CrossroadsSettings, world: FloorPlan, ways: Ways) -> np.ndarray:
    """Returns the states found by `skip` with the stride and the share that turn out best in this world."""
    options = []
    for stride in settings.strides:
        shares = doors.pivot_shares(Skip(stride), ways.states, ways.lengths, settings.num_states)
        options += [np.flatnonzero(shares >= least) for least in _SKIP_SHARES]
    return max(options, key=lambda states: doors.compare(states, world.doors).f1)


def _picture(kind: str, world: FloorPlan, crossroads: dict[str, np.ndarray]) -> dict[str, Any]:
    """Returns a world for the report: rows of floor and walls, and the (row, column) of doors and of found states."""
    return {
        "name": kind,
        "floor": ["".join(".#"[not cell] for cell in row) for row in world.floor],
        "doors": world.places[world.doors].tolist(),
        "found": {name: world.places[states].tolist() for name, states in crossroads.items()},
    }


@dataclasses.dataclass(frozen=True)
class _Plans:
    """Statistics of P plans; every abstraction plans between the same pairs.

    Attributes:
        complete: `[P]` bool, whether the plan reaches its goal.
        steps: `[P]`, the number of answers of layer 0.
        sub_goals: `[P]`, the number of answers of layer 1.
        longest: `[P]`, the largest number of answers of layer 0 for one sub-goal.
        shortest: `[P]`, the number of steps of a shortest way.
    """

    complete: np.ndarray
    steps: np.ndarray
    sub_goals: np.ndarray
    longest: np.ndarray
    shortest: np.ndarray

    @property
    def share(self) -> float:
        """The share of the optimum: shortest over planned steps, 0 for an incomplete plan."""
        return float(np.mean(np.where(self.complete, self.shortest / np.maximum(self.steps, 1), 0)))


def _plan(settings: CrossroadsSettings, world: FloorPlan, ways: Ways, abstraction: Abstraction, *, seed: int) -> _Plans:
    """Learns from the ways with this abstraction, and plans; the seed determines the rest, including the pairs."""
    rng = np.random.default_rng([seed, _PLANNING])
    model = _model(settings)
    trajectories = Trajectories(states=jnp.asarray(ways.states), lengths=jnp.asarray(ways.lengths))
    abstractions = (abstraction,) * _LAYERS
    experience = seeds_lib.gather(model, abstractions, trajectories)
    # Equally many places in every world, drawn at random, so that they share compiled programs.
    drawn = rng.integers(len(experience.walks), size=settings.num_positions)
    experience = dataclasses.replace(experience, walks=experience.walks[drawn], times=experience.times[drawn])
    how = LearningConfig(batch_size=settings.batch_size)
    learner = learning.begin(model, how, abstractions, jax.random.key(rng.integers(2**31)))
    state = _learn(model, how, learner, experience, num_updates=settings.num_updates).state
    starts = rng.integers(len(world.places), size=settings.num_pairs)
    goals = (starts + rng.integers(1, len(world.places), settings.num_pairs)) % len(world.places)
    plan = planning.think(model, state, jnp.asarray(starts, jnp.int32), jnp.asarray(goals, jnp.int32))
    steps, above = (jax.device_get(layer) for layer in plan.layers)
    per_goal = np.stack(
        [np.bincount(row[ok], minlength=_MAX_NODES) for row, ok in zip(steps.parents, steps.valid, strict=True)]
    )
    return _Plans(
        complete=np.asarray(plan.complete),
        steps=steps.valid.sum(1),
        sub_goals=above.valid.sum(1),
        longest=per_goal.max(1),
        shortest=world.graph.distances[starts, goals],
    )


def _model(settings: CrossroadsSettings) -> Model:
    space = Discrete(settings.num_states)
    cortex = Cortex(kernel=TableConfig().build(space, space), score_rule=Linear(64))
    layer = Layer(cortex=cortex, max_sub_steps=_LONGEST_WAY, max_nodes=_MAX_NODES)
    return Model(layers=(layer,) * _LAYERS, space=space, group_layers=False)


@partial(jax.jit, static_argnames=("model", "how", "num_updates"))
def _learn(model: Model, how: LearningConfig, learner: Learner, experience: Experience, *, num_updates: int) -> Learner:
    """Learns by hindsight alone."""
    update = learning.build_update(model, how)
    return jax.lax.fori_loop(
        0, num_updates, lambda number, learner: update(learner, TrainingData(experience), number)[0], learner
    )


def _thinking(plans: dict[str, list[_Plans]]) -> dict[str, Any]:
    """Returns what the plans of each abstraction cost; steps are over the pairs that all of them plan completely."""
    skips = [name for name in plans if name.startswith("skip_")]
    best = max(skips, key=lambda name: np.mean([plan.share for plan in plans[name]]))
    chosen = {"entropy": plans["entropy"], "neural_entropy": plans["neural_entropy"], "skip": plans[best]}
    common = [
        np.logical_and.reduce([seeds[number].complete for seeds in chosen.values()])
        for number in range(len(plans[best]))
    ]

    def mean(seeds: list[_Plans], name: str) -> dict[str, Any] | None:
        values = [getattr(plan, name)[among].mean() for plan, among in zip(seeds, common, strict=True) if among.any()]
        return Shares.of(values).to_json() if values else None

    return {
        "skip_stride": int(best.removeprefix("skip_")),
        **{
            name: {
                "complete": Shares.of([plan.complete.mean() for plan in seeds]).to_json(),
                "optimum": Shares.of([plan.share for plan in seeds]).to_json(),
                "layer_0_steps": mean(seeds, "steps"),
                "layer_0_steps_for_one_sub_goal_at_most": mean(seeds, "longest"),
                "sub_goals": mean(seeds, "sub_goals"),
            }
            for name, seeds in chosen.items()
        },
        "strides": {
            name.removeprefix("skip_"): {
                "optimum": Shares.of([plan.share for plan in plans[name]]).to_json(),
                "layer_0_steps_for_one_sub_goal_at_most": mean(plans[name], "longest"),
            }
            for name in skips
        },
    }
