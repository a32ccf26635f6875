"""Configs of `//tasks:lm_data_prepare`, from plans in words to embeddings.

    bazel run //tasks:lm_data_prepare
        The plans of `crafting`, embedded with all-MiniLM-L6-v2; no network.
    bazel run //tasks:lm_data_prepare -- --corpus=plans.jsonl
        Your own plans, one `{"goal", "steps": [...]}` or `{"goal", "text"}` a line.
    bazel run //tasks:lm_data_prepare -- --goals=goals.txt --config.writer.name=openai --config.writer.model=NAME
        Plans that a language model writes for goals, one a line.

`docs/tasks/lm.md` says more.
"""

from ml_collections import ConfigDict

_VARIANTS = ("default", "smoke")


def get_config(variant: str = "default") -> ConfigDict:
    """The config of a variant.

    Args:
        variant: `default` or `smoke` (few inventions, the rest is the same).

    Raises:
        ValueError: for any other.
    """
    if variant not in _VARIANTS:
        raise ValueError(f"there is no variant {variant!r} of this config; there are {', '.join(_VARIANTS)}")
    smoke = variant == "smoke"
    return ConfigDict(
        {
            "crafting": {
                "num_held_out": 14,
                "num_pairs": 20,
                # Of inventions: plans to learn from, and plans that are made of what no plan makes together.
                "num_blueprints": 16 if smoke else 400,
                "num_compositions": 4 if smoke else 40,
            },
            # For --goals: openai or huggingface. The model is a name, for huggingface also a path.
            "writer": {
                "name": "openai",
                "model": "",
                "temperature": 0.0,
                "max_tokens": 1024,
                "stop": (),
                "num_threads": 4,
            },
            # minilm, huggingface or openai.
            "embedder": {"name": "minilm", "model": "", "batch_size": 32},
        }
    )
