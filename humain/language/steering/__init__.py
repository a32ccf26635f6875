"""Steering of causal language models: towards the sentences most similar to a guide, and along control vectors."""

__all__ = ["batches", "control_vectors", "generation", "hooks", "similarity", "strengths"]
