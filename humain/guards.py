"""What is refused where a user's data enters: what would otherwise be learned, or answered, wrong without a word.

All of this runs on the host, before anything is traced, and converts lists and NumPy arrays once. Within a user's own
jit there are no values yet: of tracers shapes and types are checked, and nothing else.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from humain import padding
from humain.abstraction.abstraction import Abstraction, CountedAbstraction
from humain.hippocampus.location import Located
from humain.spaces import Discrete, Space
from humain.types import Array, Trajectories

_LOOKED_AT = 4096
"""Most numbers of an array on a device that are looked at while acting."""
_FEW = 32
"""Most ids that Python looks at one by one."""


def check_number(num_layers: int, num_abstractions: int) -> None:
    """Refuses another number of abstractions than layers.

    Raises:
        ValueError: saying how many there are of each.
    """
    if num_layers != num_abstractions:
        raise ValueError(
            f"{num_layers} layers need as many abstractions, not {num_abstractions}; give one for each, bottom first"
        )


def check_lifts(spaces: Sequence[Space], abstractions: Sequence[Abstraction]) -> None:
    """Refuses abstractions that don't lead from each layer's space to that of the layer above, and down again.

    Shapes, types and numbers of ids are looked at, and nothing is computed: arrays may be tracers.

    Args:
        spaces: of each layer's states, bottom first.
        abstractions: one for each layer, bottom first. The top one lifts nothing, and chooses pivots all the same.

    Raises:
        ValueError: naming the layer, the abstraction, and what does not fit.
    """
    position = jax.ShapeDtypeStruct((), jnp.int32)
    elements = [jax.ShapeDtypeStruct(space.shape, space.dtype) for space in spaces]
    for number, (here, abstraction) in enumerate(zip(elements, abstractions, strict=True)):
        name = f"the abstraction of layer {number} ({type(abstraction).__name__})"
        try:
            jax.eval_shape(abstraction.is_pivot, here, here, here, position)
        except (IndexError, TypeError, ValueError) as error:
            raise ValueError(f"{name} chooses no pivots among {spaces[number]}: {_first_line(error)}") from error
        if number == len(spaces) - 1:
            break
        above = elements[number + 1]
        try:
            lifted = jax.eval_shape(abstraction.lift, here)
        except (IndexError, TypeError, ValueError) as error:
            raise ValueError(f"{name} can't lift {spaces[number]}: {_first_line(error)}") from error
        if (lifted.shape, lifted.dtype) != (above.shape, above.dtype):
            raise ValueError(
                f"{name} lifts to {lifted.dtype}{list(lifted.shape)}, and layer {number + 1} is for "
                f"{spaces[number + 1]}, of {above.dtype}{list(above.shape)}; give that layer a kernel for what it "
                "lifts to, or take another abstraction"
            )
        ids = spaces[number + 1]
        ids = ids.space if isinstance(ids, Located) else ids
        if (
            isinstance(abstraction, CountedAbstraction)
            and isinstance(ids, Discrete)
            and abstraction.num_lifted > ids.num_elements
        ):
            raise ValueError(
                f"{name} lifts to the ids 0 to {abstraction.num_lifted - 1}, and those of layer {number + 1} are 0 to "
                f"{ids.num_elements - 1}; give that layer a space of {abstraction.num_lifted} ids"
            )
        try:
            specified = jax.eval_shape(abstraction.specify, above, here)
        except (IndexError, TypeError, ValueError) as error:
            raise ValueError(f"{name} can't specify goals of {spaces[number + 1]}: {_first_line(error)}") from error
        if (specified.shape, specified.dtype) != (here.shape, here.dtype):
            raise ValueError(
                f"{name} specifies goals as {specified.dtype}{list(specified.shape)}, and layer {number} is for "
                f"{spaces[number]}, of {here.dtype}{list(here.shape)}"
            )


def _first_line(error: Exception) -> str:
    """What an error says first: JAX explains at length."""
    return str(error).strip().partition("\n")[0]


def check_lifted(number: int, space: Space, states: Array, lengths: Array) -> None:
    """Refuses states that an abstraction lifted out of the space of the layer above.

    Args:
        number: of the layer above.
        space: of its states.
        states: `[W, T, *S]`, as that layer sees them.
        lengths: `[W]`, of the trajectories.

    Raises:
        ValueError: naming the layer and a state.
    """
    there = np.arange(states.shape[1])[None] < np.asarray(lengths)[:, None]
    _converted(f"the states lifted to layer {number}", space, np.asarray(states), there)


def questions(
    space: Space, states: Any, goals: Any, *, batch_size: int | None = None, wait: bool = True
) -> tuple[Any, Any]:
    """Where agents are and shall go, checked, and of the space's own type.

    Args:
        space: of states and goals.
        states: `[B, *S]`.
        goals: `[B, *S]`.
        batch_size: B, where it is known; else the states say it.
        wait: whether values that are on a device, or not computed yet, are waited for to be looked at. False while
            acting, where waiting would cost more than the step; then they are looked at only where they are at hand.

    Raises:
        ValueError: naming what is wrong with which of them.
    """
    states = _elements("states", space, states, wait=wait)
    goals = _elements("goals", space, goals, wait=wait)
    if batch_size is None:
        batch_size = states.shape[0] if states.ndim else 1
    expected = (batch_size, *space.shape)
    for name, found in (("states", states), ("goals", goals)):
        if found.shape != expected:
            raise ValueError(
                f"{name} have shape {list(found.shape)}, expected {list(expected)}: one element of {space} for each "
                "agent"
            )
    return states, goals


def numbers(name: str, given: Any, *, size: int, limit: int) -> np.ndarray:
    """Int32 `[size]`, each from 0 to `limit - 1`.

    Raises:
        ValueError: naming what is wrong.
    """
    found = padding.on_host(name, given)
    if found.shape != (size,) or found.dtype.kind not in "iu":
        raise ValueError(f"{name} are {found.dtype}{list(found.shape)}, expected whole numbers [{size}]")
    if found.size and (found.min() < 0 or found.max() >= limit):
        wrong = found.min() if found.min() < 0 else found.max()
        raise ValueError(f"{name} must lie between 0 and {limit - 1}, not {wrong}")
    return found.astype(np.int32)


def trajectories(given: Trajectories, *, space: Space, target_space: Space) -> Trajectories:
    """Trajectories as arrays of the spaces' own types. What lies behind a trajectory's end is not looked at.

    Args:
        given: of arrays, NumPy's or JAX's, or lists.
        space: of the states.
        target_space: of what the bottom layer answers. Where it is `space`, that is the next state, else an action.

    Raises:
        ValueError: naming what is wrong with what.
    """
    if target_space == space and given.actions is not None:
        raise ValueError(
            f"the trajectories have actions, and the bottom layer answers states of {space}: it would learn actions as "
            "states; leave them out (actions=None), or give the bottom layer a kernel whose target_space is theirs, "
            f"which must differ from {space} (make one of the two larger, or its tolerance another)"
        )
    if target_space != space and given.actions is None:
        raise ValueError(
            f"the trajectories have no actions, and the bottom layer answers {target_space}: it would learn states as "
            f"actions; give actions, or give the bottom layer a kernel whose target_space is {space}"
        )
    states = _array("states", space, given.states)
    if states.ndim != 2 + len(space.shape) or states.shape[2:] != space.shape:
        raise ValueError(
            f"states have shape {list(states.shape)}, expected [W, T{''.join(f', {size}' for size in space.shape)}]: "
            f"W trajectories of T elements of {space}; a single one is states[None]"
        )
    num_walks, num_times = states.shape[:2]
    lengths = _lengths(given.lengths, num_walks, num_times)
    # A step is taken from each state but a trajectory's last.
    there = np.arange(num_times)[None] < lengths[:, None]
    steps = np.arange(num_times)[None] < lengths[:, None] - 1
    states = _converted("states", space, states, there)
    return Trajectories(
        states=jnp.asarray(states),
        lengths=jnp.asarray(lengths, jnp.int32),
        actions=None if given.actions is None else _actions(given.actions, target_space, steps),
        rewards=None if given.rewards is None else _rewards(given.rewards, steps),
        terminated=None if given.terminated is None else _terminated(given.terminated, num_walks),
    )


def _actions(given: Any, space: Space, steps: np.ndarray) -> Array:
    actions = _array("actions", space, given)
    _check_shape("actions", actions, (*steps.shape, *space.shape))
    return jnp.asarray(_converted("actions", space, actions, steps))


def _rewards(given: Any, steps: np.ndarray) -> Array:
    rewards = padding.on_host("rewards", given)
    if rewards.dtype.kind not in "fiu":
        raise ValueError(f"rewards are {rewards.dtype}, expected numbers")
    _check_shape("rewards", rewards, steps.shape)
    converted = padding.rounded(rewards)
    _check_finite("rewards", converted[steps], rewards[steps])
    # A sum must not be spoilt by what fills up the rest.
    return jnp.asarray(np.where(steps, converted, 0), jnp.float32)


def _terminated(given: Any, num_walks: int) -> Array:
    terminated = padding.on_host("terminated", given)
    if terminated.dtype != bool:
        raise ValueError(f"terminated is {terminated.dtype}, expected bool: True where the world ended it")
    _check_shape("terminated", terminated, (num_walks,))
    return jnp.asarray(terminated)


def _elements(name: str, space: Space, given: Any, *, wait: bool) -> Any:
    """Elements of a space, of its own type: NumPy's for a list, which a jitted call takes as it is."""
    if isinstance(given, jax.Array):
        # Of any type, as what JAX declares of its arrays lacks `is_ready`.
        held: Any = given
        converted = given
        if given.dtype != space.dtype:
            _check_type(name, space, given.dtype)
            converted = jnp.asarray(given, space.dtype)
        if isinstance(given, jax.core.Tracer):
            return converted
        if wait or (held.platform() == "cpu" and held.is_ready() and held.size <= _LOOKED_AT):
            _converted(name, space, np.asarray(given))
        return converted
    return _converted(name, space, _array(name, space, given))


def _array(name: str, space: Space, given: Any) -> np.ndarray:
    """What is given, on the host, if it is of a type that elements of the space can be made of."""
    found = padding.on_host(name, given)
    _check_type(name, space, found.dtype)
    return found


def _check_type(name: str, space: Space, dtype: Any) -> None:
    """Ids are whole numbers and vectors are numbers; neither are truth values."""
    wanted = "iu" if np.dtype(space.dtype).kind in "iu" else "fiu"
    # `bfloat16` and its like are of kind V.
    if np.dtype(dtype).kind not in wanted and not ("f" in wanted and jnp.issubdtype(dtype, jnp.floating)):
        kind = "whole numbers" if wanted == "iu" else "numbers"
        raise ValueError(f"{name} are {np.dtype(dtype)}, and the elements of {space} are {kind}; convert them")


def _converted(name: str, space: Space, elements: np.ndarray, looked_at: np.ndarray | None = None) -> np.ndarray:
    """Elements of the space's own type; ids lie in the space, and vectors are finite, both where they are looked at."""
    ids = space.space if isinstance(space, Located) else space
    if isinstance(ids, Discrete):
        # What is too large for the type would come round to another id.
        _check_ids(name, space, ids, elements if looked_at is None else elements[looked_at])
        return elements.astype(space.dtype, copy=False)
    if np.dtype(space.dtype).kind != "f":
        return elements.astype(space.dtype, copy=False)
    # What is too large for the type becomes infinite.
    converted = elements if elements.dtype == space.dtype else padding.rounded(elements, space.dtype)
    if looked_at is None:
        _check_finite(name, converted, elements)
    else:
        _check_finite(name, converted[looked_at], elements[looked_at])
    return converted


def _check_ids(name: str, space: Space, ids: Discrete, elements: np.ndarray) -> None:
    if elements.size:
        # NumPy takes longer to begin a reduction than Python to make a short one.
        numbers = elements.ravel().tolist() if elements.size <= _FEW else (elements.min(), elements.max())
        least, most = min(numbers), max(numbers)
        if least < 0 or most >= ids.num_elements:
            raise ValueError(
                f"{name} hold {least if least < 0 else most}, and the ids of {space} are 0 to {ids.num_elements - 1}; "
                "make the space larger, or leave it out"
            )


def _check_finite(name: str, converted: np.ndarray, given: np.ndarray) -> None:
    """Refuses what is not finite once it is converted, and says what it was."""
    if not np.isfinite(converted).all():
        wrong = given[tuple(np.argwhere(~np.isfinite(converted))[0])]
        raise ValueError(
            f"{name} hold {wrong}, expected finite numbers, also as {converted.dtype}; scale what is too large, and "
            "leave out what is not known"
        )


def _check_shape(name: str, found: np.ndarray, expected: Sequence[int]) -> None:
    if found.shape != tuple(expected):
        raise ValueError(f"{name} have shape {list(found.shape)}, expected {list(expected)}, as the states say")


def _lengths(given: Any, num_walks: int, num_times: int) -> np.ndarray:
    lengths = padding.on_host("lengths", given)
    if lengths.shape != (num_walks,) or lengths.dtype.kind not in "iu":
        raise ValueError(
            f"lengths are {lengths.dtype}{list(lengths.shape)}, expected whole numbers [{num_walks}], one for each "
            "trajectory"
        )
    if lengths.size and (lengths.min() < 0 or lengths.max() > num_times):
        wrong = lengths.min() if lengths.min() < 0 else lengths.max()
        raise ValueError(f"lengths must lie between 0 and {num_times}, the time axis of the states, not {wrong}")
    return lengths
