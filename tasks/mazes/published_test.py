"""The published figures are those of the paper's table, one for each method and data set."""

from tasks.mazes import published


def test_every_data_set_has_a_figure_of_every_method():
    sizes, kinds = ("medium", "large", "giant", "teleport"), ("navigate", "stitch")
    assert set(published.FIGURES) == {f"{size}_{kind}" for size in sizes for kind in kinds}
    assert all(len(figures) == len(published.METHODS) for figures in published.FIGURES.values())


def test_figures_go_by_method():
    assert published.of("giant_stitch")["QRL"] == {"mean": 50, "deviation": 8}
    assert published.of("giant_navigate")["HIQL"] == {"mean": 46, "deviation": 9}
    assert {figure["mean"] for method, figure in published.of("giant_stitch").items() if method != "QRL"} == {0}
