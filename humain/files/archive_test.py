"""Files of arrays: what comes back, what damage is noticed, and what stays when writing is cut short."""

import hashlib
import io
import json
import os
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


def test_other_programs_find_the_types_that_they_know_and_bits_of_others(path):
    with np.load(path) as loaded:
        assert loaded["a/whole"].dtype == np.int32
        assert (loaded["b/single"].dtype, loaded["b/flags"].dtype) == (np.float32, bool)
        # 1.5 is 0x3fc0 in bfloat16.
        assert (loaded["a/half"].dtype, loaded["a/half"][0]) == (np.uint16, 0x3FC0)


def test_the_header_can_be_read_by_people_and_holds_no_nan(path, tmp_path):
    with zipfile.ZipFile(path) as opened:
        assert opened.read("header.json").startswith(b'{\n "kind": "test",\n "numbers": [\n  1,')
    with pytest.raises(ValueError, match="JSON"):
        archive.write(tmp_path / "nan.humain", {"x": float("nan")}, {})


def test_folders_are_made_where_they_are_missing(tmp_path):
    archive.write(tmp_path / "two" / "levels" / "a.humain", {}, {})
    assert archive.read(tmp_path / "two" / "levels" / "a.humain") == ({"arrays": {}}, {})


def test_what_is_not_on_the_disk_yet_replaces_nothing(path, monkeypatch):
    before = path.read_bytes()

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        archive.write(path, {"kind": "other"}, {})
    assert path.read_bytes() == before


def test_more_at_the_end_is_damage(path):
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(errors.UserError, match="is damaged"):
        archive.read(path)


def test_objects_are_neither_written_nor_read(tmp_path):
    objects = np.array([None], object)
    with pytest.raises(TypeError):
        archive.write(tmp_path / "objects.humain", {}, {"a": objects})
    # A file with whole checksum that holds some all the same.
    buffer, member = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array(member, objects, allow_pickle=True)
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("header.json", json.dumps({"arrays": {"a": {"dtype": "object", "shape": [1]}}}))
        made.writestr("a.npy", member.getvalue())
        made.comment = b"sha256:" + b"0" * 64
    content = buffer.getvalue()[:-64]
    (tmp_path / "foreign.humain").write_bytes(content + hashlib.sha256(content).hexdigest().encode())
    with pytest.raises(errors.UserError, match="is not a file that humain saved .*allow_pickle=False"):
        archive.read(tmp_path / "foreign.humain")
