"""WORKSPACE.bazel, for Bazel 4, and MODULE.bazel, for Bazel 7 and later, say the same where each says it for itself.

Both are read as text (Starlark's grammar is part of Python's), and so are the names of the rules that are loaded. That
both build and pass their tests is shown by running them: `.ci/run`, and tools/module_mode/check for Bazel 7.
"""

import ast
import os
import pathlib
import re
import tomllib

import pytest

from tools.lint import sources

_ROOT = sources.workspace()
_SHIMS = _ROOT / "third_party" / "bazel_shims"
# The files of the real rules that BUILD and .bzl files may load, and the names that they may take from each.
_REAL_RULES = {
    "@rules_cc//cc:cc_binary.bzl": {"cc_binary"},
    "@rules_cc//cc:cc_library.bzl": {"cc_library"},
    "@rules_cc//cc:cc_test.bzl": {"cc_test"},
    "@rules_cc//cc:defs.bzl": {"cc_binary", "cc_import", "cc_library", "cc_test"},
    "@rules_python//python:defs.bzl": {"py_binary", "py_library", "py_runtime", "py_runtime_pair", "py_test"},
    "@rules_python//python:py_binary.bzl": {"py_binary"},
    "@rules_python//python:py_exec_tools_toolchain.bzl": {"py_exec_tools_toolchain"},
    "@rules_python//python:py_library.bzl": {"py_library"},
    "@rules_python//python:py_test.bzl": {"py_test"},
    "@rules_python//python/entry_points:py_console_script_binary.bzl": {"py_console_script_binary"},
}
# The stand-ins themselves, and the file that makes the repositories that it loads from.
_LEFT_OUT = ("third_party/bazel_shims/", "WORKSPACE.bazel")


def calls(path):
    """(name, {keyword: value}) of every call at the top level of a file; a value that is no literal is left out."""
    for node in ast.walk(ast.parse((_ROOT / path).read_text())):
        if isinstance(node, ast.Call):
            values = {}
            for keyword in node.keywords:
                try:
                    values[keyword.arg] = ast.literal_eval(keyword.value)
                except ValueError:
                    continue
            yield ast.unparse(node.func), values


def call(path, name):
    """The keywords of the one call of `name` in a file."""
    (found,) = [values for called, values in calls(path) if called == name]
    return found


def normalized(name):
    """A distribution's name as the hub's labels spell it."""
    return re.sub(r"[-_.]+", "_", name).lower()


def test_the_repository_has_one_name():
    assert call("WORKSPACE.bazel", "workspace")["name"] == call("MODULE.bazel", "module")["name"] == "humain"


def test_python_has_one_version():
    settings = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    versions = {
        call("WORKSPACE.bazel", "python_runtime")["version"],
        call("MODULE.bazel", "python_runtime")["version"],
        settings["tool"]["mypy"]["python_version"],
        settings["tool"]["ruff"]["target-version"].replace("py3", "3."),
    }
    assert versions == {"3.11"}


def test_both_hubs_are_made_of_the_same():
    workspace = call("WORKSPACE.bazel", "pypi_hub")
    assert workspace.pop("workspace") == "humain"
    assert workspace == call("MODULE.bazel", "pypi.hub")


def test_pip_heeds_the_user_s_settings():
    assert "--isolated" not in (_ROOT / "third_party" / "pypi" / "install_wheel.py").read_text()


def test_the_other_repositories_are_in_both():
    def made(path):
        return {values["name"] for name, values in calls(path) if name == "buildifier_binary"}

    assert made("WORKSPACE.bazel") == made("MODULE.bazel") == {"buildifier"}


def test_every_hub_label_is_in_the_lock():
    text = (_ROOT / "requirements_cuda_lock.txt").read_text()
    locked = {normalized(name) for name in re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*?\])?==", text, re.MULTILINE)}
    unknown = []
    for path in sources.bazel_files():
        if path.startswith(_LEFT_OUT):
            continue
        for name, target in re.findall(r'(?<!doc = )"@pypi//([^":]*)(?::([^"]*))?"', (_ROOT / path).read_text()):
            root = ("build_files", "selection.json", "specs.json", "wheels.bzl")
            known = target in (("", "pkg", "dist_info") if name else root) and (not name or name in locked)
            if not known:
                unknown.append(f"{path}: @pypi//{name}{':' + target if target else ''}")
    assert not unknown, "\n".join(unknown)


def loads(text):
    """(label, names) of every load in a file, those among them in the files that its rules write."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "load":
            label, *names = [ast.literal_eval(argument) for argument in node.args]
            yield label, set(names) | {ast.literal_eval(keyword.value) for keyword in node.keywords}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            for line in re.findall(r"^load\(.*\)$", node.value, re.MULTILINE):
                yield from loads(line)


def test_only_what_the_real_rules_have_is_loaded():
    wrong = []
    for path in sources.bazel_files():
        if not path.startswith(_LEFT_OUT):
            for label, names in loads((_ROOT / path).read_text()):
                own = label.startswith(("//", ":", "@{workspace}//"))
                if not own and not names <= _REAL_RULES.get(label, set()):
                    wrong.append(f"{path} loads {', '.join(sorted(names))} from {label}")
    assert not wrong, "\n".join(wrong)


def test_the_loads_in_what_rules_write_are_among_them():
    written = dict(loads((_ROOT / "third_party" / "python" / "toolchain.bzl").read_text()))
    assert written["@rules_python//python:py_exec_tools_toolchain.bzl"] == {"py_exec_tools_toolchain"}
    assert dict(loads((_ROOT / "third_party" / "pypi" / "pypi.bzl").read_text()))["@rules_python//python:defs.bzl"]


@pytest.mark.parametrize("label", sorted(_REAL_RULES))
def test_the_stand_ins_offer_it_under_the_real_path(label):
    path = _SHIMS / label.removeprefix("@").replace("//", "/").replace(":", "/")
    offered = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign):
            offered |= {ast.unparse(target) for target in node.targets}
        elif isinstance(node, ast.FunctionDef):
            offered.add(node.name)
    assert _REAL_RULES[label] <= offered
    assert (path.parent / "BUILD.bazel").exists()


def test_the_rules_are_declared_as_modules():
    declared = {values["name"] for name, values in calls("MODULE.bazel") if name == "bazel_dep"}
    assert {label.split("//")[0].removeprefix("@") for label in _REAL_RULES} <= declared


def test_bazelisk_takes_a_current_bazel_and_debian_s_wrapper_is_left_free():
    # Debian's wrapper reads .bazelversion, and then looks for that very version, only beside a file named WORKSPACE.
    assert int((_ROOT / ".bazelversion").read_text().split(".")[0]) >= 7
    assert not (_ROOT / "WORKSPACE").exists()


def test_this_build_runs_from_these_files():
    assert pathlib.Path.cwd().name in ("humain", "_main"), os.getcwd()
