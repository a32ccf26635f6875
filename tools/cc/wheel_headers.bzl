"""C++ headers that come inside a Python wheel, such as XLA's FFI headers in jaxlib."""

load("@rules_cc//cc/common:cc_common.bzl", "cc_common")
load("@rules_cc//cc/common:cc_info.bzl", "CcInfo")

def _wheel_headers_impl(ctx):
    # This wheel's own files: one folder with this workspace's own hub, a file for each header with rules_python's.
    repository = ctx.attr.wheel.label.workspace_name
    files = ctx.attr.wheel[DefaultInfo].default_runfiles.files.to_list()
    files = [f for f in files if f.owner.workspace_name == repository]
    marker = "/site-packages/" + ctx.attr.include + "/"
    folders = [f for f in files if f.basename == "site-packages"]
    headers = [f for f in files if marker in f.path]
    out = ctx.actions.declare_directory(ctx.label.name)
    if folders:
        source = folders[0].path + "/" + ctx.attr.include
    elif headers:
        source = headers[0].path.split(marker)[0] + marker[:-1]
    else:
        fail("%s has no %s" % (ctx.attr.wheel.label, ctx.attr.include))
    ctx.actions.run_shell(
        inputs = folders or headers,
        outputs = [out],
        command = 'cp -rL "$1/." "$2"',
        arguments = [source, out.path],
        mnemonic = "WheelHeaders",
    )
    return [
        DefaultInfo(files = depset([out])),
        CcInfo(compilation_context = cc_common.create_compilation_context(
            headers = depset([out]),
            system_includes = depset([out.path]),
        )),
    ]

wheel_headers = rule(
    implementation = _wheel_headers_impl,
    attrs = {
        "wheel": attr.label(mandatory = True, doc = "@pypi//NAME"),
        "include": attr.string(mandatory = True, doc = "the folder in the wheel, e.g. jaxlib/include"),
    },
    provides = [CcInfo],
)
