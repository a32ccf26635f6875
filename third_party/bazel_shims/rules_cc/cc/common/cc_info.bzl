"""Bazel 4 stand-in for @rules_cc//cc/common:cc_info.bzl."""

load(":builtins.bzl", "builtins")

# buildifier: disable=name-conventions
CcInfo = builtins.CcInfo
