"""The tables say what was measured, with rivals and ablations beside the model."""

from tasks.mazes import published, report


def _entry(mean):
    return {
        "success": {"mean": mean, "per_task": [1.0, 1.0, mean, 1.0, 1.0], "episodes": 250},
        "mean_steps": 210.5,
        "data_seconds": 1.0,
        "learn_seconds": 2.0,
        "evaluate_seconds": 3.0,
        "think_ms": 1.25,
        "places": 700,
        "edges": 3600,
        "jumps": 0,
        "peak_rss_mb": 900.0,
    }


def _results():
    return {
        "large_stitch": _entry(0.996),
        "baselines": {
            "large_stitch": {"search": {"success": {"mean": 1.0}}, "published": published.of("large_stitch")}
        },
        "ablations": {"large_stitch": {"one_layer": {"success": {"mean": 0.004}}}},
    }


def test_tables_have_a_row_for_each_data_set():
    text = report.results_table(_results()).to_text().splitlines()
    assert len(text) == 3
    assert text[2].split()[:8] == ["large_stitch", "99.6", "100", "100", "100", "100", "100", "250"]
    rivals = report.rivals_table(_results())
    assert rivals is not None
    assert rivals.rows == [["large_stitch", 99.6, 100.0, "7 ± 5", "12 ± 6", "31 ± 2", "84 ± 15", "0 ± 0", "13 ± 6"]]
    ablations = report.ablations_table(_results())
    assert ablations is not None
    assert ablations.rows == [["large_stitch", 99.6, 0.4]]


def test_what_was_not_run_has_no_table():
    results = _results() | {"baselines": {"large_stitch": {}}, "ablations": {"large_stitch": {}}}
    assert report.rivals_table(results) is None
    assert report.ablations_table(results) is None


def test_the_report_has_the_films_of_failures_first(tmp_path):
    for number in range(2):
        (tmp_path / f"episode_large_stitch_{number}.gif").write_bytes(b"GIF89a")
    report.write_report(tmp_path, _results())
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/gif") == 2
    assert "those that failed come first" in page
    assert "QRL (published)" in page


def test_the_figures_of_the_maze_of_many_places_have_a_row_each(tmp_path):
    results = {"scale": {"places": 100000, "rows": [4670000, 940], "think_ms": 6.81234567}}
    assert report.scale_table(results).rows == [
        ["places", "100,000"],
        ["rows", "4,670,000, 940"],
        ["think_ms", "6.81235"],
    ]
    report.write_scale_report(tmp_path, results)
    assert "4,670,000, 940" in (tmp_path / "report.html").read_text()
