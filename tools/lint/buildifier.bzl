"""`@buildifier`: the formatter and linter of Bazel files, out of its npm package."""

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

def _buildifier_binary_impl(ctx):
    ctx.file("BUILD.bazel", _BUILD)
    machine = ctx.execute(["uname", "-m"]).stdout.strip()
    platform = _PLATFORMS.get((ctx.os.name.lower(), machine))
    npm = ctx.which("npm")
    if not platform:
        ctx.file("missing.txt", "no build of %s is known for %s %s\n" % (_PACKAGE, ctx.os.name, machine))
        return
    if not npm:
        ctx.file("missing.txt", "npm is not on PATH, which %s comes from\n" % _PACKAGE)
        return
    pack = ctx.execute([npm, "pack", "--silent", _PACKAGE], timeout = 600)
    if pack.return_code != 0:
        reason = (pack.stderr.strip().split("\n") + [""])[0]
        ctx.file("missing.txt", "npm could not fetch %s: %s\n" % (_PACKAGE, reason))
        return

    # Through `download`, which compares the hash: another file under the same name is an error.
    archive = ctx.path(pack.stdout.strip().split("\n")[-1])
    ctx.download("file://%s" % archive, "verified.tgz", sha256 = _SHA256)
    ctx.extract("verified.tgz", "unpacked")
    ctx.symlink("unpacked/package/buildifier-" + platform, "buildifier")
    ctx.delete(archive)

buildifier_binary = repository_rule(implementation = _buildifier_binary_impl)
