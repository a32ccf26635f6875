"""A stale, edited or leaking lock is found, each with the remedy."""

import pytest

from tools.lock import lock_file

_HASH = " \\\n    --hash=sha256:" + "0" * 64 + "\n"


@pytest.fixture(name="files")
def _files(tmp_path):
    """A requirements file and a lock that fits it."""
    source, lock = tmp_path / "some.in", tmp_path / "some_lock.txt"
    source.write_text("# why\nAlpha_pkg[extra]>=1.5  # a note\n\nbeta\n")
    lock.write_text(
        lock_file.header(source) + "alpha-pkg[extra]==2.0" + _HASH + "beta==1" + _HASH + "    # via alpha-pkg\n"
    )
    return source, lock


def test_a_fresh_lock_has_no_problem(files):
    assert lock_file.pins(files[1]) == {"alpha-pkg": "2.0", "beta": "1"}
    assert lock_file.problems(*files) == []


def test_comments_and_blank_lines_do_not_make_a_lock_stale(files):
    files[0].write_text("# another\n" + files[0].read_text() + "\n")
    assert lock_file.problems(*files) == []


def test_where_wheels_are_found_is_no_requirement(files, tmp_path):
    text = files[0].read_text()
    files[0].write_text(text + "--extra-index-url https://index.example/cpu  # for a local build\n")
    assert lock_file.problems(*files) == []
    (tmp_path / "more.in").write_text("-r some.in\n--extra-index-url=https://index.example/more\ngamma\n")
    assert lock_file.requirement_lines(tmp_path / "more.in")[-2:] == ["beta", "gamma"]
    assert lock_file.extra_indexes(tmp_path / "more.in") == [
        "https://index.example/cpu",
        "https://index.example/more",
    ]
    (tmp_path / "copies").mkdir()
    copy = lock_file.copy_without_options(tmp_path / "more.in", tmp_path / "copies")
    assert copy.read_text() == "-r some.in\ngamma\n"
    assert (tmp_path / "copies" / "some.in").read_text() == text


def test_an_option_that_nothing_heeds_is_an_error(files):
    files[0].write_text("--no-index\n" + files[0].read_text())
    with pytest.raises(ValueError, match="some.in has '--no-index': only --extra-index-url ADDRESS is read"):
        lock_file.extra_indexes(files[0])


def test_a_new_requirement_makes_the_lock_stale(files):
    files[0].write_text(files[0].read_text() + "gamma\n")
    found = lock_file.problems(*files)
    assert len(found) == 2
    assert "was not written from the present some.in: run tools/update_lock" in found[0]
    assert "has no gamma" in found[1]


def test_a_changed_bound_makes_the_lock_stale(files):
    files[0].write_text(files[0].read_text().replace(">=1.5", ">=2.1"))
    found = lock_file.problems(*files)
    assert len(found) == 2
    assert "has Alpha_pkg 2.0, some.in requires Alpha_pkg[extra]>=2.1" in found[1]


def test_an_edited_pin_is_found(files):
    files[1].write_text(files[1].read_text().replace("==2.0", "==1.0"))
    assert [line.split(": ")[0] for line in lock_file.problems(*files)] == [
        "some_lock.txt has Alpha_pkg 1.0, some.in requires Alpha_pkg[extra]>=1.5"
    ]


def test_a_pin_without_hash_is_found(files):
    files[1].write_text(files[1].read_text().replace("beta==1" + _HASH, "beta==1\n"))
    assert lock_file.problems(*files) == [f"some_lock.txt has no hash for beta==1: {lock_file.REMEDY}"]


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://mirror.example/simple",
        "--find-links wheels",
        "-f /srv/wheels",
        "beta @ file:///srv/beta.whl",
    ],
)
def test_a_place_on_a_machine_is_found(files, line):
    files[1].write_text(files[1].read_text() + line + "\n")
    found = lock_file.problems(*files)
    assert len(found) == 1 and "names a place" in found[0]


def test_an_overlay_follows_the_lock_that_constrains_it(files, tmp_path):
    source, lock = files
    overlay, overlay_lock = tmp_path / "more.in", tmp_path / "more_lock.txt"
    overlay.write_text("-r some.in\ngamma\n")
    overlay_lock.write_text(
        lock_file.header(overlay, lock) + "alpha-pkg==2.0" + _HASH + "beta==1" + _HASH + "gamma==3" + _HASH
    )
    assert lock_file.problems(overlay, overlay_lock, lock) == []
    lock.write_text(lock.read_text().replace("beta==1", "beta==2"))
    found = lock_file.problems(overlay, overlay_lock, lock)
    assert len(found) == 2
    assert "has beta 1, some_lock.txt has 2" in found[1]
