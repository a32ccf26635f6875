"""`pytest_test`: a py_test that runs its sources with pytest."""

load("@rules_python//python:defs.bzl", "py_test")

# Compiling a small program takes a third of the time without LLVM's optimizing passes and without XLA's MLIR emitters of
# fused operations, in whose place it has older ones.
_LITTLE_OPTIMIZED = [
    ("JAX_DISABLE_MOST_OPTIMIZATIONS", "1"),
    ("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false"),
]

def pytest_test(name, srcs, deps = [], args = [], env = {}, plugins = [], optimized = False, **kwargs):
    """A test target that runs `srcs` under pytest.

    Reports as junit XML, heeds --test_filter (as pytest's -k), --test_runner_fail_fast and shard_count, and fails when
    it collects no test. JAX sees the CPU only, unless the build is one with --config=cuda.

    Test modules that import the same belong into one target: to import JAX takes longer than most tests. One that runs
    for a minute stays alone, so that others can run beside it.

    Args:
      name: the target.
      srcs: the test modules; a conftest.py may be among them.
      deps: what they import; pytest itself is added.
      args: more arguments for pytest.
      env: environment variables of the test.
      plugins: names of importable modules that pytest loads as plugins, such as "humain.testing.settings"; the library
        that has them is in deps.
      optimized: whether JAX compiles as it does for a user. By default it leaves out the expensive passes of XLA and
        LLVM on the CPU, which take longer than they save where a program runs for moments.
      **kwargs: passed to py_test (data, size, tags, shard_count, visibility, ...).
    """
    main = "//tools/pytest:pytest_main.py"
    options = []
    for plugin in plugins:
        options += ["-p", plugin]
    named = type(deps) == "list" and "@pypi//pytest" in deps
    modules = [src for src in srcs if not src.endswith("conftest.py")]
    on_cpu = [("JAX_PLATFORMS", "cpu")] + ([] if optimized else _LITTLE_OPTIMIZED)
    py_test(
        name = name,
        srcs = srcs + [main],
        args = options + ["$(rootpath %s)" % module for module in modules] + args,
        env = select({
            "//tools/accelerator:cuda": env,
            "//conditions:default": dict(on_cpu + env.items()),
        }),
        main = main,
        deps = deps if named else deps + ["@pypi//pytest"],
        **kwargs
    )
