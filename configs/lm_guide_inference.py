"""Configs of `//tasks:lm_guide_inference`, guides from the trained hierarchy.

bazel run //tasks:lm_guide_inference
    Guides for every goal of the data, by every model.
bazel run //tasks:lm_guide_inference -- --goal="build a flying robot frame"
    Then, or later: the plan for a goal of your own, as a tree.
"""

from ml_collections import ConfigDict

_VARIANTS = ("default", "smoke")


def get_config(variant: str = "default") -> ConfigDict:
    """The config of a variant.

    Args:
        variant: `default` or `smoke` (short guides).

    Raises:
        ValueError: for any other.
    """
    if variant not in _VARIANTS:
        raise ValueError(f"there is no variant {variant!r} of this config; there are {', '.join(_VARIANTS)}")
    smoke = variant == "smoke"
    return ConfigDict(
        {
            # think (the whole plan at once) or react (step by step).
            "mode": "think",
            "max_steps": 8 if smoke else 64,
            # Answers for one chunk, and for one goal of the top layer. One that has learned little asks on and on.
            "max_sub_steps": 2 if smoke else 8,
            "max_top_steps": 2 if smoke else 64,
        }
    )
