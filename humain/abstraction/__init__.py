"""Which states of a path the layer above sees."""

__all__ = [
    "abstraction",
    "bridges",
    "chunk_mean",
    "clustering",
    "entropy",
    "kmeans",
    "neural_entropy",
    "pivots",
    "skip",
    "visit_density",
]
