"""Bazel 4 stand-in for @rules_cc//cc/common:cc_common.bzl."""

load(":builtins.bzl", "builtins")

cc_common = builtins.cc_common
