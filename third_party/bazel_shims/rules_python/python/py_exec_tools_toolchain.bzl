"""Stand-in for @rules_python//python:py_exec_tools_toolchain.bzl."""

def py_exec_tools_toolchain(name):
    """A target of that name; no rule of the stand-in's asks for the toolchain that it would be.

    Args:
      name: the target.
    """
    native.filegroup(name = name)
