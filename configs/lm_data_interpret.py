"""Configs of `//tasks:lm_data_interpret`, from guides to words and figures.

    bazel run //tasks:lm_data_interpret
        The nearest sentences of the vocabulary, and how good the plans are.
    bazel run //tasks:lm_data_interpret -- --config=configs/lm_data_interpret.py:smoke
        The same; the data is small.

A decoder `rewrite` lets a language model (`openai` or `huggingface`) put the nearest sentences into one step; `steered`
lets a causal language model write while the guide steers it and, if a file is named, control vectors do
(`humain/language/steering/control_vectors.py` makes such files). Both need decoder.model.
"""

from ml_collections import ConfigDict

_VARIANTS = ("default", "smoke")


def get_config(variant: str = "default") -> ConfigDict:
    """The config of a variant.

    Args:
        variant: `default` or `smoke`.

    Raises:
        ValueError: for any other.
    """
    if variant not in _VARIANTS:
        raise ValueError(f"there is no variant {variant!r} of this config; there are {', '.join(_VARIANTS)}")
    return ConfigDict(
        {
            "num_candidates": 64,
            "max_steps": 64,
            "decoder": {
                # nearest, rewrite or steered.
                "name": "nearest",
                # Of rewrite: openai or huggingface.
                "provider": "openai",
                "model": "",
                "num_nearest": 3,
                "max_tokens": 64,
                "strength": 1.0,
                # Of steered: a file of control vectors that are added to hidden states, how strongly, and in which
                # layers; () is all of them.
                "vectors": "",
                "vector_strength": 1.0,
                "layers": (),
                # Which model's guides, and of which splits.
                "guide": "hierarchy",
                "splits": ("heldout",),
            },
        }
    )
