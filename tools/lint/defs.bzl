"""How the checks see every source file of the repository.

A check of all sources can't name them: a list kept by hand goes stale, and no glob crosses packages. So the checks find
the workspace through the real path of one of its files in their runfiles, which a sandbox lets them read, and ask
`list_sources` for the files there. Those are inputs that Bazel doesn't know of; `source_state` stands for them. Its file
holds the digest that `source_digest`, .bazelrc's workspace status command, computes at the start of every build: a check
runs again when any source of its kind was changed, added or removed, and is answered from the cache when none was. At its
end it computes the digest again, and fails when that is another one: it may have read what the digest doesn't stand for.
"""

load("//tools/pytest:defs.bzl", "pytest_test")

def _source_state_impl(ctx):
    out = ctx.actions.declare_file(ctx.label.name + ".txt")
    ctx.actions.run_shell(
        inputs = [ctx.info_file],
        outputs = [out],
        arguments = [ctx.info_file.path, out.path],
        command = """\
grep '^STABLE_%s_DIGEST ' "$1" > "$2" || {
  echo "no digest of the sources: build with the repository's own --workspace_status_command, see .bazelrc" >&2
  exit 1
}""" % ctx.attr.kind.upper(),
        mnemonic = "SourceState",
        progress_message = "Noting the state of the sources",
    )
    return [DefaultInfo(
        files = depset([out]),
        runfiles = ctx.runfiles(files = [out]),
    )]

source_state = rule(
    implementation = _source_state_impl,
    attrs = {"kind": attr.string(mandatory = True, values = ["bazel", "python"])},
    doc = "A file that changes whenever a source file of the repository, of this kind, does.",
)

def source_check(name, srcs, kinds, deps = [], data = [], tags = [], **kwargs):
    """A test of all source files of the repository.

    Args:
      name: the target.
      srcs: its test modules.
      kinds: the kinds of source files that it reads: "bazel", "python".
      deps: what they import, besides //tools/lint:sources.
      data: the files they need, besides the state of the sources.
      tags: more tags; it never runs on another machine.
      **kwargs: passed to pytest_test.
    """
    pytest_test(
        name = name,
        srcs = srcs,
        data = data + [
            "//:pyproject.toml",
            "//tools/lint:list_sources",
            "//tools/lint:source_digest",
        ] + ["//tools/lint:%s_state" % kind for kind in kinds],
        tags = tags + ["no-remote-exec"],
        plugins = ["tools.lint.unchanged_sources"],
        deps = deps + [
            "//tools/lint:sources",
            "//tools/lint:unchanged_sources",
        ],
        **kwargs
    )
