"""The wheels that modules need are found by their imports, and by what the lock says of them in turn."""

import os
import subprocess
import sys

import pytest

from tools.without_bazel import needs

_HASH = " \\\n    --hash=sha256:" + "0" * 8 + "\n"
_LOCK = (
    "# a header\n"
    f"absl-py==1{_HASH}    # via -r requirements.in\n"
    f"jax==2{_HASH}    # via -r requirements.in\n"
    f"numpy==3{_HASH}    # via\n    #   -r requirements.in\n    #   jax\n"
    f"only-windows==4 ; sys_platform == 'win32'{_HASH}    # via numpy\n"
    f"torch==5{_HASH}    # via -r requirements.in\n"
)


@pytest.fixture(name="root")
def _root(tmp_path):
    """A small repository: a task that uses a module of the library, which imports within a function."""
    for path, text in {
        "requirements_lock.txt": _LOCK,
        "tasks/__init__.py": "import sys\n",
        "tasks/simple.py": "import os.path\nfrom absl import flags\nfrom humain.model import f\nimport tasks.other\n",
        "tasks/other.py": "import tasks.simple\n",
        "tasks/heavy.py": "import torch\n",
        "humain/__init__.py": "",
        "humain/model.py": "def f():\n    import jax.numpy as jnp\n    return jnp\n",
    }.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_imports_are_followed_through_the_repository(root):
    assert needs.outside_modules(root, ["tasks.simple"]) == {"absl", "jax"}
    assert needs.outside_modules(root, ["tasks.heavy"]) == {"torch"}


def test_what_a_package_imports_on_first_use_counts_where_it_is_named(root):
    lazy = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from torch import nn\n"
    (root / "humain" / "__init__.py").write_text(lazy)
    assert needs.outside_modules(root, ["tasks.simple"]) == {"absl", "jax"}
    (root / "tasks" / "front.py").write_text("import humain as hm\n")
    assert needs.outside_modules(root, ["tasks.front"]) == {"torch"}


def test_the_lines_of_the_lock_come_with_hashes_and_markers(root):
    text = needs.requirements(root, ["tasks.simple"])
    pins = [line.split(" \\")[0] for line in text.splitlines() if line[0].isalpha()]
    assert pins == ["absl-py==1", "jax==2", "numpy==3", "only-windows==4 ; sys_platform == 'win32'"]
    assert text.count("--hash=sha256:00000000") == 4


def test_the_hub_s_names_leave_other_systems_out(root):
    assert needs.wheels(root, ["tasks.simple"]) == ["absl_py", "jax", "numpy"]
    assert needs.wheels(root, []) == ["absl_py", "jax", "numpy", "torch"]


def test_a_wheel_that_the_lock_lacks_is_an_error_of_one_line(root):
    (root / "tasks" / "heavy.py").write_text("import pandas\n")
    with pytest.raises(SystemExit, match="requirements_lock.txt has no pandas: name its distribution in needs.py"):
        needs.requirements(root, ["tasks.heavy"])


def test_what_is_python_s_own_is_not_needed(root):
    assert {"os", "sys"} <= sys.stdlib_module_names
    (root / "tasks" / "other.py").write_text("import tomllib, sys, xml.etree.ElementTree\n")
    assert needs.outside_modules(root, ["tasks.other"]) == set()


def test_a_module_runs_its_packages_too(root):
    files = [path.relative_to(root).as_posix() for path in needs.module_files(root, "tasks.simple")]
    assert files == ["tasks/__init__.py", "tasks/simple.py"]
    files = [path.relative_to(root).as_posix() for path in needs.module_files(root, "humain.model.f")]
    assert files == ["humain/__init__.py", "humain/model.py"]
    assert needs.module_files(root, "jax.numpy") == []


def test_it_runs_before_anything_is_installed(root):
    # -S: without site-packages, where installed ones are.
    done = subprocess.run(
        [sys.executable, "-S", "-m", "tools.without_bazel.needs", "tasks.simple"],
        cwd=root,
        env={"PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == needs.requirements(root, ["tasks.simple"])
