"""Files of arrays: what comes back, what damage is noticed, and what stays when writing is cut short."""

import hashlib
import json
import pathlib
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest

from humain import errors
from humain.files import archive

_ARRAYS = {
    "a/whole": np.arange(6, dtype=np.int32).reshape(2, 3),
    "a/half": np.asarray(jnp.array([1.5, -0.0, jnp.nan], jnp.bfloat16)),
    "b/empty": np.zeros((0, 4), np.float32),
    "b/single": np.float32(0.1) * np.ones((), np.float32),
    "b/flags": np.array([True, False]),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "folder" / "one.humain"
    archive.write(path, {"kind": "test", "numbers": [1, 2.5, None]}, _ARRAYS)
    return path


def test_what_was_written_comes_back_bit_for_bit(path):
    header, arrays = archive.read(path)
    assert (header["kind"], header["numbers"]) == ("test", [1, 2.5, None])
    described = header["arrays"]
    assert isinstance(described, dict)
    assert described["a/half"] == {"dtype": "bfloat16", "shape": [3]}
    assert list(arrays) == list(_ARRAYS)
    for name, array in _ARRAYS.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
        assert arrays[name].tobytes() == array.tobytes()


def test_other_programs_can_read_it(path):
    with np.load(path) as loaded:
        np.testing.assert_array_equal(loaded["a/whole"], [[0, 1, 2], [3, 4, 5]])
    with zipfile.ZipFile(path) as opened:
        assert json.loads(opened.read("header.json"))["kind"] == "test"


def test_equal_contents_make_equal_files(path, tmp_path):
    archive.write(tmp_path / "two.humain", {"kind": "test", "numbers": [1, 2.5, None]}, _ARRAYS)
    assert (tmp_path / "two.humain").read_bytes() == path.read_bytes()


def test_a_bit_that_flipped_is_noticed_wherever_it_is(path):
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(errors.UserError, match="is damaged|is not a file that humain saved"):
            archive.read(path)


@pytest.mark.parametrize("length", [0, 1, 63, 64, 200, -100, -1])
def test_a_file_that_was_cut_off_is_noticed(path, length):
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(errors.UserError, match="is damaged|is not a file that humain saved"):
        archive.read(path)


def test_a_foreign_file_is_called_that(tmp_path):
    np.savez(tmp_path / "foreign.npz", a=np.zeros(3))
    (tmp_path / "text").write_text("hello")
    for name in ("foreign.npz", "text"):
        with pytest.raises(errors.UserError, match=f"{name} is not a file that humain saved"):
            archive.read(tmp_path / name)


def test_a_missing_file_is_called_that(tmp_path):
    with pytest.raises(errors.UserError, match="missing.humain can't be read: No such file"):
        archive.read(tmp_path / "missing.humain")


def test_writing_that_fails_leaves_the_old_file(path, monkeypatch):
    before = path.read_bytes()

    def fail(self, target):
        raise OSError("no")

    monkeypatch.setattr(pathlib.Path, "replace", fail)
    with pytest.raises(OSError, match="no"):
        archive.write(path, {"kind": "other"}, {})
    assert path.read_bytes() == before


def test_members_have_the_earliest_time_that_there_is(path):
    with zipfile.ZipFile(path) as opened:
        assert {member.date_time for member in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_last_64_characters_are_the_digest_of_all_before(path):
    content = path.read_bytes()
    assert content[:-64].endswith(b"sha256:")
    assert hashlib.sha256(content[:-64]).hexdigest().encode() == content[-64:]
    # A file that never had the mark is not one of ours, whatever its digest.
    with pytest.raises(errors.UserError, match="is not a file that humain saved"):
        path.write_bytes(b"XX" + content[2:])
        archive.read(path)
