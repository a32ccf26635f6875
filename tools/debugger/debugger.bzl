"""Whether programs are built with a debugger in them."""

def _debugger_flag_impl(_ctx):
    # config_setting reads the value of the flag itself; nothing needs it from a provider.
    return []

debugger_flag = rule(
    implementation = _debugger_flag_impl,
    build_setting = config.bool(flag = True),
)
