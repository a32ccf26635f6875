"""Copies XLA's FFI headers out of jaxlib's wheel: copy_headers.py VERSION_HEADER HEADER..., each the path to write.

A wheel enters the build as one folder, see `third_party/pypi`, and a C++ target wants each header by name.

The version header is generated. It defines HUMAIN_JAXLIB_VERSION, which a library carries so that it is not used with
another jaxlib.
"""

import importlib.metadata
import importlib.util
import pathlib
import shutil
import sys
from collections.abc import Sequence


def main(version_header: str, headers: Sequence[str]) -> None:
    """Writes the version header, and copies each of the others from the wheel's `include` folder."""
    version = importlib.metadata.version("jaxlib")
    spec = importlib.util.find_spec("jaxlib")
    assert spec is not None and spec.submodule_search_locations
    # Where `jax.ffi.include_dir()` points, found without starting JAX.
    include = pathlib.Path(spec.submodule_search_locations[0], "include")
    pathlib.Path(version_header).write_text(f'#define HUMAIN_JAXLIB_VERSION "{version}"\n', encoding="utf-8")
    for header in headers:
        _, _, name = header.rpartition("/include/")
        if not (include / name).is_file():
            sys.exit(f"jaxlib {version} has no header {name} under {include}: change third_party/jaxlib/BUILD.bazel")
        shutil.copyfile(include / name, header)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
