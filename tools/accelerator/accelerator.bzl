"""The accelerator that the build is for."""

_VALUES = ["cpu", "cuda"]

def _accelerator_flag_impl(ctx):
    if ctx.build_setting_value not in _VALUES:
        fail("%s must be one of %s, not %r" % (ctx.label, ", ".join(_VALUES), ctx.build_setting_value))

    # config_setting reads the value of the flag itself; nothing needs it from a provider.
    return []

accelerator_flag = rule(
    implementation = _accelerator_flag_impl,
    build_setting = config.string(flag = True),
)

def _accelerator_transition_impl(_settings, attr):
    return {"//tools/accelerator:accelerator": attr.accelerator}

_accelerator_transition = transition(
    implementation = _accelerator_transition_impl,
    inputs = [],
    outputs = ["//tools/accelerator:accelerator"],
)

def _built_for_impl(ctx):
    out = ctx.actions.declare_file(ctx.label.name + ".txt")
    ctx.actions.symlink(output = out, target_file = ctx.files.files[0])
    return [DefaultInfo(
        files = depset([out]),
        runfiles = ctx.runfiles(files = [out]),
    )]

built_for = rule(
    implementation = _built_for_impl,
    attrs = {
        "accelerator": attr.string(mandatory = True, values = _VALUES),
        "files": attr.label(mandatory = True, cfg = _accelerator_transition, doc = "one file"),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
    doc = "A file built for the accelerator that is named, whichever the build is for.",
)
