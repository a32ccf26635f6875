"""One layer that learns from walks through rooms and is then asked to go to each goal, with tags and without.

It learns by hindsight alone and acts by `react`. All that differs is the space: looks with tags, or looks as they are.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from humain import acting
from humain.abstraction.skip import Skip
from humain.cortex import hindsight
from humain.cortex.cortex import Cortex
from humain.cortex.scores import Linear
from humain.hippocampus import tagged_episodes
from humain.hippocampus.tag_levels import TagLevels
from humain.hippocampus.tagged import TaggedIds
from humain.hippocampus.tagging import Tagging
from humain.kernels.table import TableConfig
from humain.layer import Layer
from humain.model import Model, ModelState
from humain.spaces import Discrete, Space
from humain.types import Array, Trajectories
from tasks.ablations import seeds
from tasks.ablations.outcome import Outcome
from tasks.ablations.rooms import Rooms
from tasks.ablations.shares import Shares


@dataclasses.dataclass(frozen=True)
class Budget:
    """What is spent on learning, the same with tags and without.

    Attributes:
        num_walks: that are learned from.
        num_steps: of each walk.
        num_updates: of the layer.
        batch_size: examples an update.
        max_steps: that a test may take to a goal.
    """

    num_walks: int
    num_steps: int
    num_updates: int
    batch_size: int
    max_steps: int


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A layer with tags beside layers without.

    Attributes:
        tagging: how looks are tagged.
        levels: what is shown of the tags.
        budget: of each layer.
        context_lengths: that layers without tags are tried with, at least one; the best of them is compared with.
    """

    tagging: Tagging
    levels: TagLevels
    budget: Budget
    context_lengths: tuple[int, ...]

    def measure(
        self, worlds: Sequence[Rooms], *, action_shares: np.ndarray, seed: int, title: str, look: str
    ) -> Outcome:
        """Both in each world.

        Args:
            worlds: see `shares_of_optimum`.
            action_shares: see there.
            seed: see there.
            title: of the outcome.
            look: what a look is called in this world.
        """
        run = partial(shares_of_optimum, worlds, self.budget, action_shares=action_shares, seed=seed)
        off = {str(length): Shares.of(run(context_length=length)) for length in self.context_lengths}
        return Outcome(
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
    """How well a layer does in each world after learning in it.

    Args:
        worlds: S of one size, each with as many goals.
        budget: for each.
        action_shares: `[A]`, of the actions on the walks.
        seed: of the walks and the learning; the same walks whatever the layer sees.
        tagging: how looks are tagged; None for looks without tags.
        levels: what is shown of the tags.
        context_length: looks that the layer sees, the present one included.

    Returns:
        For each world: steps of the shortest way over steps taken, 0 where it doesn't arrive within the bound; the mean
        over the goals.
    """
    num_looks, num_actions = worlds[0].num_looks, worlds[0].following.shape[1]
    space: Discrete = Discrete(num_looks)
    if tagging is not None and levels is not None:
        space = TaggedIds(num_states=num_looks, tagging=tagging, levels=levels)
    config = TableConfig(num_slots=num_actions)
    kernel = config.build(space, Discrete(num_actions), context_length=context_length)
    cortex = Cortex(kernel=kernel, score_rule=Linear(budget.num_steps + 1), lookahead=1)
    model = Model(layers=(Layer(cortex=cortex, context_length=context_length),), space=space)
    # One pivot a walk: any later look of it may be the goal.
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
        experiences.append(hindsight.gather(walks, abstractions))
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
    """Steps `[S, G]` that each layer takes from the start to each goal; more than `max_steps` if it doesn't arrive."""
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
    """Goals ask for a look, whatever its tag."""
    return tagged_episodes.ask(space, goals) if isinstance(space, TaggedIds) else goals
