"""What BUILD files say of tests."""

from tools.mutation import targets
from tools.mutation.targets import Target

_BUILD = """
load("//tools/pytest:defs.bzl", "pytest_test")

py_library(name = "one", srcs = ["one.py"])

pytest_test(
    name = "tests",
    srcs = ["one_test.py", "two_test.py"],
    plugins = ["some.settings"],
)

pytest_test(
    name = "slow_test",
    srcs = ["slow_test.py"],
    optimized = True,
    plugins = [
        "some.devices",
        "some.settings",
    ],
)

pytest_test(
    name = "plain_test",
    srcs = ["plain_test.py"],
)
"""


def test_each_module_has_what_its_target_asks_for(tmp_path):
    (tmp_path / "here" / "below").mkdir(parents=True)
    (tmp_path / "here" / "below" / "BUILD.bazel").write_text(_BUILD)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "BUILD.bazel").write_text(_BUILD)
    assert targets.tests(tmp_path, "here") == {
        "here/below/one_test.py": Target(("some.settings",)),
        "here/below/two_test.py": Target(("some.settings",)),
        "here/below/slow_test.py": Target(("some.devices", "some.settings"), optimized=True),
        "here/below/plain_test.py": Target(),
    }
