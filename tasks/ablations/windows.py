"""Windows: something seen earlier shows the way later, when it is no longer in the context.

The agent passes a row of windows. Each shows one of the goals, in a random order for each episode. After a hall of some
steps come equally many doors in a ring; behind each is the goal that the window of the same number showed. The agent
moves on or enters; after entering it stays. The task is to be at a goal for the second time: the first time is at the
window. At a door, the useful state is not the last one, but the past state that is similar to the goal: its window,
with the tag that shows which window it was.

With recall, the layer sees the present state and the one that the goal recalls. Without, it sees the present state, or
also the previous one, whichever is better (both are in `notes`). All see tagged states and have the same walks, updates
and batches. For a window to be in the context at a door, the context would have to be longer than the hall by two.
"""

import dataclasses
import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from humain import acting
from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.hippocampus import tagged_episodes
from humain.hippocampus.recall import Recall
from humain.hippocampus.tag_levels import TagLevels
from humain.hippocampus.tagged import TaggedIds
from humain.hippocampus.tagging import Tagging
from humain.kernels.table import TableConfig
from humain.layer import Layer
from humain.model import Model, ModelState
from humain.spaces import Discrete
from humain.types import Array, Trajectories
from tasks.ablations import seeds
from tasks.ablations.outcome import AblationOutcome
from tasks.ablations.shares import Shares

ON, ENTER = 0, 1
_ENTERS = 0.3
"""The share of actions on the walks that try to enter."""


@dataclasses.dataclass(frozen=True)
class WindowsSettings:
    """Settings of the windows experiment.

    Attributes:
        num_goals: the number of goals, windows and doors.
        hall_length: the number of steps between windows and doors.
        recall: the settings of recall.
        num_walks: the number of walks to learn from.
        num_updates: the number of updates of the layer.
        batch_size: examples per update.
    """

    num_goals: int = 3
    hall_length: int = 2
    recall: Recall = Recall(num_recalled=1)
    num_walks: int = 1000
    num_updates: int = 100
    batch_size: int = 2048

    @property
    def num_steps(self) -> int:
        """The length of a walk and the step limit of a test: past the windows, the hall and twice all doors."""
        return self.hall_length + 3 * self.num_goals

    @property
    def first_door(self) -> int:
        """The place of the first door. Places are the windows, the hall, the doors and the goals, in this order."""
        return self.num_goals + self.hall_length

    @property
    def space(self) -> TaggedIds:
        """The space of looks: goals, the hall, then doors; tagged by order of first visit and number of visits."""
        num_states = self.first_door + self.num_goals
        levels = TagLevels(order=self.num_goals, visits=2)
        return TaggedIds(num_states=num_states, tagging=Tagging(capacity=num_states), levels=levels)


def step(settings: WindowsSettings, places: np.ndarray | Array, actions: np.ndarray | Array) -> Array:
    """Returns the places `[...]` that actions `[...]` lead to; only doors can be entered."""
    places, actions = jnp.asarray(places), jnp.asarray(actions)
    first_door, num_goals = settings.first_door, settings.num_goals
    on = jnp.where(places == first_door + num_goals - 1, first_door, places + 1)
    moved = jnp.where((actions == ENTER) & (places >= first_door), places + num_goals, on)
    return jnp.where(places >= first_door + num_goals, places, moved)


def looks(settings: WindowsSettings, places: np.ndarray | Array, shown: np.ndarray | Array) -> Array:
    """Returns the looks of places `[...]` if windows show goals `[..., n]`: a goal, or otherwise the place itself."""
    places, shown = jnp.asarray(places), jnp.asarray(shown)
    first_door, num_goals = settings.first_door, settings.num_goals
    behind = places - first_door - num_goals
    number = jnp.where(behind >= 0, behind, jnp.minimum(places, num_goals - 1))
    goals = jnp.take_along_axis(shown, number[..., None], axis=-1)[..., 0]
    return jnp.where((places < num_goals) | (behind >= 0), goals, places).astype(jnp.int32)


def measure(settings: WindowsSettings, *, seed: int, num_seeds: int) -> AblationOutcome:
    """Runs the experiment for `num_seeds` seeds from `seed` on, each with its own walks."""
    run = partial(_shares, settings, seed, num_seeds)
    off = {str(length): Shares.of(run(context_length=length, recalls=False)) for length in (1, 2)}
    return AblationOutcome(
        title=f"Enter the door of {settings.num_goals} whose window showed the goal",
        on_name="the present state and the one that the goal recalls",
        off_name="the present state and the newest before it, or it alone",
        on=Shares.of(run(context_length=1, recalls=True)),
        off=max(off.values(), key=lambda shares: shares.mean),
        notes={"off_contexts": {length: shares.to_json() for length, shares in off.items()}},
    )


def _shares(settings: WindowsSettings, seed: int, num_seeds: int, *, context_length: int, recalls: bool) -> list[float]:
    """Returns each seed's mean share of the optimum (shortest way over steps, 0 if not reached), over all goals."""
    num_recalled = settings.recall.num_recalled if recalls else 0
    kernel = TableConfig(num_slots=2).build(settings.space, Discrete(2), context_length=context_length + num_recalled)
    cortex = Cortex(kernel=kernel, score_rule=Linear(settings.num_steps + 1), lookahead=1)
    layer = Layer(
        cortex=cortex,
        context_length=context_length,
        recall=settings.recall if recalls else None,
        recall_capacity=settings.num_steps if recalls else 0,
    )
    model = Model(layers=(layer,), space=settings.space)
    abstractions = (Skip(settings.num_steps + 1),)
    generators = [np.random.default_rng([seed, number]) for number in range(num_seeds)]
    experiences = [seeds.gather(model, abstractions, _walks(settings, rng)) for rng in generators]
    states = seeds.learn(
        model,
        abstractions,
        seeds.stack(experiences),
        jax.random.split(jax.random.key(seed), num_seeds),
        num_updates=settings.num_updates,
        batch_size=settings.batch_size,
        ask=partial(_ask, settings.space),
    )
    shown, goals = (jnp.asarray(column) for column in _episodes(settings.num_goals))
    steps = _follow(model, settings, states, shown, goals)
    return [float(share) for share in np.mean(shortest(settings, shown, goals) / np.asarray(steps), axis=1)]


def _ask(space: TaggedIds, elements: Array) -> Array:
    """Returns goals `[B]` that ask for the state and its number of visits."""
    return tagged_episodes.ask(space, elements, fields=["visits"])


def shortest(settings: WindowsSettings, shown: np.ndarray | Array, goals: np.ndarray | Array) -> np.ndarray:
    """Returns the optimal steps `[E]` to goals `[E]`: to the first door, on to the goal's door, and in."""
    windows = np.argmax(np.asarray(shown) == np.asarray(goals)[:, None], axis=1)
    return settings.first_door + windows + 1


def _episodes(num_goals: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns all pairs of an order of the windows `[E, n]` and a goal `[E]`."""
    pairs = itertools.product(itertools.permutations(range(num_goals)), range(num_goals))
    shown, goals = zip(*pairs, strict=True)
    return np.array(shown, np.int32), np.array(goals, np.int32)


def _walks(settings: WindowsSettings, rng: np.random.Generator) -> Trajectories:
    """Draws tagged random walks."""
    num_goals, num_walks, num_steps = settings.num_goals, settings.num_walks, settings.num_steps
    shown = rng.permuted(np.tile(np.arange(num_goals, dtype=np.int32), (num_walks, 1)), axis=1)
    actions = (rng.random((num_walks, num_steps + 1)) < _ENTERS).astype(np.int32)
    places = np.zeros((num_walks, num_steps + 1), np.int32)
    for time in range(num_steps):
        places[:, time + 1] = step(settings, places[:, time], actions[:, time])
    seen = looks(settings, places, np.repeat(shown[:, None], num_steps + 1, axis=1))
    walks = Trajectories(states=seen, actions=jnp.asarray(actions), lengths=jnp.full(num_walks, num_steps + 1))
    return _tag(settings.space, walks)


_tag = jax.jit(tagged_episodes.tag_trajectories, static_argnums=0)


@partial(jax.jit, static_argnames=("model", "settings"))
def _follow(model: Model, settings: WindowsSettings, states: ModelState, shown: Array, goals: Array) -> Array:
    """Returns the steps `[S, E]` of each of S layers to the goals, infinite if it does not arrive."""
    space = settings.space
    asked = tagged_episodes.goals(space, goals, visits=jnp.full(goals.shape, 2))

    def follow(state: ModelState) -> Array:
        def move(carry: tuple, time: Array) -> tuple[tuple, None]:
            places, tags, episode, steps = carry
            tags, seen = tagged_episodes.observe(space, tags, looks(settings, places, shown))
            steps = jnp.where(space.equal(seen, asked), jnp.minimum(steps, time), steps)
            episode, reaction = acting.react(model, state, episode, seen, asked)
            return (step(settings, places, reaction.action), tags, episode, steps), None

        batch = goals.shape[0]
        begin = (jnp.zeros(batch, jnp.int32), tagged_episodes.begin(space, batch), acting.begin(model, batch))
        return jax.lax.scan(move, (*begin, jnp.full(batch, jnp.inf)), jnp.arange(settings.num_steps + 1))[0][3]

    return jax.vmap(follow)(states)
