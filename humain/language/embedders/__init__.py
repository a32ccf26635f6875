"""Embedders: models that map sentences to vectors."""

__all__ = ["batches", "embedder", "huggingface", "minilm", "openai"]
