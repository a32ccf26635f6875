"""PyPI wheels as Bazel repositories, from hash-pinned lock files. WORKSPACE.bazel:

    pypi_hub(name = "pypi", locks = {"//:requirements_lock.txt": "cpu", ...}, ...)
    load("@pypi//:wheels.bzl", "pypi_wheels")
    pypi_wheels()

MODULE.bazel says the same through the extension in extension.bzl. Both make `@pypi//NAME`. Each wheel is a repository of
its own, installed by pip when a target that is built first needs it, and again only when its own lines of the lock
change.
"""

_PYTHON = "@python_3_11//:bin/python3"
_PIP = "@python_3_11//:pip/pip/__main__.py"
_RUNTIME = "@python_3_11//:runtime.txt"

def _run(ctx, script, argument, environment = {}):
    """What `script` prints as JSON, run by the toolchain's own Python with pip to import.

    A fixed hash seed, and nothing else on the import path: what is installed must not depend on whose machine it is.
    """
    result = ctx.execute(
        [ctx.path(Label(_PYTHON)), "-B", ctx.path(script), argument],
        environment = dict(
            environment,
            PYTHONHASHSEED = "0",
            PYTHONPATH = str(ctx.path(Label(_PIP)).dirname.dirname),
        ),
        timeout = 3600,
    )
    if result.return_code != 0:
        fail("\n" + result.stdout + result.stderr)
    return json.decode(result.stdout)

_WHEEL_BUILD = """\
load("@rules_python//python:defs.bzl", "py_library")

package(default_visibility = ["//visibility:public"])

# A source directory, on purpose: a runfiles tree and a sandbox get one link a wheel (torch alone has 12,000 files), no
# file name in a wheel has to be a legal label, and Bazel puts no __init__.py into namespace packages. Bazel 4 doesn't
# notice when such a folder is replaced, so wheel_record.txt, the hash of every file in it, stands beside it. A remote
# cache's keys hash what is inside.
filegroup(
    name = "data",
    srcs = [
        "site-packages",
        "wheel_record.txt",
    ],
)

filegroup(
    name = "dist_info",
    srcs = glob(["site-packages/*.dist-info/*"]),
)

py_library(
    name = "{name}",
    data = [":data"],
    imports = ["site-packages"],
    deps = {deps},
)
"""

_CYCLE_BUILD = """
py_library(
    name = "pkg",
    deps = {deps},
)
"""

def _extra_index(ctx):
    """The `--extra-index-url` of a requirements file, or what $BAZEL_TORCH_INDEX names in its place; empty for none."""
    if "BAZEL_TORCH_INDEX" in ctx.os.environ:
        return ctx.os.environ["BAZEL_TORCH_INDEX"]
    for line in ctx.read(ctx.attr.requirements).split("\n"):
        if line.startswith("--extra-index-url"):
            return line[len("--extra-index-url"):].split("#")[0].strip(" =")
    return ""

def _installed(ctx):
    """What install_wheel.py says of the wheels of `ctx`, once they are in the repository."""
    linked = ctx.execute(
        ["sh", ctx.path(ctx.attr._link), ctx.attr.spec, ctx.path(Label(_RUNTIME)), ctx.path(ctx.attr._install)],
    )
    if linked.return_code == 0:
        return json.decode(linked.stdout)

    # Not a part of the spec: where a wheel is from changes nothing of what it is.
    index = _extra_index(ctx) if getattr(ctx.attr, "requirements", None) else ""
    return _run(ctx, ctx.attr._install, ctx.attr.spec, {"BAZEL_TORCH_INDEX": index})

def _pypi_wheel_impl(ctx):
    wheel = _installed(ctx)
    cycle = json.decode(ctx.attr.spec)["cycle"]
    hub = "@" + ctx.attr.hub + "//"
    build = _WHEEL_BUILD.format(
        name = "impl" if cycle else "pkg",
        deps = repr([hub + dep + ":pkg" for dep in wheel["deps"] if dep not in cycle]),
    )
    if cycle:
        build += _CYCLE_BUILD.format(deps = repr([hub + member + ":impl" for member in cycle]))
    ctx.file("BUILD.bazel", build)

_WHEEL_ATTRS = {
    "hub": attr.string(mandatory = True),
    "spec": attr.string(mandatory = True, doc = "JSON, see parse_lock.py"),
    "_install": attr.label(default = "//third_party/pypi:install_wheel.py"),
    "_link": attr.label(default = "//third_party/pypi:link_wheel.sh"),
}

_public_wheel = repository_rule(
    implementation = _pypi_wheel_impl,
    attrs = _WHEEL_ATTRS,
    environ = ["BAZEL_WHEEL_CACHE"],
)

# Of its own, so that another address of the index touches no other wheel.
_local_build = repository_rule(
    implementation = _pypi_wheel_impl,
    attrs = dict(
        _WHEEL_ATTRS,
        requirements = attr.label(mandatory = True, allow_single_file = True, doc = "names the index to try"),
    ),
    environ = [
        "BAZEL_TORCH_INDEX",
        "BAZEL_WHEEL_CACHE",
    ],
)

def pypi_wheel(name, hub, spec):
    """The repository of a wheel, or of those that share one.

    Args:
      name: of the repository.
      hub: the hub that names it.
      spec: JSON, see parse_lock.py.
    """
    if [wheel for wheel in json.decode(spec)["wheels"] if wheel["local_build"]]:
        _local_build(name = name, hub = hub, spec = spec, requirements = Label("//:requirements.in"))
    else:
        _public_wheel(name = name, hub = hub, spec = spec)

# Its labels can be read by a test that fetches nothing.
_HUB_ROOT = """\
package(default_visibility = ["//visibility:public"])

exports_files([
    "selection.json",
    "specs.json",
])

filegroup(
    name = "build_files",
    srcs = {build_files},
)
"""

_HUB_PACKAGE = """\
package(default_visibility = ["//visibility:public"])

exports_files(["BUILD.bazel"])

"""

_WHEELS_BZL = """\
load("@{workspace}//third_party/pypi:pypi.bzl", "pypi_wheel")

_SPECS = {specs}

def pypi_wheels():
    for name, spec in _SPECS.items():
        pypi_wheel(name = "{name}_" + name, hub = "{name}", spec = spec)
"""

def parse_locks(ctx, locks, merged):
    """What parse_lock.py says of some locks.

    Args:
      ctx: of a repository rule or a module extension.
      locks: {lock: config}.
      merged: {name: patterns} of wheels that share one repository.

    Returns:
      what it prints.
    """
    return _run(ctx, Label("//third_party/pypi:parse_lock.py"), json.encode({
        "locks": {config: str(ctx.path(lock)) for lock, config in locks.items()},
        "merged": merged,
    }))

def wheel_specs(parsed):
    """The wheels' repositories.

    Args:
      parsed: what `parse_locks` returned.

    Returns:
      {repository: the `spec` of its pypi_wheel}.
    """
    return {
        name: json.encode(dict(spec, members = {
            member: group
            for member, group in parsed["members"].items()
            if group in spec["deps"]
        }))
        for name, spec in parsed["repositories"].items()
    }

def _selection(hub, parsed):
    """{name: {config: label}}: what the hub's labels stand for, for a test that fetches nothing."""
    chosen = {
        name: {config: "@%s_%s//:pkg" % (hub, repository) for config, repository in variants.items()}
        for name, variants in parsed["hub"].items()
    }
    for name, group in parsed["members"].items():
        chosen[name] = chosen[group]
    return chosen

def _alias(name, actual):
    return "alias(\n    name = %r,\n    actual = %s,\n)\n" % (name, actual)

def _pypi_hub_impl(ctx):
    parsed = parse_locks(ctx, ctx.attr.locks, ctx.attr.merged)
    hub = ctx.attr.hub or ctx.name
    members = parsed["members"]
    ctx.file("BUILD.bazel", _HUB_ROOT.format(
        build_files = repr(["//%s:BUILD.bazel" % name for name in parsed["hub"].keys() + members.keys()]),
    ))
    ctx.file("selection.json", json.encode(_selection(hub, parsed)))
    ctx.file("specs.json", json.encode(wheel_specs(parsed)))
    ctx.file("wheels.bzl", _WHEELS_BZL.format(
        workspace = ctx.attr.workspace,
        name = hub,
        specs = repr(wheel_specs(parsed)),
    ))
    for name, variants in parsed["hub"].items():
        text = _HUB_PACKAGE
        targets = ["pkg", "dist_info"]
        if parsed["repositories"][variants.values()[0]]["cycle"]:
            targets.append("impl")
        for target in targets:
            actual = {
                ctx.attr.config_settings.get(config, "//conditions:default"): "@%s_%s//:%s" % (hub, repository, target)
                for config, repository in variants.items()
            }
            if len(variants) == len(ctx.attr.locks) and len({label: None for label in actual.values()}) == 1:
                text += _alias(target, repr(actual.values()[0]))
            else:
                text += _alias(target, "select(%r, no_match_error = %r)" % (
                    actual,
                    "%s is only in the lock for %s" % (name, ", ".join(sorted(variants.keys()))),
                ))
        ctx.file(name + "/BUILD.bazel", text + _alias(name, '":pkg"'))
    for name, group in members.items():
        ctx.file(name + "/BUILD.bazel", _HUB_PACKAGE + _alias(name, '":pkg"') + "".join([
            _alias(target, repr("//%s:%s" % (group, target)))
            for target in ["pkg", "dist_info"]
        ]))

pypi_hub = repository_rule(
    implementation = _pypi_hub_impl,
    attrs = {
        "hub": attr.string(doc = "its name in labels; under bzlmod its own, the canonical one, can't be spelt"),
        "workspace": attr.string(mandatory = True, doc = "this workspace's name"),
        "locks": attr.label_keyed_string_dict(mandatory = True, allow_files = True, doc = "lock file -> config"),
        "config_settings": attr.string_dict(doc = "config -> config_setting; the one without is the default"),
        "merged": attr.string_list_dict(doc = "name -> patterns of wheels that share one site-packages"),
        # Watched here; `parse_locks` runs it.
        "_parse": attr.label(default = "//third_party/pypi:parse_lock.py"),
    },
)
