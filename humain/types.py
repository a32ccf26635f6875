"""Pytrees that the whole library shares.

Letters in shapes: B batch, W trajectories, T time, C context length, F features, K slots, N nodes of a plan, G goals of
a plan's layer. `*S` stands for the shape of one state (`()` for ids, `(D,)` for vectors), `*V` for that of one target.
Layers of a stack may have different spaces, and so different `*S`.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from humain import padding
from humain.padding import Stacked

Array = jax.Array


@struct.dataclass
class Trajectories:
    """What was experienced, in time order, padded to one length.

    Attributes:
        states: `[W, T, *S]`.
        lengths: `[W]` int32; states at and after a trajectory's length are padding.
        actions: `[W, T, *V]` or None; `actions[:, t]` leads from `states[:, t]` to `states[:, t + 1]`.
        rewards: `[W, T]` or None; `rewards[:, t]` was received for `actions[:, t]`.
        terminated: `[W]` bool or None; True where the world ended the trajectory, False where it was merely cut off.
    """

    states: Array
    lengths: Array
    actions: Array | None = None
    rewards: Array | None = None
    terminated: Array | None = None

    @classmethod
    def from_arrays(
        cls,
        states: Stacked,
        *,
        lengths: Sequence[int] | np.ndarray | Array | None = None,
        actions: Stacked | None = None,
        rewards: Stacked | None = None,
        terminated: Sequence[bool] | np.ndarray | Array | None = None,
    ) -> "Trajectories":
        """Trajectories out of NumPy arrays or lists, padded with zeros where they are of different lengths.

        Whole numbers become ids (int32), floats vectors (float32).

        Args:
            states: `[W, T]` ids or `[W, T, D]` vectors; or a list of W trajectories, each `[T_w]` or `[T_w, D]`.
            lengths: `[W]`, 1 to T; only where `states` is one array. None if all trajectories fill it.
            actions: as `states`, ids or vectors; with as many entries a trajectory as it has states, or one fewer, as
                no action follows the last state.
            rewards: as `actions`, numbers.
            terminated: `[W]` bool, True where the world ended the trajectory, False where it was merely cut off.

        Raises:
            ValueError: when there are no trajectories, or shapes, lengths or types do not fit together.
        """
        if isinstance(states, (np.ndarray, jax.Array)) or lengths is not None:
            table = padding.numbers("states", states)
            if table.ndim < 2:
                raise ValueError(
                    f"states are {list(table.shape)}; expected one row for each trajectory, [W, T] ids or [W, T, D] "
                    "vectors; a single trajectory is states[None]"
                )
            counts = np.full(len(table), table.shape[1]) if lengths is None else np.asarray(lengths)
            if counts.shape != table.shape[:1] or counts.dtype.kind not in "iu":
                raise ValueError(
                    f"lengths must be [{len(table)}] whole numbers, not {counts.dtype}{list(counts.shape)}"
                )
            if counts.size and not (counts.min() >= 1 and counts.max() <= table.shape[1]):
                raise ValueError(
                    f"lengths must lie between 1 and {table.shape[1]}, not {counts.min()} to {counts.max()}"
                )
        else:
            counts = np.array([len(walk) for walk in states], np.int32)
            table = padding.padded("states", states, counts, counts)
        if not table.size:
            raise ValueError(f"there are no states in an array {list(table.shape)}; expected at least one trajectory")
        if table.dtype.kind == "f" and table.ndim == 2:
            raise ValueError(
                f"states are {list(table.shape)} floats; vectors need a last axis, [W, T, D], also of one number "
                "(states[..., None]), and ids must be whole numbers"
            )

        def beside(name: str, values: Stacked | None) -> Array | None:
            return None if values is None else jnp.asarray(padding.beside(name, values, table.shape[1], counts))

        ended = None if terminated is None else np.asarray(terminated)
        if ended is not None and (ended.shape != counts.shape or ended.dtype != bool):
            raise ValueError(f"terminated must be [{len(counts)}] bool, not {ended.dtype}{list(ended.shape)}")
        received = beside("rewards", rewards)
        if received is not None and received.ndim != 2:
            raise ValueError(f"rewards must be one number a step, [W, T], not {list(received.shape)}")
        return cls(
            states=jnp.asarray(table),
            lengths=jnp.asarray(counts, jnp.int32),
            actions=beside("actions", actions),
            rewards=None if received is None else received.astype(jnp.float32),
            terminated=None if ended is None else jnp.asarray(ended),
        )


@struct.dataclass
class Context:
    """What a cortex sees of the episode, the present state last.

    Attributes:
        states: `[B, C, *S]`.
        features: `[B, C, F]`, the states as features, position encoding added.
        mask: `[B, C]` bool, True where there is a state. The last entry is always True.
    """

    states: Array
    features: Array
    mask: Array


@struct.dataclass
class Slots:
    """Several hypotheses for one question.

    Attributes:
        values: `[B, K, *V]`, each a next state, a sub-goal or an action.
        scores: `[B, K]`, how good each has proved; `-inf` where nothing has ever been stored.
    """

    values: Array
    scores: Array


@struct.dataclass
class Answer:
    """The best hypothesis.

    Attributes:
        value: `[B, *V]`.
        score: `[B]`.
        known: `[B]` bool; False where the kernel has nothing stored for the question.
        ends: `[B]` bool; True where the kernel says that the way to the goal ends with this value.
    """

    value: Array
    score: Array
    known: Array
    ends: Array


@struct.dataclass
class Examples:
    """What a kernel learns from: in this context, asked for this goal, the target proved as good as the score.

    Attributes:
        context: as a kernel is asked with.
        goals: `[B, *S]`.
        targets: `[B, *V]`.
        scores: `[B]` in `[0, 1]`.
        mask: `[B]` bool; False where an entry is to be passed over.
    """

    context: Context
    goals: Array
    targets: Array
    scores: Array
    mask: Array


@struct.dataclass
class PlanLayer:
    """One layer of a plan; its nodes are in time order.

    Attributes:
        states: `[B, N, *S]`, what the layer asked for, in its own terms (of the layer's own space), or at the bottom
            the states to pass.
        parents: `[B, N]` int32, index of the goal (a node of the layer above; for the top layer always 0, the user's
            goal) that the node was asked for under.
        scores: `[B, N]`, the cortex's score of each node.
        valid: `[B, N]` bool.
        reached: `[B, G]` bool, for each goal of this layer whether the nodes under it end there.
        attempted: `[B, G]` bool, for each goal whether the layer worked on it.
    """

    states: Array
    parents: Array
    scores: Array
    valid: Array
    reached: Array
    attempted: Array


@struct.dataclass
class Plan:
    """A whole plan: a tree, the user's goal above the sub-goals above the steps.

    Attributes:
        starts: `[B, *S]`.
        goals: `[B, *S]`.
        layers: bottom layer first.
        complete: `[B]` bool, True where every layer reached every goal that it was given and the steps end at the
            user's. Where it is False the plan says in `attempted` and `reached` which goal of which layer was not
            reached (none, where a layer takes start and goal for one state and so asks for nothing); its steps must
            not be taken for a way to the goal.
    """

    starts: Array
    goals: Array
    layers: tuple[PlanLayer, ...]
    complete: Array
