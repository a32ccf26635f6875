"""Pytrees that the whole library shares.

Letters in shapes: B batch, W trajectories, T time, C context length, F features, K slots, N nodes of a plan, G goals of
a plan's layer. `*S` stands for the shape of one state (`()` for ids, `(D,)` for vectors), `*V` for that of one target.
"""

import jax
from flax import struct

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
        states: `[B, N, *S]`, what the layer asked for, in its own terms, or at the bottom the states to pass.
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
