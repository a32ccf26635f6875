"""Pictures show walls, places, plans and episodes where they are, and equal data give equal bytes."""

import numpy as np
import pytest
from PIL import Image, ImageSequence

from tasks.mazes import drawing, layout
from tasks.mazes.drawing import Way
from tasks.mazes.evaluation import PlayedEpisode


def _frames(path):
    with Image.open(path) as film:
        return [frame.convert("RGB") for frame in ImageSequence.Iterator(film)]


def _color(picture, maze, position):
    """The colour at a position: cells have CELL_PIXELS pixels, and rows are counted from below."""
    column, row = (np.array(position, float) - maze.origin) / maze.unit + 0.5
    x, y = column * drawing.CELL_PIXELS, (maze.map.shape[0] - row) * drawing.CELL_PIXELS
    return picture.getpixel((int(x), int(y)))


def test_places_are_light_near_the_goal_dark_far_from_it_and_grey_where_nothing_is_known(tmp_path):
    maze = layout.load("medium")
    centers = np.array([(0.0, 0.0), (0.0, 4.0), (4.0, 4.0)])
    path = tmp_path / "places.png"
    drawing.draw_places(path, maze, centers, np.array([0.0, 90.0, np.inf]), title="three")
    (picture,) = _frames(path)
    near, far, unknown = (sum(_color(picture, maze, center)) for center in centers)
    assert near > unknown > far
    assert len(set(_color(picture, maze, centers[2]))) == 1
    # Cell (0, 0) is a wall, cell (1, 2) is free and without a place.
    assert _color(picture, maze, (-4.0, -4.0)) == (92, 99, 112)
    assert _color(picture, maze, (5.0, -1.0)) == (255, 255, 255)


def test_a_plan_is_drawn_between_its_ends(tmp_path):
    maze = layout.load("medium")
    centers, distances = np.array([(0.0, 0.0), (4.0, 0.0)]), np.array([10.0, 0.0])
    ways = [Way(centers, 0)]
    drawing.draw_places(tmp_path / "with.png", maze, centers, distances, ways=ways, start=centers[0], goal=centers[1])
    # Halfway between the two, where there is nothing but the line.
    (picture,) = _frames(tmp_path / "with.png")
    assert _color(picture, maze, (2.0, 0.0)) == (230, 159, 0)
    assert _color(picture, maze, (4.0, 0.0)) == (0, 158, 115)


def test_an_episode_moves_and_says_how_it_ended(tmp_path):
    maze = layout.load("medium")
    path = np.stack([np.linspace(0, 4, 21), np.zeros(21)], axis=1).astype(np.float32)
    subgoals = np.repeat(np.array([[[4.0, 0.0], [4.0, 4.0]]], np.float32), 20, axis=0)
    episode = PlayedEpisode(1, path, np.array([4.0, 0.5], np.float32), subgoals, True)
    for name in ("first.gif", "second.gif"):
        drawing.draw_episode(tmp_path / name, maze, episode, title="task 1", max_frames=6)
    assert (tmp_path / "first.gif").read_bytes() == (tmp_path / "second.gif").read_bytes()
    film = _frames(tmp_path / "first.gif")
    assert len(film) == 6
    blue = (0, 114, 178)
    assert np.abs(np.subtract(_color(film[0], maze, (0.0, 0.0)), blue)).max() < 12
    assert np.abs(np.subtract(_color(film[5], maze, (0.0, 0.0)), blue)).max() > 12
    with pytest.raises(ValueError, match="max_frames must be at least 1, not 0"):
        drawing.draw_episode(tmp_path / "none.gif", maze, episode, max_frames=0)


def test_a_trail_is_broken_where_a_teleporter_moved_the_agent(tmp_path):
    maze = layout.load("teleport")
    path = np.array([(0.0, 0.0), (0.2, 0.0), (36.0, 20.0)], np.float32)
    episode = PlayedEpisode(1, path, np.array([36.0, 24.0], np.float32), None, False)
    drawing.draw_episode(tmp_path / "jump.gif", maze, episode)
    (*_, last) = _frames(tmp_path / "jump.gif")
    # Where a straight line between the two would pass through walls, there are walls.
    assert _color(last, maze, (9.0, 5.0)) == _color(last, maze, (-4.0, -4.0))
