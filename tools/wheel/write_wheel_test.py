"""The wheel's files, their sums and its metadata, on two modules."""

import base64
import csv
import hashlib
import io
import zipfile

import pytest
from packaging.metadata import Metadata

from tools.wheel import write_wheel

_PROJECT = {
    "name": "small-thing",
    "version": "1.2.0",
    "description": "One line.",
    "requires-python": ">=3.11",
    "dependencies": ["numpy>=2,<3"],
    "optional-dependencies": {"view": ["matplotlib<4"]},
}
_FILES = {"small/__init__.py": b"X = 1\n", "small/part/one.py": b"# one\n"}


def _packed(**changes):
    return write_wheel.contents({**_PROJECT, **changes}, _FILES, "# Small thing\n")


def test_the_metadata_say_what_the_project_table_says():
    metadata = Metadata.from_email(_packed()["small_thing-1.2.0.dist-info/METADATA"])
    assert (metadata.name, str(metadata.version), metadata.summary) == ("small-thing", "1.2.0", "One line.")
    assert str(metadata.requires_python) == ">=3.11"
    assert [str(requirement) for requirement in metadata.requires_dist or ()] == [
        "numpy<3,>=2",
        'matplotlib<4; extra == "view"',
    ]
    assert metadata.provides_extra == ["view"]
    assert metadata.description == "# Small thing\n"


def test_the_licence_is_named_where_the_owner_chose_one_and_else_not_at_all():
    assert b"License" not in _packed()["small_thing-1.2.0.dist-info/METADATA"]
    assert b"\nLicense: Ours\n" in _packed(license="Ours")["small_thing-1.2.0.dist-info/METADATA"]


def test_a_key_that_would_be_dropped_is_refused():
    with pytest.raises(ValueError, match="authors"):
        _packed(authors=["somebody"])


def test_the_record_has_the_sum_and_size_of_every_file():
    packed = _packed()
    rows = list(csv.reader(io.StringIO(packed["small_thing-1.2.0.dist-info/RECORD"].decode())))
    assert [row[0] for row in rows] == list(packed)
    for path, digest, size in rows[:-1]:
        algorithm, value = digest.split("=", 1)
        wanted = base64.urlsafe_b64encode(hashlib.new(algorithm, packed[path]).digest()).rstrip(b"=").decode()
        assert (value, int(size)) == (wanted, len(packed[path]))
    assert rows[-1] == ["small_thing-1.2.0.dist-info/RECORD", "", ""]


def test_the_same_files_give_the_same_bytes_in_any_order(tmp_path):
    write_wheel.write(tmp_path / "one.whl", _packed())
    backwards = dict(reversed(_FILES.items()))
    write_wheel.write(tmp_path / "two.whl", write_wheel.contents(_PROJECT, backwards, "# Small thing\n"))
    assert (tmp_path / "one.whl").read_bytes() == (tmp_path / "two.whl").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.whl") as archive:
        assert archive.testzip() is None
        assert archive.read("small/__init__.py") == b"X = 1\n"
        assert archive.read("small/py.typed") == b""


def test_a_file_named_for_another_version_is_refused(tmp_path, capsys):
    project = tmp_path / "pyproject.toml"
    project.write_text(
        '[project]\nname = "small-thing"\nversion = "1.2.0"\ndescription = ""\nrequires-python = ">=3.11"\n'
        "dependencies = []\n"
    )
    readme = tmp_path / "page.md"
    readme.write_text("")
    output = tmp_path / "small_thing-1.1.0-py3-none-any.whl"
    with pytest.raises(SystemExit):
        write_wheel.main([f"--project={project}", f"--readme={readme}", f"--output={output}", str(readme)])
    assert "this version's wheel is small_thing-1.2.0-py3-none-any.whl" in capsys.readouterr().err
