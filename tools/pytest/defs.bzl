"""`pytest_test`: a py_test that runs its sources with pytest."""

load("@rules_python//python:defs.bzl", "py_test")

def pytest_test(name, srcs, deps = [], args = [], env = {}, plugins = [], **kwargs):
    """A test target that runs `srcs` under pytest.

    Reports as junit XML, heeds --test_filter (as pytest's -k), --test_runner_fail_fast and shard_count, and fails when
    it collects no test. JAX sees the CPU only, unless the build is one with --config=cuda.

    Args:
      name: the target.
      srcs: the test modules; a conftest.py may be among them.
      deps: what they import; pytest itself is added.
      args: more arguments for pytest.
      env: environment variables of the test.
      plugins: names of importable modules that pytest loads as plugins, such as "humain.testing.settings"; the library
        that has them is in deps.
      **kwargs: passed to py_test (data, size, tags, shard_count, visibility, ...).
    """
    main = "//tools/pytest:pytest_main.py"
    options = []
    for plugin in plugins:
        options += ["-p", plugin]
    named = type(deps) == "list" and "@pypi//pytest" in deps
    modules = [src for src in srcs if not src.endswith("conftest.py")]
    py_test(
        name = name,
        srcs = srcs + [main],
        args = options + ["$(rootpath %s)" % module for module in modules] + args,
        env = select({
            "//tools/accelerator:cuda": env,
            "//conditions:default": dict([("JAX_PLATFORMS", "cpu")] + env.items()),
        }),
        main = main,
        deps = deps if named else deps + ["@pypi//pytest"],
        **kwargs
    )
