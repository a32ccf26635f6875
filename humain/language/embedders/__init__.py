"""Embedders: what puts sentences into vectors."""
