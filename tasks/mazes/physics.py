"""Many points in a maze at once, as OGBench's environment moves one.

The environment adds 0.2 of the action to the position, sets the velocity to 0, and lets MuJoCo do five steps. Without a
wall in reach nothing acts on the point, and it stays where it was put, to the bit. In reach of a wall MuJoCo pushes it
back: that is left to MuJoCo, in a model of the 3 x 3 cells around the point, which has every wall that can touch it.
"""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ET

import mujoco
import numpy as np
from mujoco import rollout
from ogbench.locomaze import point

from tasks.mazes import layout as layouts

STEP_SIZE = 0.2
"""What an action is multiplied by; upstream's, in the step of `PointEnv`."""
_NUM_SUBSTEPS = 5
# The walls in reach are searched a little farther than a contact goes, so that rounding loses none.
_SLACK = 1e-9
_AROUND = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)])


class Physics:
    """Moves points in a maze. Close it when done, or use it as a context."""

    def __init__(self, layout: layouts.Layout):
        """Makes a model for each arrangement of walls around a free cell of the maze."""
        self._layout = layout
        cells = layout.free_cells[:, None] + _AROUND
        patterns, kinds = np.unique(layout.is_wall(cells), axis=0, return_inverse=True)
        self._kinds = kinds.reshape(-1)
        # [F, 9]: which cells around a free cell are walls.
        self._walls = patterns[self._kinds]
        whole = _local_model(layout)
        self._models = [_with_walls(whole, pattern) for pattern in patterns]
        self._data = mujoco.MjData(whole)
        # In this thread: a few points in a thousand are at a wall, too few at once to be shared by more.
        self._rollout = rollout.Rollout(nthread=0)
        self._state_size = mujoco.mj_stateSize(whole, mujoco.mjtState.mjSTATE_FULLPHYSICS)

    def __enter__(self) -> Physics:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends MuJoCo's part."""
        self._rollout.close()

    def step(self, positions: np.ndarray, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Moves points by one step of the environment, without its teleporters.

        Args:
            positions: `[N, 2]` float64, in free cells.
            actions: `[N, 2]` from -1 to 1.

        Returns:
            The new positions `[N, 2]`, and whether a wall was in reach `[N]` bool.

        Raises:
            ValueError: if the centre of a point would be in a wall, which no step from a free place leads to.
        """
        targets = positions + STEP_SIZE * actions
        cells = self._layout.to_cell(targets)
        centres = self._layout.to_position(cells)
        numbers = self._layout.numbers[tuple(cells.T)]
        buried = np.flatnonzero(numbers == len(self._walls))
        if len(buried):
            raise ValueError(f"point {buried[0]} would be at {targets[buried[0]]}, in a wall; expected free places")
        inside = targets - centres
        close = self._in_reach(inside, self._walls[numbers])
        touched = np.flatnonzero(close)
        if len(touched):
            targets[touched] = centres[touched] + self._pushed(inside[touched], self._kinds[numbers[touched]])
        return targets, close

    def _in_reach(self, inside: np.ndarray, walls: np.ndarray) -> np.ndarray:
        """Whether a wall is in reach `[N]`, from places `[N, 2]` about the cell's centre and its walls `[N, 9]`."""
        unit = self._layout.unit
        away = np.abs(inside[:, None] - _AROUND[:, ::-1] * unit) - unit / 2
        distances = np.square(np.maximum(away, 0.0)).sum(-1)
        return (walls & (distances < (self._layout.point_radius + _SLACK) ** 2)).any(-1)

    def _pushed(self, inside: np.ndarray, kinds: np.ndarray) -> np.ndarray:
        """Where MuJoCo moves points `[M, 2]`, both about the centres of their cells, in models `[M]`."""
        states = np.zeros((len(inside), self._state_size))
        states[:, 1:3] = inside
        models = [self._models[kind] for kind in kinds]
        controls = np.zeros((len(inside), _NUM_SUBSTEPS, self._models[0].nu))
        # Without a warm start from the step before, so that a step depends on nothing but the position.
        moved, _ = self._rollout.rollout(models, self._data, states, controls)
        return moved[:, -1, 1:3]


def teleport(
    teleporters: layouts.Teleporters | None, positions: np.ndarray, exits: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Moves the points near an entry to an exit, as the environment does after a step.

    What it returns as the observation of that step is the position before: upstream's is taken from the simulator
    before the point is moved.

    Args:
        teleporters: of the maze, or None.
        positions: `[N, 2]`.
        exits: `[N]` int, the exit that each is moved to if it is near an entry.

    Returns:
        The positions `[N, 2]`, and which were moved `[N]` bool.
    """
    if teleporters is None:
        return positions, np.zeros(len(positions), bool)
    away = np.linalg.norm(positions[:, None] - teleporters.entries, axis=-1)
    moved = (away <= teleporters.radius).any(-1)
    return np.where(moved[:, None], teleporters.exits[exits], positions), moved


def _local_model(layout: layouts.Layout) -> mujoco.MjModel:
    """Upstream's model of the point among nine walls about the origin, in the order of `_AROUND`."""
    tree = ET.parse(point.PointEnv.xml_file).getroot()
    # Textures and lights change no step, and every copy of the model would have them.
    for parent in list(tree.iter()):
        parent.attrib.pop("material", None)
        for child in [each for each in parent if each.tag in ("asset", "light")]:
            parent.remove(child)
    body = tree.find("worldbody")
    assert body is not None
    half, height = layout.unit / 2, layout.wall_height * layout.unit / 2
    for number, (i, j) in enumerate(_AROUND):
        ET.SubElement(
            body,
            "geom",
            name=f"wall{number}",
            type="box",
            pos=f"{j * layout.unit} {i * layout.unit} {height}",
            size=f"{half} {half} {height}",
            contype="1",
            conaffinity="1",
        )
    return mujoco.MjModel.from_xml_string(ET.tostring(tree, encoding="unicode"))


def _with_walls(whole: mujoco.MjModel, walls: np.ndarray) -> mujoco.MjModel:
    """A copy in which the other walls touch nothing; `walls` is `[9]` bool."""
    model = copy.copy(whole)
    for number in np.flatnonzero(~walls):
        geom = model.geom(f"wall{number}")
        geom.contype = geom.conaffinity = 0
    return model
