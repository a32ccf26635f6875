"""What is learned in a maze: actions between positions, places, steps between places with their costs, and ways.

trajectories --> inverse model (layer 0): which action leads from a position to the next
     |              |
     |              +--> surprise of each step: jumps, and steps that can't be taken back
     |              |
     +--> places by k-means
                    |
                    +--> steps between places: cost, and where they may lead
                            |
                            v
                    places (layer 1): swept until the best expected ways are known
                            |
                            v
                    crossroads (layer 2): learned from ways that layer 1 imagines
"""

import dataclasses
import math
import pathlib
import time
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from humain import acting, learning, saving
from humain.abstraction import clustering, nearest_centroid
from humain.abstraction.entropy import Entropy
from humain.abstraction.nearest_centroid import NearestCentroid
from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.files import archive, records
from humain.kernels.inverse_model import InverseModel, InverseModelConfig
from humain.kernels.table import TableConfig
from humain.layer import Layer
from humain.learning import LearningConfig, ReplayConfig
from humain.model import Model, ModelState
from humain.replay.jumps import find_jumps
from humain.replay.steps import Steps, find_steps, free_speed
from humain.spaces import Continuous, Discrete
from humain.training import loop
from humain.types import Array, Trajectories
from tasks.harness.context import TaskContext
from tasks.mazes.evaluation import Decision

PLACES = ("kmeans", "grid", "random")
"""How places are found."""
UNDO = ("learned", "all", "none")
"""Which steps are taken to lead back as well."""

PERCEIVED_BY = ("action_steps", "action_batch_size", "chunk_steps", "undo_surprise")
"""The settings that decide what `perceive` finds."""
PLACED_BY = (*PERCEIVED_BY, "places", "place_radius", "place_states", "place_iterations")
"""The settings that decide what `place` finds."""

_POSITIONS = Continuous(2)
# Not equal to the space of positions: a layer that answers states is no layer of actions.
_ACTIONS = Continuous(2, tolerance=1e-4)


@dataclasses.dataclass(frozen=True)
class Perceived:
    """What single steps tell.

    Attributes:
        bottom: the bottom layer as a model of its own, which answers actions.
        bottom_state: what it has learned.
        lengths: `[W]`.
        jumps: `[W, T - 1]` bool.
        regular: `[W, T - 1]` bool, the steps that obeyed the bottom layer's rule.
        speed: length of a step that nothing held back.
        seconds: that it took.
    """

    bottom: Model
    bottom_state: ModelState
    lengths: np.ndarray
    jumps: np.ndarray
    regular: np.ndarray
    speed: float
    seconds: float


@dataclasses.dataclass(frozen=True)
class Placed:
    """Where the trajectories were.

    Attributes:
        abstraction: the places.
        ids: `[W, T]` int32, the place of each state.
        seconds: that it took.
    """

    abstraction: NearestCentroid
    ids: np.ndarray
    seconds: float


@dataclasses.dataclass(frozen=True)
class Trained:
    """A model that has learned a maze.

    Attributes:
        model: actions, places and, if there are three layers, crossroads.
        state: what it has learned.
        steps: between places; costs are in moves.
        move_steps: time steps of a move.
        figures: what is told of the learning.
    """

    model: Model
    state: ModelState
    steps: Steps
    move_steps: float
    figures: dict[str, Any]

    @property
    def centers(self) -> np.ndarray:
        """`[K, 2]`, of the places."""
        return np.asarray(_places(self.state).centroids)


class Learning:
    """Learns one data set, by the task's settings or by others for an ablation, without doing anything twice."""

    def __init__(self, task: TaskContext, name: str, trajectories: Trajectories):
        """Takes what there is to learn from.

        Args:
            task: the run.
            name: of the data set, unique within it.
            trajectories: NumPy arrays or JAX's.
        """
        self._task, self._name, self._trajectories = task, name, trajectories
        self._perceived: dict[tuple[Any, ...], Perceived] = {}
        self._placed: dict[tuple[Any, ...], Placed] = {}

    def learn(self, config: ml_collections.FrozenConfigDict, variant: str = "") -> Trained:
        """Learns, or goes on where an earlier process stopped.

        Args:
            config: the group `model` of the task's config, or an ablation's.
            variant: the ablation's name.
        """
        name = f"{self._name}_{variant}" if variant else self._name
        perceived_by = _chosen(config, PERCEIVED_BY)
        if perceived_by not in self._perceived:
            # Checkpoints have names: what the whole model perceives is the whole model's, whoever asks first.
            own = perceived_by != _chosen(self._task.config.model, PERCEIVED_BY)
            found = perceive(self._task, name if own else self._name, self._trajectories, config)
            self._perceived[perceived_by] = found
        perceived = self._perceived[perceived_by]
        placed_by = _chosen(config, PLACED_BY)
        if placed_by not in self._placed:
            key = jax.random.fold_in(jax.random.key(self._task.seed), _PLACES_KEY)
            self._placed[placed_by] = place(self._trajectories, config, speed=perceived.speed, key=key)
        placed = self._placed[placed_by]
        self._task.interruption.check()
        started = time.perf_counter()
        steps, move_steps = _steps(perceived, placed, config)
        trained = learn_ways(self._task, name, perceived, placed, steps, move_steps, config)
        seconds = time.perf_counter() - started
        figures = {
            "places": placed.abstraction.num_places,
            "edges": int(np.isfinite(np.asarray(steps.costs)).sum()),
            "jumps": int(perceived.jumps.sum()),
            "regular_share": float(perceived.regular.sum() / (perceived.lengths - 1).sum()),
            "learn_seconds": perceived.seconds + placed.seconds + seconds,
            "actions_seconds": perceived.seconds,
            "places_seconds": placed.seconds,
            "ways_seconds": seconds,
        }
        return dataclasses.replace(trained, figures=figures | trained.figures)


def _chosen(config: ml_collections.FrozenConfigDict, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(config[name] for name in names)


def perceive(
    task: TaskContext, name: str, trajectories: Trajectories, config: ml_collections.FrozenConfigDict
) -> Perceived:
    """Learns actions, and by their surprise what is a jump and what obeys the rule."""
    started = time.perf_counter()
    bottom, bottom_state = _learn_actions(task, name, trajectories, config)
    task.interruption.check()
    states, lengths = np.asarray(trajectories.states), np.asarray(trajectories.lengths)
    there = np.arange(states.shape[1] - 1) < lengths[:, None] - 1
    surprise, moves = _surprise(bottom, bottom_state, trajectories)
    jumps = find_jumps(np.where(there, surprise, np.nan), np.where(there, moves, np.nan))
    regular = there & ~jumps & (surprise <= config.undo_surprise)
    speed = free_speed(states, lengths, regular)
    return Perceived(bottom, bottom_state, lengths, jumps, regular, speed, time.perf_counter() - started)


def place(trajectories: Trajectories, config: ml_collections.FrozenConfigDict, *, speed: float, key: Array) -> Placed:
    """Finds places, and where the trajectories were."""
    started = time.perf_counter()
    states, lengths = np.asarray(trajectories.states), np.asarray(trajectories.lengths)
    kept = np.arange(states.shape[1]) < lengths[:, None]
    rows = jnp.asarray(states[kept], jnp.float32)
    drawn, (draw_key, find_key) = rows, jax.random.split(key)
    if len(rows) > config.place_states:
        drawn = rows[jax.random.choice(draw_key, len(rows), (config.place_states,), replace=False)]
    abstraction = find_places(drawn, config, radius=config.place_radius * speed, key=find_key)
    ids = np.zeros(kept.shape, np.int32)
    ids[kept] = np.asarray(_assign(abstraction, rows))
    return Placed(abstraction, ids, time.perf_counter() - started)


def _steps(perceived: Perceived, placed: Placed, config: ml_collections.FrozenConfigDict) -> tuple[Steps, float]:
    """The steps between places, with costs in moves; and the time steps of a move."""
    all_steps = np.arange(placed.ids.shape[1] - 1) < perceived.lengths[:, None] - 1
    # Whatever obeyed the bottom layer's rule, which knows no direction, is taken back by going the other way.
    undoable = {"learned": perceived.regular, "all": all_steps & ~perceived.jumps, "none": None}[config.undo]
    steps = find_steps(
        placed.ids,
        perceived.lengths,
        placed.abstraction.num_places,
        jumps=perceived.jumps,
        undoable=undoable,
        centers=np.asarray(placed.abstraction.centroids),
        speed=perceived.speed,
        least_seen=config.least_seen,
    )
    costs = np.asarray(steps.costs)
    costs = costs[np.isfinite(costs)]
    # Hindsight counts each move as 1. Beside sweeping, no move must seem shorter than it is: then the best that is
    # stored is what the costs say. Alone, it is the mean that makes ways comparable.
    move_steps = float(costs.max() if config.sweep else costs.mean())
    return dataclasses.replace(steps, costs=steps.costs / move_steps), move_steps


def find_places(rows: Array, config: ml_collections.FrozenConfigDict, *, radius: float, key: Array) -> NearestCentroid:
    """The places of states `[N, 2]`: as many as a square grid needs whose cells have this radius, however they lie.

    The radius of a cell is the root mean square of the distance to its centre.
    """
    grid = nearest_centroid.grid_places(rows, radius=radius)
    if config.places == "grid":
        return grid
    if config.places == "random":
        return nearest_centroid.random_places(rows, num_places=grid.num_places, key=key)
    fitted = clustering.fit(rows, grid.num_places, key, max_iterations=config.place_iterations, tolerance=1e-3)
    return NearestCentroid(fitted.centroids)


def learn_ways(
    task: TaskContext,
    name: str,
    perceived: Perceived,
    placed: Placed,
    steps: Steps,
    move_steps: float,
    config: ml_collections.FrozenConfigDict,
) -> Trained:
    """The layers over places, and the whole stack."""
    num_places = placed.abstraction.num_places
    horizon = max(2, round(config.horizon / move_steps))
    layers = _layers_of_places(config, num_places=num_places, horizon=horizon)
    paths = place_paths(placed.ids, perceived.jumps, perceived.lengths, longest=config.piece_places)
    figures: dict[str, Any] = {}
    key = jax.random.fold_in(jax.random.key(task.seed), _WAYS_KEY)

    # Places, by single moves and by sweeping the steps; or, as an ablation, by hindsight of whole ways alone.
    places = Model(layers[:1], Discrete(num_places))
    replay = ReplayConfig(sweep_goals=config.sweep_goals, sweep_layer=0) if config.sweep else None
    how = LearningConfig(batch_size=config.batch_size, replay=replay)
    learner = learning.begin(places, how, (Skip(1),), key)
    data = learning.gather(places, how, learner.state, paths, steps=steps if config.sweep else None)
    learned = _train(task, f"{name}_places", places, how, learner, data, num_steps=config.num_steps, config=config)
    kernels = [places.kernel_state(learned.state, 0)]
    if config.sweep:
        figures["sweep_waiting"] = int(sum(jnp.sum(goals) for goals in learned.waiting))

    # Crossroads, by ways that the layer of places imagines.
    abstractions: tuple[Any, ...] = (Skip(1),)
    if len(layers) == 2:
        kept = np.arange(placed.ids.shape[1]) < perceived.lengths[:, None]
        visits = np.bincount(placed.ids[kept], minlength=num_places)
        # Pivots of the layer of places: where paths pass most often.
        abstractions = (Entropy(jnp.asarray(visits, jnp.int32)), Skip(1))
        above = Model(layers, Discrete(num_places), group_layers=False)
        replay = ReplayConfig(imagine_batch_size=config.imagine_batch_size, imagine_max_steps=config.max_nodes)
        how = LearningConfig(batch_size=1, replay=replay)
        key = jax.random.fold_in(jax.random.key(task.seed), _CROSSROADS_KEY)
        learner = learning.begin(above, how, abstractions, key)
        state = dataclasses.replace(learner.state, kernels=(kernels[0], learner.state.kernels[1]))
        learner = dataclasses.replace(learner, state=state)
        data = learning.gather(above, how, state, paths)
        learned = _train(
            task, f"{name}_crossroads", above, how, learner, data, num_steps=config.imagine_steps, config=config
        )
        kernels.append(above.kernel_state(learned.state, 1))

    model = Model((*perceived.bottom.layers, *layers), _POSITIONS, group_layers=False)
    bottom = perceived.bottom.kernel_state(perceived.bottom_state, 0)
    # Begun and not put together by hand, so that it is checked that each layer's states are what the one above takes.
    key = jax.random.fold_in(jax.random.key(task.seed), _STACK_KEY)
    begun = model.init(key, (placed.abstraction, *abstractions))
    begun = dataclasses.replace(begun, kernels=(bottom, *begun.kernels[1:]))
    state = model.with_above(begun, 1, ModelState(tuple(kernels), abstractions))
    return Trained(model, state, steps, move_steps, figures)


def place_paths(ids: np.ndarray, jumps: np.ndarray, lengths: np.ndarray, *, longest: int = 64) -> Trajectories:
    """Trajectories of places without the times in which they stayed, cut at jumps; nobody learns a jump as a choice.

    Args:
        ids: `[W, T]`.
        jumps: `[W, T - 1]` bool.
        lengths: `[W]`.
        longest: long ones are cut into pieces of so many places, which share their ends.

    Returns:
        Trajectories of ids `[P, longest]`, each with a move.
    """
    pieces: list[np.ndarray] = []
    for path, jumped, length in zip(ids, jumps, lengths, strict=True):
        cuts = np.flatnonzero(jumped[: length - 1]) + 1
        for part in np.split(path[:length], cuts):
            moved = part[np.flatnonzero(np.diff(part, prepend=-1))]
            pieces.extend(moved[at : at + longest] for at in range(0, len(moved) - 1, longest - 1))
    table = np.zeros((len(pieces), longest), np.int32)
    counts = np.array([len(piece) for piece in pieces], np.int32)
    for row, piece in enumerate(pieces):
        table[row, : len(piece)] = piece
    return Trajectories.from_arrays(table, lengths=counts)


class Stack:
    """The model as a policy: `react` for all agents at once."""

    def __init__(self, model: Model, state: ModelState, num_layers: int | None = None):
        """Acts by the whole stack, or by its lowest layers alone."""
        self._model, self._state = model, state
        if num_layers is not None and num_layers < len(model.layers):
            self._model = dataclasses.replace(model, layers=model.layers[:num_layers])
            self._state = ModelState(state.kernels[:num_layers], state.abstractions[:num_layers])

    def begin(self, num_agents: int) -> acting.Episode:
        """Episodes before their first state."""
        return acting.begin(self._model, num_agents)

    def act(
        self, memory: acting.Episode, observations: np.ndarray, goals: np.ndarray
    ) -> tuple[acting.Episode, Decision]:
        """What the stack answers, with what each layer was asked for."""
        memory, reaction = acting.react(self._model, self._state, memory, observations, goals)
        asked = [np.asarray(reaction.goals[0])]
        for number in range(1, len(self._model.layers)):
            centers = _places(self._state).centroids
            asked.append(np.asarray(centers)[np.asarray(reaction.goals[number])])
        return memory, Decision(np.asarray(reaction.action), np.stack(asked, axis=1))


def save(folder: pathlib.Path, trained: Trained) -> None:
    """Writes a trained model, as `humain.load` reads it, and its steps, the steps last."""
    saving.save(folder / "model.humain", trained.model, trained.state)
    arrays = {field.name: np.asarray(getattr(trained.steps, field.name)) for field in dataclasses.fields(Steps)}
    header = {"move_steps": trained.move_steps, "figures": records.to_json(trained.figures)}
    archive.write(folder / "steps.humain", header, arrays)


def load(folder: pathlib.Path) -> Trained:
    """Reads what `save` wrote.

    Raises:
        UserError: if it is not there, or damaged.
    """
    model, state = saving.load(folder / "model.humain")
    header, arrays = archive.read(folder / "steps.humain")
    move_steps, figures = header["move_steps"], header["figures"]
    assert isinstance(move_steps, float) and isinstance(figures, dict)
    steps = Steps(**{name: jnp.asarray(array) for name, array in arrays.items()})
    return Trained(model, state, steps, move_steps, figures)


def distances(trained: Trained, goal: int) -> np.ndarray:
    """The time steps from each place to a goal place `[K]`, by what the layer of places has learned; inf if unknown."""
    layer = trained.model.layers[1]
    places = jnp.arange(len(trained.centers), dtype=jnp.int32)
    goals = jnp.full_like(places, goal)
    context = layer.context(layer.begin(len(places)), places, goals)
    answer = layer.cortex.answer(trained.model.kernel_state(trained.state, 1), context, goals)
    rule = layer.cortex.score_rule
    assert isinstance(rule, Linear)
    found = np.where(answer.known, (1 - np.asarray(answer.score)) * rule.longest * trained.move_steps, np.inf)
    found[goal] = 0
    return found


def inverse(trained: Trained) -> Any:
    """The bottom layer as a function of states `[B, 2]` and next states `[B, 2]` to actions, for rivals."""
    layer = trained.model.layers[0]
    kernel = trained.model.kernel_state(trained.state, 0)

    @jax.jit
    def ask(states: Array, goals: Array) -> Array:
        context = layer.context(layer.begin(states.shape[0]), states, goals)
        return layer.cortex.answer(kernel, context, goals).value

    def answer(states: np.ndarray, goals: np.ndarray) -> np.ndarray:
        return np.asarray(ask(jnp.asarray(states, jnp.float32), jnp.asarray(goals, jnp.float32)))

    return answer


_ACTIONS_KEY, _PLACES_KEY, _WAYS_KEY, _CROSSROADS_KEY, _STACK_KEY = range(5)
"""What each key derived from the seed is for."""


def _learn_actions(
    task: TaskContext, name: str, trajectories: Trajectories, config: ml_collections.FrozenConfigDict
) -> tuple[Model, ModelState]:
    """The bottom layer, from single steps."""
    model = Model((_action_layer(config),), _POSITIONS)
    how = LearningConfig(batch_size=config.action_batch_size)
    key = jax.random.fold_in(jax.random.key(task.seed), _ACTIONS_KEY)
    learner = learning.begin(model, how, (Skip(1),), key)
    data = learning.gather(model, how, learner.state, trajectories)
    learned = _train(task, f"{name}_actions", model, how, learner, data, num_steps=config.action_steps, config=config)
    return model, learned.state


def _train(
    task: TaskContext,
    name: str,
    model: Model,
    how: LearningConfig,
    learner: learning.Learner,
    data: learning.TrainingData,
    *,
    num_steps: int,
    config: ml_collections.FrozenConfigDict,
) -> learning.Learner:
    chunk_steps = math.gcd(num_steps, config.chunk_steps)
    result = task.train(
        name,
        learner,
        chunk=loop.make_chunk(learning.build_update(model, how), chunk_steps),
        data=data,
        num_steps=num_steps,
        chunk_steps=chunk_steps,
    )
    assert isinstance(result.state, learning.Learner)
    return result.state


def _action_layer(config: ml_collections.FrozenConfigDict) -> Layer:
    kernel = InverseModelConfig().build(_POSITIONS, _ACTIONS)
    return Layer(Cortex(kernel, Linear(2), max_steps=1))


def _layers_of_places(config: ml_collections.FrozenConfigDict, *, num_places: int, horizon: int) -> tuple[Layer, ...]:
    """The layers above the bottom one; they are alike."""
    space = Discrete(num_places)
    layer = Layer(
        Cortex(TableConfig(num_slots=1).build(space, space), Linear(horizon), lookahead=config.lookahead),
        max_sub_steps=config.max_nodes,
        max_nodes=config.max_nodes,
    )
    return (layer,) * (config.num_layers - 1)


@partial(jax.jit, static_argnames=("model",))
def _residuals(model: Model, state: ModelState, states: Array, following: Array, actions: Array) -> Array:
    kernel = model.layers[0].cortex.kernel
    assert isinstance(kernel, InverseModel)
    return kernel.residual(model.kernel_state(state, 0), states, following, actions)


def _surprise(model: Model, state: ModelState, trajectories: Trajectories) -> tuple[np.ndarray, np.ndarray]:
    """Of each step `[W, T - 1]` how far its action is from what the step tells, and from what no step would tell.

    The second one is how far the action was meant to go, in the same unit.
    """
    states = jnp.asarray(trajectories.states, jnp.float32)
    actions = jnp.asarray(trajectories.actions, jnp.float32)[:, : states.shape[1] - 1]
    here, there = states[:, :-1], states[:, 1:]
    surprise = np.asarray(_residuals(model, state, here, there, actions))
    return surprise, np.asarray(_residuals(model, state, here, here, actions))


@jax.jit
def _assign(abstraction: NearestCentroid, rows: Array) -> Array:
    return abstraction.lift(rows)


def assign(trained: Trained) -> Any:
    """The places `[B]` of states `[B, 2]`."""
    abstraction = _places(trained.state)
    return lambda rows: np.asarray(_assign(abstraction, jnp.asarray(rows, jnp.float32)))


def _places(state: ModelState) -> NearestCentroid:
    abstraction = state.abstractions[0]
    assert isinstance(abstraction, NearestCentroid)
    return abstraction
