"""Embedders: models that map sentences to vectors."""
