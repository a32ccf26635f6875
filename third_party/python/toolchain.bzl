"""A Python 3.11 toolchain made from the machine's own CPython.

The interpreter and its standard library are copied, so a build action sees the same bytes wherever it runs,
they are part of every cache key, and nothing installed on the machine can be imported.
"""

_PROBE = """
import sys, sysconfig
print("%d.%d" % sys.version_info[:2])
print(getattr(sys, "_base_executable", None) or sys.executable)
"""

_BUILD = """\
load("@rules_cc//cc:cc_library.bzl", "cc_library")
load("@rules_python//python:defs.bzl", "py_runtime", "py_runtime_pair")
load("@rules_python//python:py_exec_tools_toolchain.bzl", "py_exec_tools_toolchain")

package(default_visibility = ["//visibility:public"])

exports_files(["bin/python3", "pip"])

py_runtime(
    name = "runtime",
    # `lib` is a source directory on purpose: one link in a runfiles tree in place of thousands. Bazel 4 doesn't
    # notice when it changes, so runtime.txt holds its hash.
    files = [
        "bin/python3.11",
        "lib",
        "runtime.txt",
    ],
    interpreter = "bin/python3",
    python_version = "PY3",
    # Of the launcher only; Debian's bazel-bootstrap depends on this interpreter. The default is `env python`.
    stub_shebang = "#!/usr/bin/python3 -SEs",
)

py_runtime_pair(
    name = "runtime_pair",
    py3_runtime = ":runtime",
)

toolchain(
    name = "toolchain",
    exec_compatible_with = ["@platforms//os:linux"],
    target_compatible_with = ["@platforms//os:linux"],
    toolchain = ":runtime_pair",
    toolchain_type = "@bazel_tools//tools/python:toolchain_type",
)

# Real rules_python looks for these beside the runtime: without them it fetches an interpreter of its own.
py_exec_tools_toolchain(name = "exec_tools")

toolchain(
    name = "exec_tools_toolchain",
    exec_compatible_with = ["@platforms//os:linux"],
    toolchain = ":exec_tools",
    toolchain_type = "@rules_python//python:exec_tools_toolchain_type",
)

cc_library(
    name = "headers",
    hdrs = glob(["include/**/*.h"], allow_empty = True),
    includes = ["include"],
)
"""

def _python_runtime_impl(ctx):
    tried = []
    wanted = ctx.os.environ.get("BAZEL_PYTHON")
    for name in [wanted] if wanted else ["python" + ctx.attr.version, "python3", "python"]:
        path = name if name.startswith("/") else ctx.which(name)
        if not path:
            tried.append("%s: not on PATH" % name)
            continue
        probe = ctx.execute([path, "-I", "-c", _PROBE])
        if probe.return_code != 0:
            tried.append("%s: %s" % (path, probe.stderr.strip()))
            continue
        version, executable = probe.stdout.strip().split("\n")
        if version != ctx.attr.version:
            tried.append("%s: Python %s" % (path, version))
            continue
        ctx.file("BUILD.bazel", _BUILD)
        copy = ctx.execute(
            [executable, "-I", "-B", ctx.path(ctx.attr._vendor), "."],
            # The byte code must not depend on the order of a set or on an object's history.
            environment = {"PYTHONHASHSEED": "0"},
            timeout = 600,
        )
        if copy.return_code != 0:
            fail("copying %s failed:\n%s%s" % (executable, copy.stdout, copy.stderr))
        return
    fail("""
This repository is built with Python %s, and none was found:
  %s
Install it (Debian 12: apt-get install python3.11 python3-pip-whl) or name one:
  bazel build --repo_env=BAZEL_PYTHON=/path/to/python%s ...
""" % (ctx.attr.version, "\n  ".join(tried), ctx.attr.version))

python_runtime = repository_rule(
    implementation = _python_runtime_impl,
    attrs = {
        "version": attr.string(mandatory = True),
        "_vendor": attr.label(default = "//third_party/python:vendor_runtime.py"),
    },
    configure = True,
    environ = [
        "BAZEL_PYTHON",
        "BAZEL_WHEEL_CACHE",
    ],
)
