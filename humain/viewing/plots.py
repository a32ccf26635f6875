"""Plots as PNG files: equal data give equal bytes, and the colours are distinguishable with colour blindness too.

The palette is that of M. Okabe and K. Ito, "Color Universal Design"; yellow is left out, since it is faint on white.
"""

import io
import itertools
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", "--", "-.", ":")
_SIZE_INCHES = (7.0, 4.2)
_DOTS_PER_INCH = 110


def curves(
    path: pathlib.Path,
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x_label: str,
    y_label: str,
    title: str = "",
    log_x: bool = False,
    log_y: bool = False,
    markers: bool = False,
) -> None:
    """Draws one line per series and writes a PNG file.

    Args:
        path: the file to write.
        series: x and y values by name, of equal length; NaN leaves a gap.
        x_label: label of the x axis, with the unit.
        y_label: label of the y axis, with the unit.
        title: a line above the plot.
        log_x: whether x is on a logarithmic scale.
        log_y: whether y is on a logarithmic scale.
        markers: whether to mark the points themselves.

    Raises:
        ValueError: if there is no series, or the x and y of one differ in length.
    """
    if not series:
        raise ValueError("there is no series to draw; expected at least one")
    for name, (x_values, y_values) in series.items():
        if len(x_values) != len(y_values):
            raise ValueError(f"series {name!r} has {len(x_values)} x and {len(y_values)} y values; make them equal")
    # Imported here: it takes a second, and most programs that import this module draw at their very end.
    import matplotlib.style
    from matplotlib.figure import Figure

    with matplotlib.style.context("default"):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        axes = figure.add_subplot()
        styles = itertools.product(_DASHES, PALETTE)
        for (name, (x_values, y_values)), (dashes, color) in zip(series.items(), itertools.cycle(styles), strict=False):
            axes.plot(x_values, y_values, dashes, color=color, label=name, marker="o" if markers else "", markersize=4)
        axes.set_xscale("log" if log_x else "linear")
        axes.set_yscale("log" if log_y else "linear")
        axes.set(xlabel=x_label, ylabel=y_label, title=title)
        axes.grid(alpha=0.3)
        if len(series) > 1:
            axes.legend(frameon=False)
        save(figure, path)


def save(figure: "Figure", path: pathlib.Path) -> None:
    """Writes a figure as a PNG file without a date or a version in it.

    Args:
        figure: made by `matplotlib.figure.Figure`, which touches no window system and no global state.
        path: the file to write; its directory is created if it does not exist.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
