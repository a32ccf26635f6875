"""Which states of a path the layer above sees."""

__all__ = ["abstraction", "clustering", "entropy", "pivots", "skip"]
