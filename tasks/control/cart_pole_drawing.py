"""Moving pictures of trials of the cart pole, with the sub-goal of each step as a ghost; equal data give equal bytes.

Lengths are those of the world: a cart 0.4 m wide, a pole of 1 m, and a track that ends an episode at +-2.4 m.
"""

import functools
import math
import pathlib

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tasks.control.trial import Trial

SIZE = (480, 270)
"""Width and height of a frame in pixels."""
TRACK_LIMIT = 2.4
"""Metres from the middle at which an episode ends."""
POLE_LENGTH = 1.0
"""Metres from the joint to the tip."""
STEP_MILLISECONDS = 20
"""What a step of the world takes; frames are shown at that pace."""

_LAST_FRAME_MILLISECONDS = 1200
# Frames are drawn this many times too large, and shrunk: that smooths their edges.
_OVERSAMPLING = 3
_PIXELS_PER_METRE = 84
_RAIL_Y = 206
_JOINT_Y = 184
_TRACK_TOP = 66
_CART_WIDTH, _CART_RISE = 0.4 * _PIXELS_PER_METRE, 4
_POLE_WIDTH = 6
_MARGIN = 18

Color = tuple[int, int, int]
Ink = Color | int
"""A colour, or a strength in a mask."""
Point = tuple[float, float]

_WHITE: Color = (255, 255, 255)
_TEXT: Color = (28, 30, 33)
_QUIET: Color = (120, 127, 138)
_RAIL: Color = (176, 182, 191)
_BEYOND: Color = (250, 236, 232)
_LIMIT: Color = (213, 94, 0)
_CART: Color = (44, 52, 64)
_POLE: Color = (0, 114, 178)
CAPTION = (
    "The dark cart with the blue pole is the world, at its own pace; the arrow on it is the push it gets. The amber "
    "ghost is the present sub-goal: the state that the upper layer asks the lower one to bring about some steps ahead. "
    "It is an aim and no forecast: it moves on before it is met, and where it leans, the lower layer is to make the "
    "pole lean. Where cart pole and ghost coincide, only the ghost's outline shows."
)
"""What a film shows."""
GHOST: Color = (230, 159, 0)
"""The colour of ghosts, before it is mixed with what lies below."""
_GHOST_FILL, _GHOST_EDGE = 80, 170


def draw_trial(path: pathlib.Path, trial: Trial, *, every: int = 2, max_frames: int = 250) -> None:
    """Writes a trial as an animated GIF, at the pace of the world.

    Args:
        path: the file to write; its directory is made where it is missing.
        trial: what to show.
        every: steps from one frame to the next.
        max_frames: at most so many frames; of a longer trial the beginning is shown.

    Raises:
        ValueError: for `every` or `max_frames` below 1.
    """
    if every < 1 or max_frames < 1:
        raise ValueError(f"every is {every} and max_frames {max_frames}; expected at least 1")
    steps = shown_steps(trial.num_steps, every=every, max_frames=max_frames)
    palette = _palette()
    frames = [draw_frame(trial, step).quantize(palette=palette, dither=Image.Dither.NONE) for step in steps]
    durations = [STEP_MILLISECONDS * every] * (len(frames) - 1) + [_LAST_FRAME_MILLISECONDS]
    path.parent.mkdir(parents=True, exist_ok=True)
    # Disposal 1 keeps what a frame leaves alone: only the rest is stored.
    frames[0].save(
        path, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, disposal=1, optimize=False
    )


def shown_steps(num_steps: int, *, every: int, max_frames: int) -> list[int]:
    """The steps that frames are drawn of: each `every`-th, and where all of the trial has room its last state.

    Args:
        num_steps: how many actions the trial has.
        every: steps from one frame to the next.
        max_frames: at most so many steps are returned.
    """
    steps = list(range(0, num_steps, every))
    if len(steps) > max_frames:
        return steps[:max_frames]
    # A full film gives up the frame before the end, never the end.
    return [*steps[: max_frames - 1], num_steps]


def draw_frame(trial: Trial, step: int) -> Image.Image:
    """One state of a trial as an RGB image of `SIZE`, with the sub-goal and the action that came next.

    Args:
        trial: what to show.
        step: 0 to T; at T there is neither a sub-goal nor an action.

    Raises:
        ValueError: for a step that the trial has not got.
    """
    if not 0 <= step <= trial.num_steps:
        raise ValueError(f"step is {step}; expected 0 to {trial.num_steps}")
    acting = step < trial.num_steps
    picture = _scenery().copy()
    canvas = ImageDraw.Draw(picture)
    if acting:
        _draw_ghost(picture, trial.subgoals[step], fill=_GHOST_FILL)
    x, theta = float(trial.states[step][0]), float(trial.states[step][2])
    _draw_body(canvas, x, theta, cart=_CART, pole=_POLE)
    _draw_disc(canvas, pixel(x), radius=1.5, color=_WHITE)
    if acting:
        _draw_push(canvas, x, right=bool(trial.actions[step]))
        # Where the cart pole hides its sub-goal, the outline still shows.
        _draw_ghost(picture, trial.subgoals[step], fill=0)
    _draw_words(canvas, trial, step)
    return picture.reduce(_OVERSAMPLING)


def pixel(x: float, theta: float = 0.0, *, along: float = 0.0) -> Point:
    """Where a point of a pole lies in a frame, in pixels from the top left.

    Args:
        x: the cart's place in metres.
        theta: the pole's angle in radians, to the right of upright.
        along: metres from the joint towards the tip.
    """
    return (
        SIZE[0] / 2 + _PIXELS_PER_METRE * (x + along * math.sin(theta)),
        _JOINT_Y - _PIXELS_PER_METRE * along * math.cos(theta),
    )


def _large(*values: float) -> list[float]:
    """Pixels of a frame as those of the picture that it is shrunk from."""
    return [_OVERSAMPLING * value for value in values]


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font, which has little beyond ASCII."""
    return ImageFont.load_default(size * _OVERSAMPLING)


def _draw_text(canvas: ImageDraw.ImageDraw, place: Point, text: str, *, size: int, color: Color, anchor: str) -> None:
    canvas.text((place[0] * _OVERSAMPLING, place[1] * _OVERSAMPLING), text, color, _font(size), anchor)


@functools.cache
def _scenery() -> Image.Image:
    """What is the same in every frame: the track, its ends and the legend."""
    width, height = SIZE
    picture = Image.new("RGB", (width * _OVERSAMPLING, height * _OVERSAMPLING), _WHITE)
    canvas = ImageDraw.Draw(picture)
    for side, edge in ((-1, 0), (1, width)):
        end = pixel(side * TRACK_LIMIT)[0]
        canvas.rectangle(_large(min(end, edge), _TRACK_TOP, max(end, edge), _RAIL_Y), fill=_BEYOND)
        canvas.line(_large(end, _TRACK_TOP, end, _RAIL_Y), fill=_LIMIT, width=_OVERSAMPLING)
    canvas.line(_large(0, _RAIL_Y, width, _RAIL_Y), fill=_RAIL, width=2 * _OVERSAMPLING)
    for metre in range(-2, 3):
        place = pixel(metre)[0]
        canvas.line(_large(place, _RAIL_Y, place, _RAIL_Y + 6), fill=_RAIL, width=2 * _OVERSAMPLING)
        label = f"{metre:+d} m" if metre else "0"
        _draw_text(canvas, (place, _RAIL_Y + 16), label, size=11, color=_QUIET, anchor="mm")
    line = height - 17
    for left, name in ((_MARGIN, "cart pole, and its push"), (_MARGIN + 176, "sub-goal: the state aimed for")):
        _draw_text(canvas, (left + 21, line), name, size=11, color=_QUIET, anchor="lm")
    swatch = (_MARGIN, line - 5, _MARGIN + 14, line + 5)
    canvas.rounded_rectangle(_large(*swatch), 3 * _OVERSAMPLING, fill=_CART)
    mask = Image.new("L", picture.size)
    stencil = ImageDraw.Draw(mask)
    for inset, strength in ((0, _GHOST_EDGE), (1, _GHOST_FILL)):
        box = (swatch[0] + 176 + inset, swatch[1] + inset, swatch[2] + 176 - inset, swatch[3] - inset)
        stencil.rounded_rectangle(_large(*box), 3 * _OVERSAMPLING, fill=strength)
    picture.paste(GHOST, (0, 0), mask)
    return picture


def _draw_body(
    canvas: ImageDraw.ImageDraw, x: float, theta: float, *, cart: Ink, pole: Ink, inset: float = 0.0
) -> None:
    """A cart and its pole, each edge drawn in by `inset` pixels."""
    joint, tip = pixel(x), pixel(x, theta, along=POLE_LENGTH)
    half = _CART_WIDTH / 2 - inset
    box = (joint[0] - half, _JOINT_Y - _CART_RISE + inset, joint[0] + half, _RAIL_Y - 3 - inset)
    canvas.rounded_rectangle(_large(*box), (5 - inset) * _OVERSAMPLING, fill=cart)
    canvas.line(_large(*joint, *tip), fill=pole, width=round((_POLE_WIDTH - 2 * inset) * _OVERSAMPLING))
    for end in (joint, tip):
        _draw_disc(canvas, end, radius=_POLE_WIDTH / 2 - inset, color=pole)


def _draw_disc(canvas: ImageDraw.ImageDraw, center: Point, *, radius: float, color: Ink) -> None:
    box = (center[0] - radius, center[1] - radius, center[0] + radius, center[1] + radius)
    canvas.ellipse(_large(*box), fill=color)


def _draw_push(canvas: ImageDraw.ImageDraw, x: float, *, right: bool) -> None:
    """An arrow on the cart, the way it is pushed."""
    way = 1 if right else -1
    middle, line = pixel(x)[0], _RAIL_Y - 9
    canvas.line(_large(middle - 8 * way, line, middle + 4 * way, line), fill=_WHITE, width=2 * _OVERSAMPLING)
    head = (middle + 9 * way, line, middle + 3 * way, line - 4, middle + 3 * way, line + 4)
    canvas.polygon(_large(*head), fill=_WHITE)


def _draw_ghost(picture: Image.Image, subgoal: np.ndarray, *, fill: int) -> None:
    """Draws a sub-goal `[4]`; where it lies outside the picture, a mark at the edge.

    Args:
        picture: gets the ghost.
        subgoal: where it has a value that is not finite, nothing is drawn.
        fill: strength of the ghost inside its outline, 0 to 255.
    """
    x, theta = float(subgoal[0]), float(subgoal[2])
    if not (math.isfinite(x) and math.isfinite(theta)):
        return
    mask = Image.new("L", picture.size)
    stencil = ImageDraw.Draw(mask)
    reach = SIZE[0] / 2 / _PIXELS_PER_METRE
    if abs(x) <= reach:
        for inset, strength in ((0, _GHOST_EDGE), (1, fill)):
            _draw_body(stencil, x, theta, cart=strength, pole=strength, inset=inset)
    else:
        way = 1 if x > 0 else -1
        tip, line = pixel(reach * way)[0] - 4 * way, _RAIL_Y - 14
        stencil.polygon(_large(tip, line, tip - 9 * way, line - 7, tip - 9 * way, line + 7), fill=_GHOST_EDGE)
    box = mask.getbbox()
    if box:
        picture.paste(GHOST, box, mask.crop(box))


def _draw_words(canvas: ImageDraw.ImageDraw, trial: Trial, step: int) -> None:
    x, theta = float(trial.states[step][0]), float(trial.states[step][2])
    right = SIZE[0] - _MARGIN
    _draw_text(canvas, (_MARGIN, 24), f"goal: {trial.goal}", size=17, color=_TEXT, anchor="lm")
    measures = f"x = {x:+.2f} m     pole {math.degrees(theta):+.1f}\N{DEGREE SIGN}"
    _draw_text(canvas, (_MARGIN, 44), measures, size=12, color=_QUIET, anchor="lm")
    _draw_text(canvas, (right, 24), f"step {step}", size=17, color=_TEXT, anchor="rm")
    if step == trial.num_steps and trial.terminated:
        ending = "left the track" if abs(x) > TRACK_LIMIT else "fell"
        _draw_text(canvas, (right, 44), ending, size=12, color=_LIMIT, anchor="rm")
    else:
        _draw_text(canvas, (right, 44), f"of {trial.num_steps}", size=12, color=_QUIET, anchor="rm")


@functools.cache
def _palette() -> Image.Image:
    """The colours of all frames, and those between them that smooth edges."""

    def between(below: Color, above: Color, levels: int) -> list[Color]:
        shares = [level / levels for level in range(1, levels + 1)]
        return [_mix(below, above, share) for share in shares]

    colors = [_WHITE, _BEYOND]
    for color, levels in ((_TEXT, 5), (_QUIET, 4), (_CART, 4), (_POLE, 6), (_LIMIT, 3), (_RAIL, 2)):
        colors += between(_WHITE, color, levels)
    colors += between(_CART, _WHITE, 3)[:-1]
    for below in (_WHITE, _CART, _POLE, _BEYOND, _RAIL):
        for strength in (_GHOST_FILL, _GHOST_EDGE):
            colors += between(below, _mix(below, GHOST, strength / 255), 2)
    colors += between(_CART, _POLE, 3)[:-1]
    colors = list(dict.fromkeys(colors))
    picture = Image.new("P", (1, 1))
    picture.putpalette([channel for color in colors for channel in color])
    return picture


def _mix(below: Color, above: Color, share: float) -> Color:
    red, green, blue = (round(low + share * (high - low)) for low, high in zip(below, above, strict=True))
    return red, green, blue
