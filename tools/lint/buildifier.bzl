"""`@buildifier`: the formatter and linter of Bazel files, out of its npm package.

Without npm, or while npm can't fetch it, there is a file with the reason in its place, a line says so, and the check of
Bazel files is skipped. It is `local`, so that this is not for good: it is looked for anew whenever a Bazel server starts or
PATH changes. What npm has fetched once it takes out of its own cache then.
"""

_PACKAGE = "@bazel/buildifier@8.2.1"
_SHA256 = "b96ea9b13003036c801f52bee6f9b0314738f8432e5cb9d814c89f59292604ee"
_PLATFORMS = {
    ("linux", "amd64"): "linux_amd64",
    ("linux", "x86_64"): "linux_amd64",
    ("linux", "aarch64"): "linux_arm64",
    ("linux", "arm64"): "linux_arm64",
}

_BUILD = """\
package(default_visibility = ["//visibility:public"])

# `buildifier`, or `missing.txt` with the reason why it could not be had.
filegroup(
    name = "buildifier_or_reason",
    srcs = glob(["buildifier", "missing.txt"], allow_empty = True),
)
"""

def _give_up(ctx, reason):
    # buildifier: disable=print
    print("\nno buildifier, so Bazel files are not checked: %s (looked for again after `bazel shutdown`)" % reason)
    ctx.file("missing.txt", reason + "\n")

def _buildifier_binary_impl(ctx):
    ctx.file("BUILD.bazel", _BUILD)
    machine = ctx.execute(["uname", "-m"]).stdout.strip()
    platform = _PLATFORMS.get((ctx.os.name.lower(), machine))
    npm = ctx.which("npm")
    if not platform:
        _give_up(ctx, "no build of %s is known for %s %s" % (_PACKAGE, ctx.os.name, machine))
        return
    if not npm:
        _give_up(ctx, "npm is not on PATH, which %s comes from" % _PACKAGE)
        return
    pack = ctx.execute([npm, "pack", "--prefer-offline", "--loglevel=error", _PACKAGE], timeout = 600)
    if pack.return_code != 0:
        said = [line.strip() for line in (pack.stderr + pack.stdout).split("\n") if line.strip()]
        _give_up(ctx, "npm could not fetch %s: %s" % (_PACKAGE, "; ".join(said[:3])))
        return

    # Through `download`, which compares the hash: another file under the same name is an error.
    archive = ctx.path(pack.stdout.strip().split("\n")[-1])
    ctx.download("file://%s" % archive, "verified.tgz", sha256 = _SHA256)
    ctx.extract("verified.tgz", "unpacked")
    ctx.symlink("unpacked/package/buildifier-" + platform, "buildifier")
    ctx.delete(archive)

buildifier_binary = repository_rule(
    implementation = _buildifier_binary_impl,
    environ = ["PATH"],
    local = True,
)
