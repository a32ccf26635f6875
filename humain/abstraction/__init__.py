"""Which states of a path the layer above sees."""

__all__ = ["abstraction", "entropy", "pivots", "skip"]
