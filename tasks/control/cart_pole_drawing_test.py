"""Films hold the frames that were asked for, at the pace of the world, and ghosts stand where the sub-goals are."""

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageSequence

from tasks.control import cart_pole_drawing as drawing
from tasks.control.trial import Trial


def _trial(num_steps: int = 12, *, subgoal=(1.0, 0.0, 0.0, 0.0), x: float = 0.0, terminated: bool = False):
    states = np.zeros((num_steps + 1, 4), np.float32)
    states[:, 0] = x
    return Trial(
        states=states,
        subgoals=np.tile(np.array(subgoal, np.float32), (num_steps, 1)),
        actions=np.arange(num_steps) % 2,
        goal="stay up",
        terminated=terminated,
    )


def _film(path) -> tuple[list[Image.Image], list[int]]:
    frames, durations = [], []
    with Image.open(path) as film:
        for frame in ImageSequence.Iterator(film):
            frames.append(frame.convert("RGB"))
            durations.append(frame.info["duration"])
    return frames, durations


def _changed(trial, other, step: int = 0) -> np.ndarray:
    """Row and column of each pixel in which two frames differ."""
    difference = ImageChops.difference(drawing.draw_frame(trial, step), drawing.draw_frame(other, step))
    return np.argwhere(np.asarray(difference).max(-1) > 0)


def _color(trial, place, step: int = 0) -> tuple[int, ...]:
    return tuple(np.asarray(drawing.draw_frame(trial, step), int)[round(place[1]), round(place[0])].tolist())


def test_points_of_a_pole_in_pixels():
    # 84 pixels a metre about the middle, (240, 184): x = 1 lies at 240 + 84, and a pole of 1 m ends 84 higher.
    assert drawing.pixel(0.0) == (240, 184)
    assert drawing.pixel(1.0) == (324, 184)
    assert drawing.pixel(0.0, 0.0, along=1.0) == (240, 100)
    # Lying to the right, its tip is as far right as it was high.
    assert drawing.pixel(-1.0, np.pi / 2, along=1.0) == pytest.approx((240, 184))


@pytest.mark.parametrize(
    ("num_steps", "every", "max_frames", "expected"),
    [
        (5, 2, 9, [0, 2, 4, 5]),
        (4, 2, 9, [0, 2, 4]),
        (4, 1, 5, [0, 1, 2, 3, 4]),
        # 0, 2, 4 fill the film: its last frame is the end all the same.
        (6, 2, 3, [0, 2, 6]),
        # Of a longer trial only the beginning is shown.
        (7, 2, 3, [0, 2, 4]),
        (0, 2, 3, [0]),
        (3, 5, 1, [3]),
    ],
)
def test_the_steps_that_are_shown(num_steps, every, max_frames, expected):
    assert drawing.shown_steps(num_steps, every=every, max_frames=max_frames) == expected


def test_a_film_holds_each_second_step_and_the_end(tmp_path):
    drawing.draw_trial(tmp_path / "made" / "trial.gif", _trial(13))
    frames, durations = _film(tmp_path / "made" / "trial.gif")
    # Steps 0, 2, ..., 12 for 2 x 20 ms each, then the end at 13 for longer.
    assert len(frames) == 8
    assert durations[:-1] == [40] * 7
    assert durations[-1] > 1000
    assert {frame.size for frame in frames} == {drawing.SIZE}
    assert (tmp_path / "made" / "trial.gif").read_bytes().count(b"NETSCAPE2.0") == 1


def test_a_film_shows_what_its_frames_show(tmp_path):
    trial = _trial(6, subgoal=(1.0, 0.1, -0.3, 0.0))
    drawing.draw_trial(tmp_path / "trial.gif", trial, every=3)
    for frame, step in zip(_film(tmp_path / "trial.gif")[0], [0, 3, 6], strict=True):
        difference = np.abs(np.asarray(frame, int) - np.asarray(drawing.draw_frame(trial, step), int))
        assert difference.mean() < 0.5
        assert difference.max() < 64


def test_a_film_of_a_whole_episode_is_small(tmp_path):
    trial = _trial(500)
    time = np.arange(501) / 50
    trial.states[:, 0], trial.states[:, 2] = np.sin(time), 0.1 * np.cos(3 * time)
    drawing.draw_trial(tmp_path / "trial.gif", trial)
    assert len(_film(tmp_path / "trial.gif")[0]) == 250
    assert (tmp_path / "trial.gif").stat().st_size < 1_000_000


def test_equal_data_give_equal_bytes(tmp_path):
    for name, trial in (("first", _trial(8)), ("again", _trial(8)), ("other", _trial(8, subgoal=(1.05, 0, 0, 0)))):
        drawing.draw_trial(tmp_path / name, trial)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "again").read_bytes()
    assert (tmp_path / "first").read_bytes() != (tmp_path / "other").read_bytes()


@pytest.mark.parametrize(("x", "theta"), [(1.0, 0.0), (-1.5, 0.4), (2.0, -0.2)])
def test_the_ghost_stands_where_the_sub_goal_is(x, theta):
    absent = _trial(subgoal=(np.nan, 0.0, 0.0, 0.0))
    places = _changed(_trial(subgoal=(x, 5.0, theta, 5.0)), absent)
    # The pole is 6 pixels wide, with round ends; the cart 34 wide, from 180 to 203.
    middle, tip = drawing.pixel(x), drawing.pixel(x, theta, along=1.0)
    assert places[:, 0].min() == pytest.approx(tip[1] - 3, abs=1.5)
    assert places[:, 0].max() == pytest.approx(203, abs=1.5)
    assert places[:, 1].min() == pytest.approx(min(middle[0] - 17, tip[0] - 3), abs=1.5)
    assert places[:, 1].max() == pytest.approx(max(middle[0] + 17, tip[0] + 3), abs=1.5)


def test_the_ghost_is_light_and_of_another_colour_than_the_pole():
    trial = _trial()
    ghost = _color(trial, drawing.pixel(1.0, along=0.5))
    pole = _color(trial, drawing.pixel(0.0, along=0.5))
    assert sum(ghost) > sum(pole) + 200
    red, green, blue = ghost
    assert red > green > blue
    assert pole[2] > pole[0]


def test_a_ghost_under_the_cart_pole_shows_its_outline_alone():
    absent = _trial(subgoal=(np.nan, 0.0, 0.0, 0.0))
    hidden = _trial(subgoal=(0.0, 0.0, 0.0, 0.0))
    assert _color(hidden, drawing.pixel(0.0, along=0.5)) == _color(absent, drawing.pixel(0.0, along=0.5))
    assert len(_changed(hidden, absent))


@pytest.mark.parametrize("x", [3.0, -40.0])
def test_a_sub_goal_outside_the_picture_is_marked_at_its_edge(x):
    places = _changed(_trial(subgoal=(x, 0.0, 0.0, 0.0)), _trial(subgoal=(np.nan, 0.0, 0.0, 0.0)))
    assert len(places)
    distances = np.minimum(places[:, 1], drawing.SIZE[0] - 1 - places[:, 1])
    assert distances.max() < 16
    assert ((places[:, 1] > 240) == (x > 0)).all()


def test_the_arrow_points_the_way_of_the_push():
    trial = _trial()
    white = np.asarray(drawing.draw_frame(trial, 0)).min(-1)[192:203, 226:255] > 200
    other = np.asarray(drawing.draw_frame(trial, 1)).min(-1)[192:203, 226:255] > 200
    # The head, the tallest part of an arrow, lies left of the middle (column 14) for 0 and right of it for 1.
    assert white.sum(0).argmax() < 14 < other.sum(0).argmax()
    assert white.any(0).sum() == other.any(0).sum()


def test_the_end_has_neither_ghost_nor_arrow_and_says_how_it_came():
    still = _trial(4)
    assert not len(_changed(still, _trial(4, subgoal=(-1.0, 0.0, 0.0, 0.0)), 4))
    fell = _changed(still, _trial(4, terminated=True), 4)
    # Only the words below the step count differ.
    assert len(fell) and fell[:, 0].max() < 60 and fell[:, 1].min() > 360
    left = drawing.draw_frame(_trial(4, x=2.5, terminated=True), 4)
    right_words = (360, 34, *(drawing.SIZE[0], 60))
    assert left.crop(right_words) != drawing.draw_frame(_trial(4, terminated=True), 4).crop(right_words)


def test_before_the_end_nothing_tells_of_it():
    assert not len(_changed(_trial(4), _trial(4, terminated=True), 3))


def test_the_words_tell_the_goal_and_the_place():
    trial = _trial()
    other = dataclasses.replace(trial, goal="x = 1.0")
    assert _changed(trial, other)[:, 0].max() < 36
    moved = _changed(trial, _trial(x=0.5))
    assert ((moved[:, 0] > 36) & (moved[:, 0] < 52) & (moved[:, 1] < 90)).any()


def test_a_trial_without_a_step_is_one_picture(tmp_path):
    drawing.draw_trial(tmp_path / "trial.gif", _trial(0))
    assert len(_film(tmp_path / "trial.gif")[0]) == 1


@pytest.mark.parametrize("name", ["states", "subgoals", "actions"])
def test_arrays_that_do_not_fit_together_are_refused(name):
    trial = _trial()
    with pytest.raises(ValueError, match="expected"):
        dataclasses.replace(trial, **{name: getattr(trial, name)[:-1]})


def test_states_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"subgoals is \[12, 3\]; expected \[12, 4\]"):
        dataclasses.replace(_trial(), subgoals=np.zeros((12, 3)))


@pytest.mark.parametrize("step", [-1, 13])
def test_a_step_that_is_none_is_refused(step):
    with pytest.raises(ValueError, match="expected 0 to 12"):
        drawing.draw_frame(_trial(), step)


@pytest.mark.parametrize("settings", [{"every": 0}, {"max_frames": 0}])
def test_a_film_needs_a_pace_and_a_length(tmp_path, settings):
    with pytest.raises(ValueError, match="expected at least 1"):
        drawing.draw_trial(tmp_path / "trial.gif", _trial(), **settings)
    assert not list(tmp_path.iterdir())
