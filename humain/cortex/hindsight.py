"""Hindsight: whatever a trajectory came to was a goal that it reached.

An example is drawn by choosing a time t of a stored trajectory and a later time p that lies at most `lookahead` pivots
ahead (and at most `max_steps` steps, where a cortex has such a bound), cutting the trajectory at p and taking the state
there as the goal. A cut trajectory is a trajectory too and its end counts as a pivot for every layer; so each layer
also learns the goals that lie nearer than its next pivot, and the target is then the goal itself.

A layer that learns `pivot_to_pivot` is shown only what it meets in acting: from where its last goal was reached to the
next pivot, or the end. Its examples are few enough to be listed (`stretches`).
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from humain.abstraction.abstraction import Abstraction, PathAbstraction, StridedAbstraction, lift_path, lift_through
from humain.abstraction.pivots import PathIndex, Strided, arrivals_above, pivot_mask, tabled
from humain.cortex import stretches as stretches_lib
from humain.cortex.stretches import Stretches
from humain.layer import Layer
from humain.stopping import Stopping
from humain.types import Array, Context, Examples, Trajectories

_FEW_PIVOTS = 4
"""Look-ups of one pivot after the other that are written out: XLA fuses them, and compiles far longer with each."""


@struct.dataclass
class Experience:
    """Trajectories with all that sampling needs, made once.

    Attributes:
        trajectories: what was experienced.
        walks: `[P]` int32, trajectory of each place from which a later state exists.
        times: `[P]` int32, time of each such place. Drawing from this flat index is what makes sampling cheap.
        states: `[W, T, *S]` for each layer, the trajectories' states as it sees them, of its own space.
        paths: one more than layers; `paths[i]` is the path of layer i, the last one the pivots of the top layer.
        returns: `[W, T + 1]` sum of the rewards before each time, or None.
        goals: `[W, T, *S]` for each layer, the trajectories' states as it is asked for them; None where that is as it
            sees them.
        stretches: for each layer that learns from pivot to pivot what it draws from, for others None; empty where no
            layer does.
    """

    trajectories: Trajectories
    walks: Array
    times: Array
    states: tuple[Array, ...]
    paths: tuple[PathIndex, ...]
    returns: Array | None
    goals: tuple[Array, ...] | None = None
    stretches: tuple[Stretches | None, ...] = ()


@struct.dataclass
class Draws:
    """Where examples of one layer lie in its experience.

    Attributes:
        walks: `[B]` int32, the trajectories; for a layer that learns from pivot to pivot, numbers of its stretches, and
            all other fields are 0.
        times: `[B]` int32, of the present state.
        goal_times: `[B]` int32, of the goal.
        kept: `[B]` int32, see `contexts`.
    """

    walks: Array
    times: Array
    goal_times: Array
    kept: Array


def layer_paths(
    states: tuple[Array, ...], lengths: Array, abstractions: tuple[Abstraction, ...]
) -> tuple[PathIndex, ...]:
    """The path of every layer, and last the pivots of the top layer.

    As long as all abstractions so far have a stride (`StridedAbstraction`), the path is `Strided`.

    Args:
        states: `[W, T, *S]` for each layer, as it sees them.
        lengths: `[W]` int32.
        abstractions: one for each layer, bottom first.

    Raises:
        ValueError: if there are not as many abstractions as layers.
    """
    if len(states) != len(abstractions):
        raise ValueError(
            f"there are states for {len(states)} layers and {len(abstractions)} abstractions; one for each"
        )
    paths: list[PathIndex] = [Strided(1)]
    for abstraction in abstractions:
        below = paths[-1]
        if not isinstance(abstraction, StridedAbstraction) or not isinstance(below, Strided):
            break
        # The bottom layer stores a state one step later, the layer above it too.
        delay = below.delay + below.stride if len(paths) > 1 else 1
        paths.append(Strided(below.stride * abstraction.pivot_stride(), delay))
    num_strided = len(paths) - 1
    if num_strided == len(abstractions):
        return tuple(paths)

    # From the first abstraction that looks at the states, masks are needed, and for them those of the layers below.
    times = jnp.broadcast_to(jnp.arange(states[0].shape[1]), states[0].shape[:2])
    mask = times < lengths[:, None]
    arrivals = times
    for number, (abstraction, seen) in enumerate(zip(abstractions, states, strict=True)):
        arrivals = jax.vmap(arrivals_above)(arrivals, mask)
        mask = jax.vmap(pivot_mask, in_axes=(None, 0, 0))(abstraction, seen, mask)
        if number >= num_strided:
            paths.append(tabled(mask, arrivals))
    return tuple(paths)


def gather(
    trajectories: Trajectories, abstractions: tuple[Abstraction, ...], layers: Sequence[Layer] = ()
) -> Experience:
    """Trajectories as experience; `Model.gather` checks them first. Not for jit: it looks at the lengths.

    Args:
        trajectories: to learn from.
        abstractions: one for each layer, bottom first.
        layers: those that are to learn, bottom first; needed where one of them learns from pivot to pivot.

    Raises:
        ValueError: if a length does not fit, or no trajectory has a step.
    """
    num_times = trajectories.states.shape[1]
    # On the host, where nothing has to be compiled for the number and the length of trajectories.
    lengths = np.asarray(trajectories.lengths)
    if np.any((lengths < 0) | (lengths > num_times)):
        raise ValueError(f"lengths must lie between 0 and {num_times}, the time axis of the states")
    # Where an example can begin: at every state that another one follows. Drawing from this list is uniform over steps,
    # however long the trajectories are.
    walks, times = np.nonzero(np.arange(num_times) < lengths[:, None] - 1)
    if walks.size == 0:
        raise ValueError("no trajectory has a step to learn from; at least one must have two states")
    # Sums from the start, so that the return of any stretch is one subtraction.
    returns = None
    if trajectories.rewards is not None:
        returns = jnp.cumsum(jnp.pad(trajectories.rewards, ((0, 0), (1, 0))), axis=1)
    # What each layer sees, and what it is asked for. A stack that lifts states one by one, and learns by drawing times,
    # has no use for the rest.
    goals: tuple[Array, ...] | None = None
    stretches: tuple[Stretches | None, ...] = ()
    from_pivots = any(layer.cortex.pivot_to_pivot for layer in layers)
    if from_pivots or any(isinstance(abstraction, PathAbstraction) for abstraction in abstractions[:-1]):
        masks, states, goals = views(trajectories, abstractions)
        paths = jax.jit(layer_paths)(states, trajectories.lengths, abstractions)
        find = partial(_find_stretches, trajectories, returns)
        if from_pivots:
            stretches = tuple(map(find, layers, states, goals, masks[:-1], masks[1:]))
    else:
        states = lift_through(abstractions, trajectories.states)
        paths = layer_paths(states, trajectories.lengths, abstractions)
    return Experience(
        trajectories=trajectories,
        walks=jnp.asarray(walks, jnp.int32),
        times=jnp.asarray(times, jnp.int32),
        states=states,
        paths=paths,
        returns=returns,
        goals=goals,
        stretches=tuple(stretches),
    )


def _find_stretches(
    trajectories: Trajectories,
    returns: Array | None,
    layer: Layer,
    states: Array,
    goals: Array,
    path: Array,
    pivots: Array,
) -> Stretches | None:
    """What one layer draws from if it learns from pivot to pivot."""
    if not layer.cortex.pivot_to_pivot:
        return None
    return stretches_lib.find(
        layer,
        states=states,
        goals=goals,
        actions=None if layer.answers_states else trajectories.actions,
        returns=returns,
        lengths=trajectories.lengths,
        path=path,
        pivots=pivots,
    )


@jax.jit
def views(
    trajectories: Trajectories, abstractions: tuple[Abstraction, ...]
) -> tuple[tuple[Array, ...], tuple[Array, ...], tuple[Array, ...]]:
    """What each layer sees of trajectories.

    Args:
        trajectories: `W` of them, `T` states long with their padding.
        abstractions: one for each layer, bottom first.

    Returns:
        Each layer's path, `[W, T]` bool, and last the top layer's pivots; each layer's states `[W, T, *S]`, each as
        what the path up to it is to the layer; and, alike, what the layer is asked for to come there.
    """
    num_times = trajectories.states.shape[1]
    masks = [jnp.arange(num_times)[None] < trajectories.lengths[:, None]]
    states, goals = [trajectories.states], []
    for number, abstraction in enumerate(abstractions):
        seen = states[-1]
        masks.append(jax.vmap(pivot_mask, in_axes=(None, 0, 0))(abstraction, seen, masks[-1]))
        if number == len(abstractions) - 1:
            # The top layer is asked for the user's goal, a single state.
            goals.append(lift_through(abstractions, trajectories.states)[-1])
        elif isinstance(abstraction, PathAbstraction):
            # No state of the path is what a pivot stands for, so the goal is what comes down from the layer above.
            states.append(jax.vmap(lift_path, in_axes=(None, 0, 0))(abstraction, seen, masks[number]))
            goals.append(abstraction.specify(states[-1], seen))
        else:
            states.append(abstraction.lift(seen))
            goals.append(seen)
    return tuple(masks), tuple(states), tuple(goals)


def answers(trajectories: Trajectories, abstractions: tuple[Abstraction, ...]) -> tuple[Array, ...]:
    """For each layer the states `[N, *S]` that it can learn to answer, each once, in order of appearance. Not for jit.

    They are those of its paths, the first ones left out, and the trajectories' ends as it sees them.

    Args:
        trajectories: to learn from.
        abstractions: one for each layer, bottom first.
    """
    masks, states, _ = views(trajectories, abstractions)
    times = jnp.arange(masks[0].shape[1])
    ends = times[None] == trajectories.lengths[:, None] - 1
    found = []
    for mask, seen in zip(masks[:-1], states, strict=True):
        rows = np.asarray(seen)[np.asarray((mask | ends) & (times > 0)[None])]
        found.append(jnp.asarray(np.stack(list({row.tobytes(): row for row in rows}.values()))))
    return tuple(found)


def sample_places(experience: Experience, key: jax.Array, batch_size: int) -> tuple[Array, Array]:
    """Trajectories and times `[B]` drawn uniformly from all that are followed by a step; `key` is consumed."""
    index = jax.random.randint(key, (batch_size,), 0, experience.walks.shape[0])
    return experience.walks[index], experience.times[index]


def horizon(experience: Experience, walks: Array, times: Array, *, number: int, lookahead: int) -> Array:
    """Time `[B]` of the pivot `lookahead` pivots of layer `number` ahead, or of the end where that comes first."""
    ends = experience.trajectories.lengths[walks] - 1

    def on(_: Array | int, far: Array) -> Array:
        return jnp.minimum(experience.paths[number + 1].following(walks, far), ends)

    if lookahead > _FEW_PIVOTS:
        return jax.lax.fori_loop(0, lookahead, on, times)
    far = times
    for _ in range(lookahead):
        far = on(_, far)
    return far


def contexts(
    experience: Experience,
    layer: Layer,
    *,
    number: int,
    walks: Array,
    times: Array,
    kept: Array,
    goals: Array | None = None,
) -> Context:
    """The contexts that an agent would have had: what its hippocampus holds, and of that what the goals recall.

    Args:
        experience: that it lived through.
        layer: that is shown them.
        number: of the layer, 0 at the bottom; its path is what is stored.
        walks: `[B]` int32.
        times: `[B]` int32.
        kept: `[B]` int32, states that it had stored since its last refresh; fewer are used where fewer exist.
        goals: `[B, *S]`, what it was asked for, the cue of recall. None where nothing is kept, as right after a
            refresh: whatever the cue, there is nothing to recall.
    """
    path, length = experience.paths[number], layer.stored_length
    path_times = [times]
    for age in range(1, length):
        path_times.append((path.newest_passed if age == 1 else path.preceding)(walks, path_times[-1]))
    at = jnp.stack(path_times[::-1], axis=1)
    ages = jnp.arange(length - 1, -1, -1)
    mask = (at >= 0) & (ages[None] <= kept[:, None])
    starts = None
    if layer.hide_start:
        # The first state since the refresh, or of all: nothing is stored that is older.
        oldest = (path.newest_passed if length == 1 else path.preceding)(walks, path_times[-1])
        older = jnp.concatenate([oldest[:, None], at[:, :-1]], axis=1)
        starts = (ages[None] == kept[:, None]) | (older < 0)
    states = experience.states[number][walks[:, None], jnp.maximum(at, 0)]
    return _show(layer, states, mask=mask, starts=starts, goals=goals)


def _show(layer: Layer, states: Array, *, mask: Array, starts: Array | None, goals: Array | None) -> Context:
    """What a layer sees of states `[B, C, *S]`; `mask` `[B, C]` is True where there is one, `starts` where to hide."""
    if starts is not None:
        states = jnp.where(starts[..., None], 0, states)
    # Positions count from the oldest state that is shown, as they do in the hippocampus itself.
    positions = jnp.cumsum(mask, axis=1) - 1
    features = layer.space.encode(states) + layer.encoding(jnp.maximum(positions, 0), layer.space.num_features)
    stored = Context(states=states, features=features, mask=mask)
    return layer.focus(stored, states[:, -1] if goals is None else goals)


def fresh_contexts(experience: Experience, layer: Layer, *, number: int, walks: Array, times: Array) -> Context:
    """As `contexts`, right after a refresh: the present state and nothing else."""
    return contexts(experience, layer, number=number, walks=walks, times=times, kept=jnp.zeros_like(times))


def examples_between(
    experience: Experience, layer: Layer, *, number: int, walks: Array, times: Array, goal_times: Array, kept: Array
) -> Examples:
    """What a layer learns from going from one time to a later one.

    Args:
        experience: that it learns from.
        layer: that learns.
        number: of the layer, 0 at the bottom.
        walks: `[B]` int32, the trajectories.
        times: `[B]` int32.
        goal_times: `[B]` int32, later than `times`; where they are not, the example is masked.
        kept: `[B]` int32, see `contexts`.
    """
    goals = (experience.goals or experience.states)[number][walks, goal_times]
    shown = contexts(experience, layer, number=number, walks=walks, times=times, kept=kept, goals=goals)
    target_times = jnp.minimum(experience.paths[number].following(walks, times), goal_times)
    return _examples(
        experience,
        layer,
        shown,
        goals,
        number=number,
        walks=walks,
        times=times,
        target_times=target_times,
        goal_times=goal_times,
    )


def _examples(
    experience: Experience,
    layer: Layer,
    shown: Context,
    goals: Array,
    *,
    number: int,
    walks: Array,
    times: Array,
    target_times: Array,
    goal_times: Array,
) -> Examples:
    """Of contexts and goals the examples, with what to answer and its score."""
    trajectories, target_space = experience.trajectories, layer.cortex.kernel.target_space
    if number == 0 and trajectories.actions is not None:
        targets = trajectories.actions[walks, times]
    else:
        targets = experience.states[number][walks, target_times]
        if isinstance(target_space, Stopping):
            targets = target_space.join(targets, target_times == goal_times)
    returns = None
    if experience.returns is not None:
        returns = experience.returns[walks, goal_times] - experience.returns[walks, times]
    return Examples(
        context=shown,
        goals=goals,
        targets=targets,
        scores=layer.cortex.score_rule.score(goal_times - times, returns),
        mask=goal_times > times,
    )


def sample(experience: Experience, layer: Layer, *, number: int, key: jax.Array, batch_size: int) -> Examples:
    """Draws hindsight examples for one layer: those of `draw`."""
    draws = draw(experience, layer, number=number, key=key, batch_size=batch_size)
    return examples_at(experience, layer, draws, number=number)


def draw(experience: Experience, layer: Layer, *, number: int, key: jax.Array, batch_size: int) -> Draws:
    """Draws where examples lie; on the device, without ever listing all pairs of times and pivots.

    How much of a context is filled is drawn too, as a refresh may have come any time.

    Args:
        experience: to draw from.
        layer: that is to learn.
        number: of the layer, 0 at the bottom.
        key: consumed.
        batch_size: B.
    """
    stretches = experience.stretches[number] if experience.stretches else None
    if stretches is not None:
        drawn = jax.random.randint(key, (batch_size,), 0, stretches.walks.shape[0])
        zeros = jnp.zeros_like(drawn)
        return Draws(walks=drawn, times=zeros, goal_times=zeros, kept=zeros)
    place_key, goal_key, context_key = jax.random.split(key, 3)
    walks, times = sample_places(experience, place_key, batch_size)
    spans = horizon(experience, walks, times, number=number, lookahead=layer.cortex.lookahead) - times
    if layer.cortex.max_steps is not None:
        spans = jnp.minimum(spans, layer.cortex.max_steps)
    distances = _sample_distances(goal_key, spans, layer.cortex.goal_discount)
    kept = jax.random.randint(context_key, (batch_size,), 0, layer.stored_length)
    return Draws(walks=walks, times=times, goal_times=times + distances, kept=kept)


def examples_at(experience: Experience, layer: Layer, draws: Draws, *, number: int) -> Examples:
    """The hindsight examples `[B]` of a layer that lie where `draw` says."""
    stretches = experience.stretches[number] if experience.stretches else None
    if stretches is not None:
        places = jax.tree.map(lambda column: column[draws.walks], stretches)
        return _listed_examples(experience, layer, places, number=number)
    return examples_between(
        experience,
        layer,
        number=number,
        walks=draws.walks,
        times=draws.times,
        goal_times=draws.goal_times,
        kept=draws.kept,
    )


def _listed_examples(experience: Experience, layer: Layer, places: Stretches, *, number: int) -> Examples:
    """As `examples_between`, of places `[B]` for which all was looked up before."""
    walks, at = places.walks, places.context_times
    goals = (experience.goals or experience.states)[number][walks, places.goal_times]
    starts = None
    if layer.hide_start:
        starts = jnp.arange(at.shape[1] - 1, -1, -1)[None] == places.kept[:, None]
    seen = experience.states[number][walks[:, None], jnp.maximum(at, 0)]
    return _examples(
        experience,
        layer,
        _show(layer, seen, mask=at >= 0, starts=starts, goals=goals),
        goals,
        number=number,
        walks=walks,
        times=places.times,
        target_times=places.target_times,
        goal_times=places.goal_times,
    )


def _sample_distances(key: jax.Array, spans: Array, discount: float) -> Array:
    """Whole numbers in `[1, span]`, in proportion to `discount ** d`."""
    uniform = jax.random.uniform(key, spans.shape)
    if discount == 1.0:
        distances = 1 + jnp.floor(uniform * spans)
    else:
        # The inverse of the truncated geometric distribution function.
        distances = 1 + jnp.floor(jnp.log1p(-uniform * (1 - discount**spans)) / jnp.log(discount))
    return jnp.clip(distances.astype(jnp.int32), 1, jnp.maximum(spans, 1))
