"""Tests of plots."""

import pathlib

import matplotlib.image
import numpy as np
import pytest
from matplotlib import colors
from matplotlib.figure import Figure

from humain.viewing import plots


def test_equal_data_give_equal_bytes_and_other_data_do_not(tmp_path: pathlib.Path) -> None:
    for name, last in (("a.png", 0.1), ("b.png", 0.1), ("c.png", 0.9)):
        plots.curves(
            tmp_path / name, {"loss": ([0, 1, 2], [1.0, 0.5, last])}, x_label="updates", y_label="loss", log_y=True
        )
    first, second, third = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert first.startswith(b"\x89PNG")
    assert first == second
    assert first != third


def test_a_file_holds_no_version_and_no_date(tmp_path: pathlib.Path) -> None:
    plots.curves(tmp_path / "curves.png", {"ours": ([0, 1], [1.0, 0.5])}, x_label="updates", y_label="share")
    content = (tmp_path / "curves.png").read_bytes()
    for chunk in (b"tEXt", b"iTXt", b"tIME"):
        assert chunk not in content


def test_series_are_drawn_in_the_palette(tmp_path: pathlib.Path) -> None:
    series = {str(index): ([0, 1], [index, index]) for index in range(9)}
    plots.curves(tmp_path / "new" / "curves.png", series, x_label="x", y_label="y", title="Nine", markers=True)
    pixels = matplotlib.image.imread(tmp_path / "new" / "curves.png")[..., :3].reshape(-1, 3)
    for color in plots.PALETTE:
        assert (np.abs(pixels - colors.to_rgb(color)).max(axis=1) < 0.01).any(), color


def test_save_makes_the_directory(tmp_path: pathlib.Path) -> None:
    figure = Figure()
    plots.save(figure, tmp_path / "deep" / "er" / "empty.png")
    assert (tmp_path / "deep" / "er" / "empty.png").exists()


def test_nothing_to_draw_is_an_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="no series"):
        plots.curves(tmp_path / "x.png", {}, x_label="x", y_label="y")
    with pytest.raises(ValueError, match="'loss' has 2 x and 1 y"):
        plots.curves(tmp_path / "x.png", {"loss": ([1, 2], [1])}, x_label="x", y_label="y")
