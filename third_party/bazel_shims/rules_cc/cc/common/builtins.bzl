"""Bazel 4's own names, which a file that defines the same ones can no longer read."""

builtins = struct(
    # buildifier: disable=native-cc-info
    CcInfo = CcInfo,
    # buildifier: disable=native-cc-common
    cc_common = cc_common,
)
