"""Learning: one update of all layers, from hindsight and, where it is asked for, from replay.

`begin`, `gather` and `build_update` give what `humain.training.loop` trains: a state, its data and an update.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
from flax import struct

from humain import answering
from humain.abstraction.abstraction import Abstraction, PathAbstraction, is_gated
from humain.cortex import balance
from humain.cortex.hindsight import Experience
from humain.hippocampus.location import Located
from humain.kernels.table import Table
from humain.model import Model, ModelState
from humain.replay import composition, expected, lowest_first, sweeping
from humain.replay.expected import Regions
from humain.replay.steps import Steps
from humain.spaces import Discrete, Space
from humain.stopping import Stopping
from humain.training.loop import Update
from humain.types import Array, Examples, Trajectories

_MAX_QUEUE = 2**22


@dataclasses.dataclass(frozen=True)
class ReplayConfig:
    """What is learned from plans that the model composes itself; each kind is off where its batch size is 0.

    Attributes:
        sweep_batch_size: pairs that are swept in an update, see `replay.sweeping`; for tables of ids.
        compose_batch_size: examples that are composed in an update, see `replay.composition`.
        pivot_share: of these, the share composed by way of a pivot, in `[0, 1]`.
        imagine_batch_size: ways that are imagined in an update.
        imagine_max_steps: of an imagined way.
        sweep_goals: goals that are swept in an update by steps with costs, see `replay.expected`; for tables of ids.
            A layer that is swept so learns from them alone, and nothing from hindsight.
        sweep_layer: the layer that such steps belong to. At 0, where all layers are over ids, those above it are swept
            as well where the abstractions between them have gates. Above 0, as where the bottom layer is over vectors
            and lifts to places, that layer alone is swept, and no abstraction below the top layer may have gates.
        sweep_rounds: bound on the rounds over all choices in an update.
    """

    sweep_batch_size: int = 0
    compose_batch_size: int = 0
    pivot_share: float = 0.5
    imagine_batch_size: int = 0
    imagine_max_steps: int = 16
    sweep_goals: int = 0
    sweep_layer: int = 0
    sweep_rounds: int = 1024

    def __post_init__(self) -> None:
        for name in ("sweep_batch_size", "compose_batch_size", "imagine_batch_size", "sweep_goals", "sweep_layer"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, not {getattr(self, name)}")
        for name in ("imagine_max_steps", "sweep_rounds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.sweep_batch_size and self.sweep_goals:
            raise ValueError(
                f"sweep_batch_size ({self.sweep_batch_size}) sweeps steps that all cost the same, and sweep_goals "
                f"({self.sweep_goals}) steps with costs of their own; set one of them to 0"
            )
        if not 0 <= self.pivot_share <= 1:
            raise ValueError(f"pivot_share must lie between 0 and 1, not {self.pivot_share}")

    @property
    def is_on(self) -> bool:
        """Whether anything is learned from replay."""
        return any((self.sweep_batch_size, self.compose_batch_size, self.imagine_batch_size, self.sweep_goals))


@dataclasses.dataclass(frozen=True)
class LearningConfig:
    """How a model learns; numbers only, so that it fits into JSON.

    Attributes:
        batch_size: examples of each layer in an update.
        candidates: so many times as many are drawn, of which those learned least often are learned, see
            `cortex.balance`; 1 takes examples as they come. More than 1 needs a space of ids, and no gates.
        remembered: to the candidates come so many of the best examples met so far, those of the questions that were
            learned least often; 0 for none. More than 0 needs candidates.
        replay: what is learned beside hindsight, or None.
        hindsight: whether examples from hindsight are learned at all; False to learn from replay alone.
    """

    batch_size: int = 64
    candidates: int = 1
    remembered: int = 0
    replay: ReplayConfig | None = None
    hindsight: bool = True

    def __post_init__(self) -> None:
        for name in ("batch_size", "candidates"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.remembered < 0:
            raise ValueError(f"remembered must be 0 or more, not {self.remembered}")
        if self.remembered and self.candidates == 1:
            raise ValueError(
                f"remembered is {self.remembered}, and candidates is 1, with which nothing is remembered; raise "
                "candidates or set remembered to 0"
            )
        if not self.hindsight and self.candidates > 1:
            raise ValueError(
                f"candidates ({self.candidates}) are drawn from hindsight, which is off; set candidates to 1"
            )
        if not self.hindsight and (self.replay is None or not self.replay.is_on):
            raise ValueError("with hindsight off and no replay nothing would be learned; turn one of them on")

    @property
    def sweeps(self) -> bool:
        """Whether anything is swept."""
        return self.replay is not None and self.replay.sweep_batch_size > 0

    @property
    def sweeps_steps(self) -> bool:
        """Whether anything is swept by steps with costs."""
        return self.replay is not None and self.replay.sweep_goals > 0


@struct.dataclass
class Learner:
    """What training carries.

    Attributes:
        state: what the model has learned.
        key: root of all randomness.
        queue: pairs that wait to be swept at the bottom, or None.
        upper_queues: those of the layers above it, where a gated abstraction bounds what each of them learns.
        tallies: for each layer, what it has learned from; empty where examples are taken as they come.
        waiting: for each layer that is swept by steps with costs, the lowest one first, which goals wait, `[N]` bool.
    """

    state: ModelState
    key: jax.Array
    queue: sweeping.Queue | None = None
    upper_queues: tuple[sweeping.Queue, ...] = ()
    tallies: tuple[balance.Tally, ...] = ()
    waiting: tuple[Array, ...] = ()


@struct.dataclass
class TrainingData:
    """What training reads.

    Attributes:
        experience: the trajectories.
        before: the steps by where they lead, or None where nothing is swept.
        steps: with their costs, or None where nothing is swept by them.
        regions: for each layer that is swept by them, the lowest one first, what it has to learn.
    """

    experience: Experience
    before: sweeping.Predecessors | None = None
    steps: Steps | None = None
    regions: tuple[Regions, ...] = ()


def begin(model: Model, config: LearningConfig, abstractions: tuple[Abstraction, ...], key: jax.Array) -> Learner:
    """The state before the first update; `key` is consumed.

    Args:
        model: the stack.
        config: how it is to learn.
        abstractions: one for each layer, bottom first. They are handed over here and nowhere else.
        key: consumed.

    Raises:
        ValueError: if the model can't learn like that.
    """
    check(model, config, abstractions)
    init_key, root_key = jax.random.split(key)
    queue = None
    upper_queues: tuple[sweeping.Queue, ...] = ()
    if config.sweeps:
        space = _ids(model.space)
        # A pair can wait several times over; what is met at the start improves all at once.
        capacity = min(_MAX_QUEUE, max(2**15, 2 * space.num_elements**2))
        queue = sweeping.begin(space, capacity)
        if is_gated(abstractions):
            upper_queues = tuple(sweeping.begin(space, capacity) for _ in model.layers[1:])
    tallies: tuple[balance.Tally, ...] = ()
    if config.candidates > 1:
        tallies = tuple(balance.begin(_ids(layer.space), remembers=config.remembered > 0) for layer in model.layers)
    return Learner(
        state=model.init(init_key, abstractions),
        key=root_key,
        queue=queue,
        upper_queues=upper_queues,
        tallies=tallies,
        waiting=tuple(expected.begin(model, abstractions, number) for number in _step_layers(config, abstractions)),
    )


def gather(
    model: Model,
    config: LearningConfig,
    state: ModelState,
    trajectories: Trajectories,
    *,
    steps: Steps | None = None,
) -> TrainingData:
    """Trajectories, prepared for all that the config asks for. Not for jit.

    Args:
        model: the stack.
        config: how it is to learn.
        state: whose abstractions say what each layer sees of them.
        trajectories: to learn from.
        steps: with costs, of the places of the layer that they belong to; needed where the config sweeps them, as from
            `replay.steps.find_steps`.

    Raises:
        ValueError: see `Model.gather`; and if the model can't learn like that, or has no steps for it.
    """
    check(model, config, state.abstractions)
    if (steps is not None) != config.sweeps_steps:
        raise ValueError(
            "steps and sweep_goals go together: "
            + (
                "set sweep_goals above 0, or leave steps out"
                if steps is not None
                else "hand steps over, or set it to 0"
            )
        )
    experience = model.gather(state, trajectories)
    before = sweeping.predecessors(experience, _ids(model.space)) if config.sweeps else None
    regions = []
    if steps is not None:
        for number in _step_layers(config, state.abstractions):
            num_places = expected.num_places(model, number)
            if steps.num_places != num_places:
                raise ValueError(f"there are steps of {steps.num_places} places, and layer {number} has {num_places}")
            regions.append(expected.find_regions(state.abstractions, number, num_places))
    return TrainingData(experience, before, steps, tuple(regions))


def build_update(model: Model, config: LearningConfig, *, ask: Callable[[Array], Array] | None = None) -> Update:
    """One update of all layers: from hindsight, unless it is off, and from what the config asks of replay.

    Args:
        model: the stack.
        config: how it learns.
        ask: what a state `[B, *S]` that was reached is asked for by, where that is less than the whole of it.

    Returns:
        `update(learner, training_data, step) -> (learner, metrics)`, to be jitted with all else of a chunk.

    Raises:
        ValueError: if the model can't learn like that.
    """
    check(model, config)
    replay = config.replay
    kernel = model.layers[0].cortex.kernel
    # Differences that a table can't store would look like improvements again and again.
    resolution = 1 / (kernel.num_levels - 1) if isinstance(kernel, Table) else 0.0

    def draw(
        learner: Learner, training_data: TrainingData, key: jax.Array
    ) -> tuple[dict[int, Examples], tuple[balance.Tally, ...]]:
        experience = training_data.experience
        draws = model.draw(experience, key, config.batch_size * config.candidates)
        known: dict[int, Array] = {}
        if config.remembered:
            for number, tally in enumerate(learner.tallies):
                again, known[number] = balance.least_learned(tally, config.remembered)
                draws[number] = jax.tree.map(lambda *parts: jnp.concatenate(parts), again, draws[number])
        examples = {number: model.examples_at(experience, number, places) for number, places in draws.items()}
        for number, drawn in known.items():
            # What was never drawn has no place yet.
            mask = examples[number].mask.at[: drawn.shape[0]].min(drawn)
            examples[number] = dataclasses.replace(examples[number], mask=mask)
        if ask is not None:
            examples = {at: dataclasses.replace(batch, goals=ask(batch.goals)) for at, batch in examples.items()}
        tallies = []
        for number, tally in enumerate(learner.tallies):
            examples[number], tally = balance.choose(
                tally, _ids(model.layers[number].space), examples[number], config.batch_size, draws[number]
            )
            tallies.append(tally)
        examples = {at: sweeping.within_reach(learner.state, at, batch) for at, batch in examples.items()}
        return examples, tuple(tallies)

    def update(
        learner: Learner, training_data: TrainingData, step: jax.Array
    ) -> tuple[Learner, Mapping[str, jax.Array]]:
        key = jax.random.fold_in(learner.key, step)
        if replay is None:
            examples, tallies = draw(learner, training_data, key)
            state, metrics = model.learn(learner.state, examples)
            return dataclasses.replace(learner, state=state, tallies=tallies), metrics
        observe_key, compose_key, imagine_key = jax.random.split(key, 3)
        # Hindsight. The queue is told before the table learns: what gets better unseen is never passed on.
        examples, tallies = draw(learner, training_data, observe_key) if config.hindsight else ({}, learner.tallies)
        state, queues = learner.state, () if learner.queue is None else (learner.queue, *learner.upper_queues)
        # Steps say all that the trajectories know of such a layer. Hindsight would add luck: times from the middle of a
        # place to the edge of another, which no other way can count on.
        swept = range(replay.sweep_layer, replay.sweep_layer + len(learner.waiting))
        for at in examples.keys() & swept:
            examples[at] = dataclasses.replace(examples[at], mask=jnp.zeros_like(examples[at].mask))
        waiting = learner.waiting
        if examples:
            queues = tuple(
                sweeping.enqueue_improvements(model, state, queue, examples[at], resolution=resolution, number=at)[1]
                for at, queue in enumerate(queues)
            )
        state, metrics = model.learn(state, examples)
        # Replay, each kind from what the one before has just learned.
        if queues and training_data.before is not None:
            state, queues, values = lowest_first.sweep_pairs(
                model,
                state,
                experience=training_data.experience,
                before=training_data.before,
                queues=queues,
                batch_size=replay.sweep_batch_size,
                resolution=resolution,
            )
            metrics |= {f"sweep/{name}": value for name, value in values.items()}
            first, *others = queues
            metrics |= {"sweep/waiting": sum((queue.size for queue in others), first.size)}
            metrics |= {"sweep/dropped": sum((queue.dropped for queue in others), first.dropped)}
        if waiting and training_data.steps is not None:
            state, waiting, values = lowest_first.sweep_steps(
                model,
                state,
                lowest=replay.sweep_layer,
                steps=training_data.steps,
                regions=training_data.regions,
                waiting=waiting,
                batch_size=replay.sweep_goals,
                max_rounds=replay.sweep_rounds,
            )
            metrics |= {f"sweep/{name}": value for name, value in values.items()}
            metrics |= {"sweep/waiting": sum((jnp.sum(goals) for goals in waiting), jnp.int32(0))}
        if replay.compose_batch_size:
            composed = composition.compose(
                model,
                state,
                experience=training_data.experience,
                key=compose_key,
                batch_size=replay.compose_batch_size,
                pivot_share=replay.pivot_share,
            )
            state, values = model.learn(state, {0: composed})
            metrics |= {f"compose/{name}": value for name, value in values.items()}
        if replay.imagine_batch_size:
            imagined = composition.imagine(
                model,
                state,
                experience=training_data.experience,
                key=imagine_key,
                batch_size=replay.imagine_batch_size,
                max_steps=replay.imagine_max_steps,
            )
            state, values = model.learn(state, imagined)
            metrics |= {f"imagine/{name}": value for name, value in values.items()}
        bottom, upper = (queues[0], queues[1:]) if queues else (None, ())
        learner = dataclasses.replace(
            learner, state=state, queue=bottom, upper_queues=upper, tallies=tallies, waiting=waiting
        )
        return learner, metrics

    return update


def _step_layers(config: LearningConfig, abstractions: Sequence[Abstraction]) -> tuple[int, ...]:
    """The numbers of the layers that are swept by steps with costs, the lowest one first."""
    if config.replay is None or not config.sweeps_steps:
        return ()
    return expected.swept_layers(abstractions, config.replay.sweep_layer)


def _ids(space: Space) -> Discrete:
    """A layer's space as one of ids, with places or without.

    Raises:
        ValueError: if it is not one of ids.
    """
    ids = space.space if isinstance(space, Located) else space
    if not isinstance(ids, Discrete):
        raise ValueError(f"sweeping and balance count ids, and {ids} is not a space of ids; use neither")
    return ids


def check(model: Model, config: LearningConfig, abstractions: Sequence[Abstraction] = ()) -> None:
    """Refuses what would learn nothing, or something wrong.

    Args:
        model: the stack.
        config: how it is to learn.
        abstractions: one for each layer, bottom first; empty where they are not known yet.

    Raises:
        ValueError: naming what does not go together, and the remedy.
    """
    if config.candidates > 1:
        for layer in model.layers:
            _ids(layer.space)
    if config.replay is not None:
        _check_replay(model, config.replay, abstractions)
    if is_gated(abstractions):
        if config.replay is not None and config.sweeps_steps and config.replay.sweep_layer:
            raise ValueError(
                f"sweep_layer is {config.replay.sweep_layer}, and an abstraction below the top layer has gates; by way "
                "of gates steps are swept from layer 0 up: set it to 0, or let `Model.above` learn from that layer up"
            )
        _check_gated(model, config, abstractions)
    if config.replay is not None and config.sweeps_steps:
        for number in expected.swept_layers(abstractions, config.replay.sweep_layer):
            expected.check(model, number)
    if config.sweeps:
        _ids(model.space)
        if not isinstance(model.layers[0].cortex.kernel, Table):
            raise ValueError("sweep_batch_size needs the table kernel, which stores scores exactly; set it to 0")
        if model.layers[0].shown_length > 1:
            raise ValueError(
                "sweeping learns what to do in the present state, whatever came before it; set context_length to 1 or "
                "sweep_batch_size to 0"
            )
    if config.replay is not None:
        _check_groups(model, config.replay, abstractions)


def _check_groups(model: Model, replay: ReplayConfig, abstractions: Sequence[Abstraction]) -> None:
    """Refuses layers that learn together where replay has examples for only some of them."""
    layers = range(len(model.layers))
    taught: list[tuple[int, ...]] = []
    if replay.sweep_goals:
        taught += [(number,) for number in expected.swept_layers(abstractions, replay.sweep_layer)]
    if replay.sweep_batch_size:
        taught += [(number,) for number in layers if number == 0 or is_gated(abstractions)]
    if replay.compose_batch_size:
        taught.append((0,))
    if replay.imagine_batch_size:
        taught.append(tuple(layers[1:]))
    for numbers in taught:
        model.check_taught(numbers)


def _check_gated(model: Model, config: LearningConfig, abstractions: Sequence[Abstraction]) -> None:
    """Refuses stacks whose layers could not go from gate to gate by what single states say."""
    for layer in model.layers:
        _ids(layer.space)
    answering.gated_below(abstractions, len(model.layers) - 1)
    if config.replay is not None and (config.replay.compose_batch_size or config.replay.imagine_batch_size):
        raise ValueError(
            "layers with gates learn the goals near them, and composed and imagined ways lead to any; set "
            "compose_batch_size and imagine_batch_size to 0, and sweep"
        )
    if config.candidates > 1:
        raise ValueError(
            f"layers with gates learn the goals near them alone, and candidates ({config.candidates}) would count what "
            "is left out of the examples as learned; set candidates to 1"
        )
    for number, layer in enumerate(model.layers):
        if layer.shown_length > 1:
            raise ValueError(
                f"by way of gates single states are asked for, and layer {number} sees {layer.shown_length}; set its "
                "context_length to 1"
            )
        if isinstance(layer.cortex.kernel.target_space, Stopping):
            raise ValueError(
                f"by way of gates there is no stop signal, and layer {number} answers with one; leave `Stopping` out"
            )
    answering.check_kernels(model.layers)


def _check_replay(model: Model, replay: ReplayConfig, abstractions: Sequence[Abstraction]) -> None:
    """Refuses replay for answers that are more than states, and for layers that see more than single states."""
    composes = replay.compose_batch_size > 0 or replay.imagine_batch_size > 0
    for number, layer in enumerate(model.layers):
        if composes and isinstance(layer.cortex.kernel.target_space, Stopping):
            raise ValueError(
                f"replay composes states, and layer {number} answers with a stop signal; set compose_batch_size and "
                "imagine_batch_size to 0"
            )
    if replay.imagine_batch_size and not model.layers[0].answers_states:
        answered = model.layers[0].cortex.kernel.target_space
        raise ValueError(
            f"replay imagines ways of states, and the bottom layer answers {answered}; set imagine_batch_size to 0"
        )
    # The top one lifts nothing: there is no layer above to see it.
    for abstraction in abstractions[:-1]:
        sweeps = replay.sweep_batch_size > 0 or replay.sweep_goals > 0
        if (composes or sweeps) and isinstance(abstraction, PathAbstraction):
            raise ValueError(
                f"replay lifts states one by one, and {type(abstraction).__name__} lifts the way to them; set "
                "sweep_batch_size, sweep_goals, compose_batch_size and imagine_batch_size to 0"
            )
