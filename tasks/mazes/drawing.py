"""Pictures of a maze: places by their distance to a goal, plans, and episodes as moving pictures.

Equal data give equal bytes. x grows to the right and y upwards; a cell has the same number of pixels in every picture.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tasks.mazes.evaluation import PlayedEpisode
from tasks.mazes.layout import Layout

Color = tuple[int, int, int]

CELL_PIXELS = 44
_FOOT_PIXELS = 26
_FRAME_MILLISECONDS = 60
_LAST_FRAME_MILLISECONDS = 1500
# Frames are drawn this many times too large, and shrunk: that smooths their edges.
_OVERSAMPLING = 2

_WALL: Color = (92, 99, 112)
_FLOOR: Color = (255, 255, 255)
_TEXT: Color = (28, 30, 33)
_GOAL: Color = (0, 158, 115)
_AGENT: Color = (0, 114, 178)
_START: Color = (0, 0, 0)
_TRAIL: Color = (86, 180, 233)
_UNKNOWN: Color = (214, 214, 214)
_LAYERS: tuple[Color, ...] = ((230, 159, 0), (213, 94, 0), (204, 121, 167))
"""Sub-goals of each layer, bottom first."""
# From near to far: light to dark, as it looks in grey too.
_NEAR, _MIDDLE, _FAR = (253, 231, 160), (90, 160, 170), (60, 30, 100)

CAPTION = (
    "Blue is the agent with its trail, green the goal with the radius that counts as reached. The sub-goals of this "
    "moment: amber what the bottom layer was asked for, red what the layer of places was asked for."
)
"""What a moving picture shows."""


@dataclasses.dataclass(frozen=True)
class Way:
    """Positions that are joined by a line, as of one layer of a plan.

    Attributes:
        positions: `[N, 2]`, in order.
        layer: from 0, which says how it is drawn.
    """

    positions: np.ndarray
    layer: int


def draw_places(
    path: pathlib.Path,
    layout: Layout,
    centers: np.ndarray,
    distances: np.ndarray,
    *,
    ways: Sequence[Way] = (),
    start: np.ndarray | None = None,
    goal: np.ndarray | None = None,
    title: str = "",
) -> None:
    """Draws places by their distance to a goal, near ones light, far ones dark, and what a plan says.

    Args:
        path: the PNG file to write.
        layout: the maze.
        centers: `[K, 2]` of the places.
        distances: `[K]`; grey where they are not finite.
        ways: of a plan, the lowest layer first.
        start: `[2]`, marked if given.
        goal: `[2]`, marked if given.
        title: a line below.
    """
    canvas = _Canvas(layout)
    known = np.isfinite(distances)
    longest = float(distances[known].max(initial=0)) or 1.0
    for center, distance in zip(centers, distances, strict=True):
        color = _shade(float(distance) / longest) if np.isfinite(distance) else _UNKNOWN
        canvas.disc(center, 0.30, color)
    for way in ways:
        color = _LAYERS[min(way.layer, len(_LAYERS) - 1)]
        canvas.line(way.positions, color, width=2 + 2 * way.layer)
        for position in way.positions:
            canvas.ring(position, 0.25 + 0.35 * way.layer, color, width=2)
    canvas.ends(start, goal)
    canvas.text(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.image().save(path, format="PNG")


def draw_episode(
    path: pathlib.Path, layout: Layout, episode: PlayedEpisode, *, title: str = "", max_frames: int = 120
) -> None:
    """Draws an episode as a moving picture, with the sub-goals of each moment.

    Args:
        path: the GIF file to write.
        layout: the maze.
        episode: to show.
        title: a line below.
        max_frames: of a long episode, so many moments are shown, evenly spread.

    Raises:
        ValueError: for less than one frame.
    """
    if max_frames < 1:
        raise ValueError(f"max_frames must be at least 1, not {max_frames}")
    num_steps = len(episode.path) - 1
    moments = np.unique(np.linspace(0, num_steps, min(max_frames, num_steps + 1)).round().astype(int))
    # One palette for all frames: then only what moves is stored.
    frames = [_frame(layout, episode, int(moment), title) for moment in moments]
    palette = frames[-1].quantize(64, dither=Image.Dither.NONE)
    pictures = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    durations = [_FRAME_MILLISECONDS] * (len(pictures) - 1) + [_LAST_FRAME_MILLISECONDS]
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures[0].save(
        path, format="GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, disposal=1
    )


def _frame(layout: Layout, episode: PlayedEpisode, step: int, title: str) -> Image.Image:
    canvas = _Canvas(layout)
    canvas.line(episode.path[: step + 1], _TRAIL, width=3, longest=2 * layout.unit)
    canvas.ends(episode.path[0], episode.goal)
    canvas.ring(episode.goal, layout.goal_radius, _GOAL, width=2)
    if episode.subgoals is not None and len(episode.subgoals):
        now = episode.subgoals[min(step, len(episode.subgoals) - 1)]
        for layer, position in reversed(list(enumerate(now))):
            color = _LAYERS[min(layer, len(_LAYERS) - 1)]
            canvas.ring(position, 0.35 + 0.35 * layer, color, width=3)
    canvas.disc(episode.path[step], layout.point_radius, _AGENT)
    over = step == len(episode.path) - 1
    state = ("reached" if episode.success else "not reached") if over else ""
    canvas.text(f"{title}  step {step}  {state}".strip())
    return canvas.image()


class _Canvas:
    """A picture of the maze that is drawn on in the maze's own units."""

    def __init__(self, layout: Layout):
        self._layout = layout
        self._image = _maze(layout).copy()
        self._draw = ImageDraw.Draw(self._image)

    def disc(self, position: np.ndarray, radius: float, color: Color) -> None:
        self._draw.ellipse(self._box(position, radius), fill=color)

    def ring(self, position: np.ndarray, radius: float, color: Color, *, width: int) -> None:
        self._draw.ellipse(self._box(position, radius), outline=color, width=width * _OVERSAMPLING)

    def line(self, positions: np.ndarray, color: Color, *, width: int, longest: float = np.inf) -> None:
        """Joins positions, but for pairs farther apart than the longest: nobody went between them."""
        points = [_pixel(self._layout, position) for position in positions]
        for number in range(1, len(points)):
            if np.linalg.norm(positions[number] - positions[number - 1]) <= longest:
                self._draw.line([points[number - 1], points[number]], fill=color, width=width * _OVERSAMPLING)

    def ends(self, start: np.ndarray | None, goal: np.ndarray | None) -> None:
        if start is not None:
            self.ring(start, 0.5, _START, width=3)
        if goal is not None:
            self.disc(goal, 0.45, _GOAL)

    def text(self, text: str) -> None:
        height = self._image.height - _FOOT_PIXELS * _OVERSAMPLING
        font = ImageFont.load_default(size=14 * _OVERSAMPLING)
        self._draw.text((8 * _OVERSAMPLING, height + 4 * _OVERSAMPLING), text, fill=_TEXT, font=font)

    def image(self) -> Image.Image:
        return self._image.reduce(_OVERSAMPLING)

    def _box(self, position: np.ndarray, radius: float) -> tuple[float, float, float, float]:
        x, y = _pixel(self._layout, position)
        size = radius / self._layout.unit * CELL_PIXELS * _OVERSAMPLING
        return x - size, y - size, x + size, y + size


def _pixel(layout: Layout, position: np.ndarray) -> tuple[float, float]:
    """Where a position is in the enlarged picture."""
    column, row = (np.asarray(position, float) - layout.origin) / layout.unit + 0.5
    scale = CELL_PIXELS * _OVERSAMPLING
    return column * scale, (layout.map.shape[0] - row) * scale


@functools.lru_cache(maxsize=8)
def _maze(layout: Layout) -> Image.Image:
    """Walls and floor, enlarged, with room for a line of text."""
    scale = CELL_PIXELS * _OVERSAMPLING
    rows, columns = layout.map.shape
    image = Image.new("RGB", (columns * scale, rows * scale + _FOOT_PIXELS * _OVERSAMPLING), _FLOOR)
    draw = ImageDraw.Draw(image)
    for row, column in np.argwhere(layout.map):
        top = (rows - 1 - row) * scale
        draw.rectangle((column * scale, top, (column + 1) * scale - 1, top + scale - 1), fill=_WALL)
    if layout.teleporters is not None:
        for positions, color in (
            (layout.teleporters.entries, (240, 200, 220)),
            (layout.teleporters.exits, (200, 220, 240)),
        ):
            for position in positions:
                x, y = _pixel(layout, position)
                size = layout.teleporters.radius / layout.unit * scale
                draw.ellipse((x - size, y - size, x + size, y + size), fill=color)
    return image


def _shade(share: float) -> Color:
    """A colour for a share of the longest distance, 0 to 1."""
    share = min(max(share, 0.0), 1.0)
    first, second, part = (_NEAR, _MIDDLE, 2 * share) if share < 0.5 else (_MIDDLE, _FAR, 2 * share - 1)
    red, green, blue = (round(low + (high - low) * part) for low, high in zip(first, second, strict=True))
    return red, green, blue
