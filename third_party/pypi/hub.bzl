"""What the hubs of both modes have in common: their labels can be read by a test that fetches nothing."""

HUB_PACKAGE = """\
package(default_visibility = ["//visibility:public"])

exports_files(["BUILD.bazel"])
"""

_HUB_ROOT = """\
package(default_visibility = ["//visibility:public"])

exports_files(["selection.json"])

filegroup(
    name = "build_files",
    srcs = {build_files},
)
"""

def hub_root(names):
    """The text of a hub's own BUILD file.

    Args:
      names: the packages of the hub.
    """
    return _HUB_ROOT.format(build_files = repr(["//%s:BUILD.bazel" % name for name in names]))
