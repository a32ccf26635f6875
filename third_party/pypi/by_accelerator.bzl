"""`@pypi//NAME` under bzlmod: the wheel of the hub for the accelerator that is built for."""

load(":hub.bzl", "HUB_PACKAGE", "hub_root")

def _normalize(name):
    name = name.split("[")[0].strip().lower()
    for separator in ["-", "."]:
        name = name.replace(separator, "_")
    return name

def _pypi_by_accelerator_impl(ctx):
    hubs = {}
    for lock, hub in ctx.attr.locks.items():
        for line in ctx.read(lock).split("\n"):
            if "==" in line and line[0].isalnum():
                hubs.setdefault(_normalize(line.split("==")[0]), []).append(hub)
    ctx.file("BUILD.bazel", hub_root(hubs.keys()))

    # {name: {config: label}}: what these labels stand for, for a test that fetches nothing.
    ctx.file("selection.json", json.encode({
        name: {hub.split("_")[-1]: "@%s//%s:pkg" % (hub, name) for hub in offering}
        for name, offering in hubs.items()
    }))
    for name, offering in hubs.items():
        text = HUB_PACKAGE
        for target in ["pkg", "dist_info"]:
            text += "\nalias(\n    name = %r,\n    actual = select(%r, no_match_error = %r),\n)\n" % (
                target,
                {
                    ctx.attr.config_settings.get(hub, "//conditions:default"): "@%s//%s:%s" % (hub, name, target)
                    for hub in offering
                },
                "%s is only in %s" % (name, ", ".join(offering)),
            )
        text += "\nalias(\n    name = %r,\n    actual = \":pkg\",\n)\n" % name
        ctx.file(name + "/BUILD.bazel", text)

pypi_by_accelerator = repository_rule(
    implementation = _pypi_by_accelerator_impl,
    attrs = {
        "locks": attr.label_keyed_string_dict(mandatory = True, allow_files = True, doc = "lock file -> hub"),
        "config_settings": attr.string_dict(doc = "hub -> config_setting; the one without is the default"),
    },
)
