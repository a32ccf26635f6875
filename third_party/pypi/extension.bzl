"""The wheels of pypi.bzl under bzlmod: `pypi.hub(name = "pypi", ...)` in MODULE.bazel, with pypi_hub's arguments."""

load(":pypi.bzl", "parse_locks", "pypi_hub", "pypi_wheel", "wheel_specs")

def _pypi_impl(ctx):
    ctx.watch(Label("//third_party/pypi:parse_lock.py"))
    for module in ctx.modules:
        for hub in module.tags.hub:
            for lock in hub.locks:
                ctx.watch(lock)
            pypi_hub(
                name = hub.name,
                config_settings = hub.config_settings,
                hub = hub.name,
                locks = hub.locks,
                merged = hub.merged,
                workspace = module.name,
            )
            for name, spec in wheel_specs(parse_locks(ctx, hub.locks, hub.merged)).items():
                pypi_wheel(name = hub.name + "_" + name, hub = hub.name, spec = spec)

    # The locks have the versions and the hashes: nothing of it belongs into MODULE.bazel.lock.
    return ctx.extension_metadata(reproducible = True)

pypi = module_extension(
    implementation = _pypi_impl,
    environ = ["BAZEL_PYTHON"],
    tag_classes = {"hub": tag_class(attrs = {
        "name": attr.string(mandatory = True),
        "config_settings": attr.string_dict(),
        "locks": attr.label_keyed_string_dict(mandatory = True, allow_files = True),
        "merged": attr.string_list_dict(),
    })},
)
