"""A prepared data set comes back to the bit, and one that was touched is refused in one line."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest
import safetensors.numpy

from humain import errors
from humain.language import dataset
from humain.language.dataset import Dataset
from humain.language.vocabulary import IndexedPlan

_FILES = ["embeddings.safetensors", "manifest.json", "plans.jsonl", "vocabulary.jsonl"]


def _dataset(**changes):
    rng = np.random.default_rng(3)
    given = Dataset(
        plans=(IndexedPlan("a plate", (0, 1)), IndexedPlan("a “gear”", (0, 1, 2, 1), "heldout", ("gear", "rod"))),
        vocabulary=("Mine\u2028ore.", "Smelt it.", "Press it."),
        vocabulary_embeddings=rng.normal(size=(3, 4)).astype(np.float32),
        goal_embeddings=rng.normal(size=(2, 4)).astype(np.float32),
        embedder="hashes",
        writer="hand",
    )
    return dataclasses.replace(given, **changes)


def _written(directory, **changes):
    dataset.write(directory, _dataset(**changes))
    return directory


def _tamper(directory, name, content):
    """Puts other bytes in a file's place, with a manifest that vouches for them."""
    (directory / name).write_bytes(content)
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (directory / "manifest.json").write_text(json.dumps(manifest))


def _refused(directory, match):
    with pytest.raises(errors.UserError, match=match) as caught:
        dataset.read(directory)
    assert "\n" not in str(caught.value)


def test_what_is_written_is_read_to_the_bit(tmp_path):
    found, expected = dataset.read(_written(tmp_path / "new" / "data")), _dataset()
    for name in ("plans", "vocabulary", "embedder", "writer"):
        assert getattr(found, name) == getattr(expected, name)
    for name in ("vocabulary_embeddings", "goal_embeddings"):
        array, wanted = getattr(found, name), getattr(expected, name)
        assert (array.dtype, array.shape) == (np.float32, wanted.shape)
        assert array.tobytes() == wanted.tobytes()
    assert found.width == 4


def test_the_files_are_as_described(tmp_path):
    _written(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == _FILES
    assert (tmp_path / "plans.jsonl").read_text().splitlines() == [
        '{"goal": "a plate", "steps": [0, 1], "split": "train", "items": [], "given": []}',
        '{"goal": "a “gear”", "steps": [0, 1, 2, 1], "split": "heldout", "items": ["gear", "rod"], "given": []}',
    ]
    tensors = safetensors.numpy.load_file(tmp_path / "embeddings.safetensors")
    assert {name: array.shape for name, array in tensors.items()} == {"vocabulary": (3, 4), "goals": (2, 4)}
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest.pop("files") == {
        name: {
            "bytes": (tmp_path / name).stat().st_size,
            "sha256": hashlib.sha256((tmp_path / name).read_bytes()).hexdigest(),
        }
        for name in _FILES
        if name != "manifest.json"
    }
    assert manifest == {
        "format": 1,
        "embedder": "hashes",
        "width": 4,
        "writer": "hand",
        "counts": {"plans": 2, "plans_by_split": {"heldout": 1, "train": 1}, "sentences": 3, "steps": 6},
    }


def test_equal_data_sets_are_equal_bytes_and_a_new_one_takes_the_place(tmp_path):
    first, second = _written(tmp_path / "first"), _written(tmp_path / "second", writer="another")
    _written(tmp_path / "second")
    for name in _FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_the_manifest_comes_last(tmp_path, monkeypatch):
    order = []
    replace = type(tmp_path).replace

    def noting(path, target):
        order.append(target.name)
        return replace(path, target)

    monkeypatch.setattr(type(tmp_path), "replace", noting)
    _written(tmp_path)
    assert sorted(order) == _FILES and order[-1] == "manifest.json"


def test_a_write_that_fails_loses_nothing(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    _written(tmp_path)
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(errors.UserError, match=r"can't be written \(No space left on device\); make room"):
        _written(tmp_path, writer="another")
    assert dataset.read(tmp_path).writer == "hand"


@pytest.mark.parametrize("name", [name for name in _FILES if name != "manifest.json"])
def test_a_file_that_was_touched_is_refused(tmp_path, name):
    path = _written(tmp_path) / name
    content = path.read_bytes()
    path.write_bytes(content[:-5])
    _refused(tmp_path, rf"{name} is truncated: {len(content) - 5} of {len(content)} bytes; prepare the data again")
    path.write_bytes(content[:-5] + bytes(byte ^ 1 for byte in content[-5:]))
    _refused(tmp_path, rf"{name} is not what was prepared: its SHA-256 is [0-9a-f]{{64}}, and .* has [0-9a-f]{{64}};")
    path.write_bytes(content + b"\n")
    _refused(tmp_path, f"{name} is not what was prepared")
    path.unlink()
    _refused(tmp_path, f"{name} is missing, and manifest.json beside it names it")
    path.mkdir()
    _refused(tmp_path, rf"{name} can't be read \(Is a directory\)")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (None, r"no finished data set in .* \(no manifest.json\); prepare one first"),
        ("{", r"manifest.json can't be read \(.* is not valid JSON"),
        ("[]", r"is of the format \[\], and this program reads 1"),
        ('{"format": 2}', "is of the format 2, and this program reads 1"),
        ('{"format": 1, "files": {"plans.jsonl": {}}}', "does not name the files plans.jsonl, vocabulary.jsonl, emb"),
    ],
)
def test_without_its_manifest_a_data_set_is_none(tmp_path, content, match):
    manifest = _written(tmp_path) / "manifest.json"
    if content is None:
        manifest.unlink()
    else:
        manifest.write_text(content)
    _refused(tmp_path, match)


def test_a_manifest_says_what_made_the_data(tmp_path):
    manifest = _written(tmp_path) / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"embedder"', '"embeder"'))
    _refused(tmp_path, "manifest.json has no 'embedder'")


def _tensors(vocabulary=(3, 4), goals=(2, 4), dtype=np.float32):
    return {"vocabulary": np.ones(vocabulary, dtype), "goals": np.ones(goals, dtype)}


def _spoiled(value):
    tensors = _tensors()
    tensors["vocabulary"][1:, 2] = value
    return tensors


@pytest.mark.parametrize(
    ("tensors", "match"),
    [
        (_tensors((3, 5), (2, 5)), "the embeddings have a width of 5, and manifest.json says 4; prepare"),
        (_tensors(goals=(2, 5)), "the embeddings differ in width, 4 for vocabulary and 5 for goals; prepare"),
        (_tensors(goals=(3, 4)), r"of goals have shape \[3, 4\] and type float32, expected \[2, width\] float32"),
        (_tensors(vocabulary=(12,)), r"of vocabulary have shape \[12\] and type float32, expected \[3, width\]"),
        (_tensors(dtype=np.float64), r"of vocabulary have shape \[3, 4\] and type float64"),
        (_spoiled(np.nan), "the embeddings of vocabulary are not finite in 2 rows, first in row 1"),
        (_spoiled(np.inf), "the embeddings of vocabulary are not finite in 2 rows, first in row 1"),
        ({"vocabulary": np.ones((3, 4), np.float32)}, r"holds no data set of this kind \('goals'\)"),
    ],
)
def test_embeddings_that_do_not_fit_are_refused_though_their_sum_is_right(tmp_path, tensors, match):
    _tamper(_written(tmp_path), "embeddings.safetensors", safetensors.numpy.save(tensors))
    _refused(tmp_path, match)


@pytest.mark.parametrize("size", [0, 5, 40, -1])
def test_a_truncated_safetensors_file_is_refused_though_its_sum_is_right(tmp_path, size):
    path = _written(tmp_path) / "embeddings.safetensors"
    _tamper(tmp_path, path.name, path.read_bytes()[:size])
    _refused(tmp_path, "holds no data set of this kind")


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        (
            "plans.jsonl",
            b'{"goal": "a", "steps": [3], "split": "s", "items": []}\n',
            "plan 0 has the step 3, but .* 0 to 2",
        ),
        ("plans.jsonl", b'{"goal": "a", "steps": [], "split": "s", "items": []}\n', "plan 0 has no steps"),
        ("plans.jsonl", b'{"goal": "a", "steps": [0.5], "split": "s", "items": []}\n', "plan 0 has the step 0.5"),
        ("plans.jsonl", b"", "there is no plan"),
        ("plans.jsonl", b"{}\n", r"holds no data set of this kind \('goal'\)"),
        ("plans.jsonl", b"5\n", "holds no data set of this kind"),
        ("vocabulary.jsonl", b"\xff\n", "holds no data set of this kind"),
        (
            "vocabulary.jsonl",
            b'{"sentence": "Mine."}\n',
            "plan 0 has the step 1, but the vocabulary's indices are 0 to 0",
        ),
    ],
)
def test_text_that_does_not_fit_is_refused_though_its_sum_is_right(tmp_path, name, content, match):
    _tamper(_written(tmp_path), name, content)
    _refused(tmp_path, match)


def test_what_is_no_data_set_is_not_written(tmp_path):
    spoiled = _dataset().goal_embeddings.copy()
    spoiled[1, 0] = np.nan
    for changes, match in (
        ({"goal_embeddings": spoiled}, "goals are not finite in 1 rows, first in row 1"),
        ({"vocabulary_embeddings": np.ones((3, 5), np.float32)}, "differ in width, 5 for vocabulary and 4 for goals"),
        ({"plans": ()}, "there is no plan"),
    ):
        with pytest.raises(ValueError, match=f"^this is not a valid data set: .*{match}"):
            _written(tmp_path / "data", **changes)
    assert not (tmp_path / "data").exists()


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(errors.UserError, match=r"data can't be written \(Not a directory\)"):
        _written(tmp_path / "file" / "data")
