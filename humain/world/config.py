"""How layers learn from imagination."""

import dataclasses

_COUNTS = (
    "pool_size",
    "num_branches",
    "num_judged",
    "branch_steps",
    "num_pushes",
    "subgoal_steps",
    "action_examples",
)
_SHARES = ("explore", "restart", "goal_share", "reach", "averaging")
_POSITIVE = ("goal_distance", "closeness_width", "stretch")


@dataclasses.dataclass(frozen=True)
class ImaginationConfig:
    """How the layers learn; times are in steps.

    Attributes:
        pool_size: imagined states, B.
        num_branches: futures of each, J; a multiple of `num_judged`.
        num_judged: futures of each for which the upper layer judges what lies beyond.
        branch_steps: length of a future, T; a multiple of `num_pushes`.
        num_pushes: parts of a future, each with a tendency to one action.
        subgoal_steps: how far ahead the upper layer's sub-goal lies; less than `branch_steps`.
        action_examples: examples of the bottom layer for each imagined state; a layer by itself gets one more, and all
            of them must lie within `branch_steps`.
        discount: of the values of states to come.
        explore: share of the pool that follows a random branch in place of the best.
        restart: share of the pool that begins anew at an experienced state.
        goal_share: share of new goals that are drawn at random; the rest are `target`.
        goal_coordinates: which coordinates of a goal are drawn.
        goal_distance: a goal is asked for piecemeal where it is farther away than this many times the state's spread.
        goal_weights: what each coordinate counts in closeness.
        closeness_width: distance at which closeness is a half.
        reach: share of the known range that goals are drawn from.
        stretch: how far goals may lie, as a multiple of how far states have been.
        averaging: share of the upper layer that enters the slow average which judges what lies beyond a branch.
        target: the goal where none is named, as pairs of a coordinate and its value in its own unit; other coordinates
            are asked to be in the middle of what was first experienced.
    """

    pool_size: int
    num_branches: int
    num_judged: int
    branch_steps: int
    num_pushes: int
    subgoal_steps: int
    action_examples: int
    discount: float
    explore: float
    restart: float
    goal_share: float
    goal_coordinates: tuple[int, ...]
    goal_distance: float
    goal_weights: tuple[float, ...]
    closeness_width: float
    reach: float
    stretch: float
    averaging: float
    target: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for whole, part in (("branch_steps", "num_pushes"), ("num_branches", "num_judged")):
            if getattr(self, whole) % getattr(self, part):
                raise ValueError(
                    f"{whole} ({getattr(self, whole)}) is not a multiple of {part} ({getattr(self, part)})"
                )
        if self.subgoal_steps >= self.branch_steps:
            raise ValueError(
                f"subgoal_steps ({self.subgoal_steps}) must be less than branch_steps ({self.branch_steps})"
            )
        if not 0 < self.discount < 1:
            raise ValueError(f"discount must lie between 0 and 1, not {self.discount}")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], not {getattr(self, name)}")
        for name in _POSITIVE:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)}")
        if not all(weight >= 0 for weight in self.goal_weights):
            raise ValueError(f"goal_weights must be at least 0, not {self.goal_weights}")
        size = len(self.goal_weights)
        if not all(0 <= coordinate < size for coordinate in (*self.goal_coordinates, *dict(self.target))):
            raise ValueError(
                f"goal_coordinates and target name coordinates {self.goal_coordinates} and {tuple(dict(self.target))}; "
                f"with {size} goal_weights there are 0 to {size - 1}"
            )
