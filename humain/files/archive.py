"""One file of named arrays and a JSON header, whole or not there, whose damage is noticed.

The file is a zip archive such as `numpy.savez` writes: `numpy.load` reads its arrays and any archive program its
`header.json`. The archive's comment, the file's last bytes, is the SHA-256 of all that is before it. Nothing in it can
run: there is no pickle, and names are no more than names.
"""

import hashlib
import io
import json
import os
import pathlib
import zipfile
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from humain import errors
from humain.files import records

_HEADER = "header.json"
_MARK = b"sha256:"
_DIGEST_LENGTH = 64
_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The time of every member: equal contents make equal files."""


def write(path: pathlib.Path, header: Mapping[str, records.Json], arrays: Mapping[str, np.ndarray]) -> None:
    """Replaces the file `path` in one step: a reader, or a crash, finds the old file or the new one.

    Args:
        path: the file; its folder is made where it is missing.
        header: what to say of the arrays, without a key "arrays": that one gets their types and shapes.
        arrays: of numbers or bools, by name; slashes group them.
    """
    described = {name: {"dtype": array.dtype.name, "shape": list(array.shape)} for name, array in arrays.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        # Indented, for people; not sorted, so that what matters comes first.
        text = json.dumps({**header, "arrays": described}, indent=1, allow_nan=False)
        archive.writestr(zipfile.ZipInfo(_HEADER, _EARLIEST), text)
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, _storable(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EARLIEST), member.getvalue())
        archive.comment = _MARK + b"0" * _DIGEST_LENGTH
    content = buffer.getvalue()[:-_DIGEST_LENGTH]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.write(hashlib.sha256(content).hexdigest().encode())
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read(path: pathlib.Path) -> tuple[dict[str, records.Json], dict[str, np.ndarray]]:
    """The header, with "arrays", and the arrays of a file.

    Raises:
        UserError: when there is no such file, it is not one of `write`'s, or not as it was written.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise errors.UserError(f"{path} can't be read: {error.strerror}") from error
    marked, digest = content[:-_DIGEST_LENGTH], content[-_DIGEST_LENGTH:]
    if not content.startswith(b"PK") or (not marked.endswith(_MARK) and _MARK not in content):
        raise errors.UserError(f"{path} is not a file that humain saved")
    if hashlib.sha256(marked).hexdigest().encode() != digest:
        raise errors.UserError(
            f"{path} is damaged: its checksum is not that of its content; restore it or save it anew"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            header = json.loads(archive.read(_HEADER))
            arrays = {name: _read_array(archive, name, of) for name, of in header["arrays"].items()}
    except (KeyError, TypeError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise errors.UserError(f"{path} is not a file that humain saved ({error})") from error
    return header, arrays


def _storable(array: np.ndarray) -> np.ndarray:
    """The array, or its bits as whole numbers where NumPy has no type of its own for it, such as bfloat16."""
    if array.dtype.kind in "biufc":
        return array
    return array.view(f"u{array.dtype.itemsize}")


def _read_array(archive: zipfile.ZipFile, name: str, described: Mapping[str, str]) -> np.ndarray:
    with archive.open(f"{name}.npy") as member:
        array = np.lib.format.read_array(member, allow_pickle=False)
    return array.view(jnp.dtype(described["dtype"]))
