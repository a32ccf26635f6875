"""A library is used with the jaxlib that it was built against, or turned away in one line."""

import pathlib

import jaxlib.version
import pytest

from humain import errors
from humain.native import library

_BUILT = pathlib.Path(library.__file__).with_name("libselu.so")


def test_a_library_of_this_jaxlib_is_loaded():
    assert library.missing(_BUILT) == ""
    assert library.load(_BUILT).HumainJaxlibVersion() == jaxlib.version.__version__.encode()


def test_a_library_of_another_jaxlib_is_turned_away(monkeypatch: pytest.MonkeyPatch):
    built = jaxlib.version.__version__
    monkeypatch.setattr(jaxlib.version, "__version__", "0.99.0")
    with pytest.raises(errors.UserError) as raised:
        library.load(_BUILT)
    assert str(raised.value) == (
        f"libselu.so was built against jaxlib {built}, and this is jaxlib 0.99.0; build it again, through Bazel"
    )
    assert library.missing(_BUILT) == str(raised.value)


def test_a_library_that_is_not_built_is_said(tmp_path: pathlib.Path):
    path = tmp_path / "libselu.so"
    with pytest.raises(errors.UserError, match=r"^libselu\.so is not built; run it by Bazel, on Linux"):
        library.load(path)
    assert library.missing(path).startswith("libselu.so is not built")


def test_what_is_no_library_is_said(tmp_path: pathlib.Path):
    path = tmp_path / "libselu.so"
    path.write_text("text")
    with pytest.raises(errors.UserError, match=r"^libselu\.so can't be loaded \(.*\); build it again"):
        library.load(path)
    assert library.missing(path).startswith("libselu.so can't be loaded (")
