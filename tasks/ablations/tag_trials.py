"""Compares a layer with tags and layers without: they learn from walks through rooms, then have to reach each goal.

The layers learn by hindsight alone and act by `react`. Only the space differs: looks with tags, or plain looks.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from humain import acting
from humain.abstraction.skip import Skip
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.hippocampus import tagged_episodes
from humain.hippocampus.tag_levels import TagLevels
from humain.hippocampus.tagged import TaggedIds
from humain.hippocampus.tagging import Tagging
from humain.kernels.rows import SparseRows
from humain.kernels.table import Table, TableConfig
from humain.layer import Layer
from humain.model import Model, ModelState
from humain.spaces import Discrete, Space
from humain.types import Array, Trajectories
from tasks.ablations import seeds
from tasks.ablations.outcome import AblationOutcome
from tasks.ablations.rooms import Rooms
from tasks.ablations.shares import Shares


@dataclasses.dataclass(frozen=True)
class Budget:
    """The cost of learning and the test, the same with tags and without.

    Attributes:
        num_walks: the number of walks to learn from.
        num_steps: the number of steps of each walk.
        num_updates: the number of updates of the layer.
        batch_size: examples per update.
        max_steps: the step limit of the test, per goal.
    """

    num_walks: int
    num_steps: int
    num_updates: int
    batch_size: int
    max_steps: int


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The settings of a comparison of a layer with tags and layers without.

    Attributes:
        tagging: how looks are tagged.
        levels: the fields of the tags that the layer sees, and their levels.
        budget: the budget of each layer.
        context_lengths: the context lengths of the layers without tags, at least one; the best of them is compared.
    """

    tagging: Tagging
    levels: TagLevels
    budget: Budget
    context_lengths: tuple[int, ...]

    def measure(
        self, worlds: Sequence[Rooms], *, action_shares: np.ndarray, seed: int, title: str, look: str
    ) -> AblationOutcome:
        """Measures both in each world.

        Args:
            worlds: see `shares_of_optimum`.
            action_shares: see there.
            seed: see there.
            title: the title of the outcome.
            look: the word for a look in this world.
        """
        run = partial(shares_of_optimum, worlds, self.budget, action_shares=action_shares, seed=seed)
        off = {str(length): Shares.of(run(context_length=length)) for length in self.context_lengths}
        return AblationOutcome(
            title=title,
            on_name=f"{look} with the number of visits",
            off_name=f"{look} without tags",
            on=Shares.of(run(tagging=self.tagging, levels=self.levels)),
            off=max(off.values(), key=lambda shares: shares.mean),
            notes={
                "best_by_looks": Shares.of([world.best_by_looks() for world in worlds]).to_json(),
                "off_contexts": {length: shares.to_json() for length, shares in off.items()},
            },
        )


def shares_of_optimum(
    worlds: Sequence[Rooms],
    budget: Budget,
    *,
    action_shares: np.ndarray,
    seed: int,
    tagging: Tagging | None = None,
    levels: TagLevels | None = None,
    context_length: int = 1,
) -> list[float]:
    """Returns how well a layer does in each world after learning in it.

    Args:
        worlds: S worlds of equal size, with equally many goals.
        budget: the budget for each world.
        action_shares: `[A]`, the probability of each action on the walks.
        seed: the seed of the walks and of learning; the walks don't depend on what the layer sees.
        tagging: how looks are tagged; None for no tags.
        levels: the fields of the tags that the layer sees, and their levels.
        context_length: the number of looks that the layer sees, including the present one.

    Returns:
        For each world, the mean over goals of the steps of the shortest way over the steps taken, 0 if the goal was not
        reached within the limit.
    """
    num_looks, num_actions = worlds[0].num_looks, worlds[0].following.shape[1]
    space: Discrete = Discrete(num_looks)
    if tagging is not None and levels is not None:
        space = TaggedIds(num_states=num_looks, tagging=tagging, levels=levels)
    kernel = _table(space, num_actions, context_length, budget)
    cortex = Cortex(kernel=kernel, score_rule=Linear(budget.num_steps + 1), lookahead=1)
    model = Model(layers=(Layer(cortex=cortex, context_length=context_length),), space=space)
    # One pivot per walk, so that any later look of it may be the goal.
    abstractions = (Skip(budget.num_steps + 1),)
    experiences = []
    for number, world in enumerate(worlds):
        looks, actions = world.walks(
            np.random.default_rng([seed, number]),
            num_walks=budget.num_walks,
            num_steps=budget.num_steps,
            action_shares=action_shares,
        )
        lengths = jnp.full(budget.num_walks, budget.num_steps + 1)
        walks = Trajectories(states=jnp.asarray(looks), actions=jnp.asarray(actions), lengths=lengths)
        if isinstance(space, TaggedIds):
            walks = _tag(space, walks)
        experiences.append(seeds.gather(model, abstractions, walks))
    states = seeds.learn(
        model,
        abstractions,
        seeds.stack(experiences),
        jax.random.split(jax.random.key(seed), len(worlds)),
        num_updates=budget.num_updates,
        batch_size=budget.batch_size,
        ask=partial(_goals_asked, space),
    )
    following, looks_of, starts, goals = (
        jnp.asarray(np.stack([np.asarray(getattr(world, name)) for world in worlds]))
        for name in ("following", "looks", "start", "goals")
    )
    steps = _follow(model, budget.max_steps, states, following, looks_of, starts, goals)
    shortest = np.stack([world.shortest() for world in worlds])
    shares = np.where(np.asarray(steps) <= budget.max_steps, shortest / np.asarray(steps), 0)
    return [float(share) for share in shares.mean(axis=1)]


def _table(space: Discrete, num_actions: int, context_length: int, budget: Budget) -> Table:
    """Returns a table with room for twice what the walks can ask, where that is less than it has by default."""
    config = TableConfig(num_slots=num_actions)
    table = config.build(space, Discrete(num_actions), context_length=context_length)
    num_questions = budget.num_walks * budget.num_steps * (budget.num_steps + 1) // 2
    capacity = 2 ** (2 * num_questions - 1).bit_length()
    if not isinstance(table.rows, SparseRows) or capacity >= table.rows.capacity:
        return table
    return dataclasses.replace(config, sparse_capacity=capacity).build(
        space, Discrete(num_actions), context_length=context_length
    )


_tag = jax.jit(tagged_episodes.tag_trajectories, static_argnums=0)


@partial(jax.jit, static_argnames=("model", "max_steps"))
def _follow(
    model: Model,
    max_steps: int,
    states: ModelState,
    following: Array,
    looks: Array,
    starts: Array,
    goals: Array,
) -> Array:
    """Returns the steps `[S, G]` of each layer from the start to each goal; more than `max_steps` if not reached."""
    space = model.space

    def follow(state: ModelState, following: Array, looks: Array, start: Array, goals: Array) -> Array:
        num_goals = goals.shape[0]
        tags = tagged_episodes.begin(space, num_goals) if isinstance(space, TaggedIds) else None
        asked = tagged_episodes.goals(space, goals) if isinstance(space, TaggedIds) else goals

        def step(carry: tuple, time: Array) -> tuple[tuple, None]:
            rooms, tags, episode, steps = carry
            seen = looks[rooms]
            steps = jnp.where((seen == goals) & (steps > max_steps), time, steps)
            if isinstance(space, TaggedIds):
                tags, seen = tagged_episodes.observe(space, tags, seen)
            episode, reaction = acting.react(model, state, episode, seen, asked)
            return (following[rooms, reaction.action], tags, episode, steps), None

        rooms = jnp.full(num_goals, start)
        begin = (rooms, tags, acting.begin(model, num_goals), jnp.full(num_goals, max_steps + 1, jnp.int32))
        return jax.lax.scan(step, begin, jnp.arange(max_steps + 1))[0][3]

    return jax.vmap(follow)(states, following, looks, starts, goals)


def _goals_asked(space: Space, goals: Array) -> Array:
    """Returns goals that ask for a look with any tag."""
    return tagged_episodes.ask(space, goals) if isinstance(space, TaggedIds) else goals
