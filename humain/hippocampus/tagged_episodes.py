"""Episodes of tagged states: trajectories to learn from, states as they are met, and goals out of what was tagged.

An agent carries the memory of its tags from state to state beside the model's own episode, and begins both anew
together. The memory is one for all layers and is not refreshed with their goals: a tag tells the whole episode, and all
layers and the user have to mean the same by it.
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
    """The memories of `B` episodes before their first state."""
    tags = tagging.empty(space.tagging, space.base)
    return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (batch_size, *leaf.shape)), tags)


def observe(space: TaggedSpace, tags: Tags, states: Array) -> tuple[Tags, Array]:
    """The states `[B, *S]` that are met now, tagged: elements `[B, *shape]`, and the memories with them."""
    tags, found = jax.vmap(partial(tagging.tag, space.tagging, space.base))(tags, states)
    return tags, space.join(states, space.levels.of(found))


def destinations(space: TaggedSpace, actions: Array, elements: Array) -> Array:
    """Where actions `[B, *shape]` that are next states lead, from present ones `[B, *shape]`: states `[B, *S]`.

    An agent at its goal is answered the goal, which may leave the state open; that means to stay.
    """
    there, _, known = space.split(actions)
    return select(known, there, space.split(elements)[0])


def tag_trajectories(space: TaggedSpace, trajectories: Trajectories) -> Trajectories:
    """The same trajectories with each state as an agent would have seen it: tagged by what came before.

    Args:
        space: of the tagged states.
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
    """Goals that ask for a part of what elements `[..., *shape]` are and leave the rest open.

    In hindsight too: what reached a tagged state has reached all that asks for less. Examples for such goals are those
    for the elements, with this as their goals. A layer with `recall` is an exception where states are left open: its
    examples show what the whole elements recall, and acting shows what the open goals do.

    Args:
        space: of the elements.
        elements: such as the states that trajectories came to.
        state: whether the goals ask for the state.
        fields: of the tag that they ask for.

    Raises:
        ValueError: for a field that the space does not show.
    """
    _check_shown(space, fields)
    states, levels, known = space.split(elements)
    columns = [
        levels[..., at] if field in fields else jnp.full(levels.shape[:-1], size, jnp.int32)
        for at, (field, size) in enumerate(zip(space.levels.fields, space.levels.sizes, strict=True))
    ]
    return space.join(states, jnp.stack(columns, axis=-1), known & state)


def goals(space: TaggedSpace, states: Array | None = None, **values: Array) -> Array:
    """Goals that ask for states, or for tags, or for both.

    `goals(space, visits=jnp.array([1]))` asks for a place that is new; `goals(space, order=jnp.array([0]))` for the one
    that the episode began with, wherever that was: a layer that can't tell from its context is better asked by
    `met_as`, which looks it up.

    Args:
        space: of the goals.
        states: `[..., *S]`, or None for any.
        **values: of fields of the tag, `[...]` int32 each, in the tag's own terms; fields that are not named are open.

    Raises:
        ValueError: if nothing is asked for, or a field that the space does not show.
    """
    _check_shown(space, values)
    if states is None and not values:
        raise ValueError("a goal that asks for nothing is reached everywhere; give states or a field of the tag")
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
    """Goals "where I first saw this": the states that these `[B, *S]` are taken for.

    Returns:
        Goals `[B, *shape]` that ask for the state alone, and bool `[B]` whether it is remembered; where it is not, the
        goal is the state itself.
    """

    def look_up(one: Tags, state: Array) -> tuple[Array, Array]:
        apart = tagging.distances(one, space.base, state)
        place = jnp.argmin(apart)
        found = apart[place] <= space.tagging.threshold
        return jnp.where(found, one.prototypes[place], state), found

    seen, found = jax.vmap(look_up)(tags, states)
    return goals(space, seen), found


def met_as(space: TaggedSpace, tags: Tags, orders: Array) -> tuple[Array, Array]:
    """Goals "the place that I came to as number such": 0 is where the episode began.

    Args:
        space: of the goals.
        tags: of `B` episodes.
        orders: `[B]` int32.

    Returns:
        Goals `[B, *shape]` that ask for the state alone, and bool `[B]` whether it is remembered; where it is not, the
        goal says nothing.
    """

    def look_up(one: Tags, order: Array) -> tuple[Array, Array]:
        match = (one.visits > 0) & (one.orders == order)
        return one.prototypes[jnp.argmax(match)], jnp.any(match)

    seen, found = jax.vmap(look_up)(tags, orders)
    return goals(space, seen), found


def before(space: TaggedSpace, tags: Tags, states: Array) -> tuple[Array, Array]:
    """Goals "where I was before I first saw this": the place that was new last before these `[B, *S]` were.

    Returns:
        As `met_as`; False too where these were not met, or were met first of all.
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
            raise ValueError(f"tags show {', '.join(space.levels.fields)}, not {field!r}; give it levels to ask for it")
