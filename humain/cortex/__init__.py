"""Goal-conditioned learning: a layer's learner, its examples and their scores."""

__all__ = ["balance", "cortex", "hindsight", "scores", "stretches"]
