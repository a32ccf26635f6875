"""Episodes of tagged states: tagging trajectories to learn from, tagging states while acting, and goals about tags.

An agent carries the memory of its tags from state to state beside the model's own episode, and resets both together.
All layers share this memory, and it is not refreshed with their goals: a tag refers to the whole episode, and has to
mean the same to all layers and to the user.
"""

from collections.abc import Collection
from functools import partial

import jax
import jax.numpy as jnp

from humain.hippocampus import tagging
from humain.hippocampus.tag_levels import Field
from humain.hippocampus.tagged import TaggedSpace
from humain.hippocampus.tagging import Tags
from humain.selection import select
from humain.types import Array, Trajectories


def begin(space: TaggedSpace, batch_size: int) -> Tags:
    """Returns the tag memories of `batch_size` episodes before their first state."""
    tags = tagging.empty(space.tagging, space.base)
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (batch_size, *leaf.shape)), tags)


def observe(space: TaggedSpace, tags: Tags, states: Array) -> tuple[Tags, Array]:
    """Tags the present states `[B, *S]`; returns elements `[B, *shape]` and the memories with these states in them."""
    tags, found = jax.vmap(partial(tagging.tag, space.tagging, space.base))(tags, states)
    return tags, space.join(states, space.levels.of(found))


def destinations(space: TaggedSpace, actions: Array, elements: Array) -> Array:
    """Returns the states `[B, *S]` that actions `[B, *shape]`, which are next states, lead to from `elements`.

    For an agent at its goal, the action is the goal itself; if that leaves the state open, the agent stays.
    """
    there, _, known = space.split(actions)
    return select(known, there, space.split(elements)[0])


def tag_trajectories(space: TaggedSpace, trajectories: Trajectories) -> Trajectories:
    """Returns the trajectories with each state as an agent would have seen it: tagged by what came before.

    Args:
        space: the space of the tagged states.
        trajectories: of states in its base space, each an episode from its beginning.
    """
    states = jnp.asarray(trajectories.states, space.base.dtype)

    def step(tags: Tags, at: Array) -> tuple[Tags, Array]:
        return observe(space, tags, at)

    _, tagged = jax.lax.scan(step, begin(space, states.shape[0]), jnp.moveaxis(states, 1, 0))
    return Trajectories(
        states=jnp.moveaxis(tagged, 0, 1),
        lengths=trajectories.lengths,
        actions=trajectories.actions,
        rewards=trajectories.rewards,
        terminated=trajectories.terminated,
    )


def ask(space: TaggedSpace, elements: Array, *, state: bool = True, fields: Collection[Field] = ()) -> Array:
    """Returns goals that ask for a part of elements `[..., *shape]` and leave the rest open.

    This holds in hindsight too: whoever reached a tagged state has reached every goal that asks for a part of it, so
    the examples for such a goal are those for the elements, with the goal replaced. A layer with `recall` is an
    exception if the state is left open: its examples contain what the complete elements recall, but when acting it sees
    what the open goals recall.

    Args:
        space: the space of the elements.
        elements: such as the states that trajectories came to.
        state: whether the goals ask for the state.
        fields: the fields of the tag that the goals ask for.

    Raises:
        ValueError: if the space does not have one of the fields.
    """
    _check_shown(space, fields)
    states, levels, known = space.split(elements)
    columns = [
        levels[..., at] if field in fields else jnp.full(levels.shape[:-1], size, jnp.int32)
        for at, (field, size) in enumerate(zip(space.levels.fields, space.levels.sizes, strict=True))
    ]
    return space.join(states, jnp.stack(columns, axis=-1), known & state)


def goals(space: TaggedSpace, states: Array | None = None, **values: Array) -> Array:
    """Returns goals that ask for states, for tags, or for both.

    `goals(space, visits=jnp.array([1]))` asks for a place that is new; `goals(space, order=jnp.array([0]))` for the one
    that the episode began with, wherever that was. If a layer can't tell this from its context, use `met_as`, which
    looks the state up.

    Args:
        space: the space of the goals.
        states: `[..., *S]`, or None for any state.
        **values: values of fields of the tag, `[...]` int32 each, not quantised; fields that are not named are left
            open.

    Raises:
        ValueError: if neither a state nor a field is given, or the space does not have a field.
    """
    _check_shown(space, values)
    if states is None and not values:
        raise ValueError("a goal without a state or a field is reached everywhere; give states or a field of the tag")
    batch = next(iter(values.values())).shape if states is None else states.shape[: states.ndim - len(space.base.shape)]
    columns = [
        space.levels.level(field, jnp.asarray(values[field], jnp.int32))
        if field in values
        else jnp.full(batch, size, jnp.int32)
        for field, size in zip(space.levels.fields, space.levels.sizes, strict=True)
    ]
    blank = jnp.zeros((*batch, *space.base.shape), space.base.dtype)
    return space.join(blank if states is None else states, jnp.stack(columns, axis=-1), states is not None)


def first_seen(space: TaggedSpace, tags: Tags, states: Array) -> tuple[Array, Array]:
    """Returns goals "where I first saw this": the prototypes that the states `[B, *S]` are assigned to.

    Returns:
        Goals `[B, *shape]` that ask for the state alone, and bool `[B]`, whether there is a prototype; where there is
        none, the goal is the state itself.
    """

    def look_up(one: Tags, state: Array) -> tuple[Array, Array]:
        apart = tagging.distances(one, space.base, state)
        place = jnp.argmin(apart)
        found = apart[place] <= space.tagging.threshold
        return jnp.where(found, one.prototypes[place], state), found

    seen, found = jax.vmap(look_up)(tags, states)
    return goals(space, seen), found


def met_as(space: TaggedSpace, tags: Tags, orders: Array) -> tuple[Array, Array]:
    """Returns goals "the n-th new place that I came to", counted from 0, where the episode began.

    Args:
        space: the space of the goals.
        tags: the tag memories of B episodes.
        orders: `[B]` int32.

    Returns:
        Goals `[B, *shape]` that ask for the state alone, and bool `[B]`, whether it is remembered; where it is not, the
        goal leaves everything open.
    """

    def look_up(one: Tags, order: Array) -> tuple[Array, Array]:
        match = (one.visits > 0) & (one.orders == order)
        return one.prototypes[jnp.argmax(match)], jnp.any(match)

    seen, found = jax.vmap(look_up)(tags, orders)
    return goals(space, seen), found


def before(space: TaggedSpace, tags: Tags, states: Array) -> tuple[Array, Array]:
    """Returns goals "where I was before I first saw this": the last place that was new before the states `[B, *S]`.

    Returns:
        As `met_as`; the bool is also False where the states were not met, or were the first ones of the episode.
    """

    def order_of(one: Tags, state: Array) -> tuple[Array, Array]:
        apart = tagging.distances(one, space.base, state)
        place = jnp.argmin(apart)
        return one.orders[place], apart[place] <= space.tagging.threshold

    orders, known = jax.vmap(order_of)(tags, states)
    asked, found = met_as(space, tags, orders - 1)
    return asked, found & known


def _check_shown(space: TaggedSpace, fields: Collection[str]) -> None:
    for field in fields:
        if field not in space.levels.fields:
            raise ValueError(f"tags have {', '.join(space.levels.fields)}, not {field!r}; give it levels first")
