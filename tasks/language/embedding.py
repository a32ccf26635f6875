"""Embedders by config."""

from typing import Any

from humain import errors
from humain.language.embedders.embedder import Embedder


def check(config: Any) -> None:
    """Refuses a config, `embedder` in `configs/lm_data_prepare.py`, that can't be; loads nothing.

    Raises:
        UserError: naming what is wrong.
    """
    if config.name not in ("minilm", "huggingface", "openai"):
        raise errors.UserError(f"embedder.name {config.name!r} is not one of minilm, huggingface, openai")
    if config.name != "minilm" and not config.model:
        raise errors.UserError(
            f"embedder.name {config.name!r} needs embedder.model, a name or, for huggingface, a path"
        )
    if config.batch_size < 1:
        raise errors.UserError(f"embedder.batch_size must be at least 1, not {config.batch_size}")


def build(config: Any) -> Embedder:
    """The embedder of a config.

    torch is imported only where it is needed.

    Raises:
        UserError: if there is no such embedder, or it can't be had.
    """
    check(config)
    if config.name == "minilm":
        from humain.language.embedders.minilm import minilm

        return minilm(batch_size=config.batch_size)
    if config.name == "huggingface":
        from humain.language.embedders.huggingface import HuggingFaceEmbedder

        return HuggingFaceEmbedder(config.model, batch_size=config.batch_size)
    from humain.language.embedders.openai import OpenAIEmbedder
    from humain.language.openai_endpoint import OpenAIEndpoint

    return OpenAIEmbedder(OpenAIEndpoint(), config.model, batch_size=config.batch_size)
