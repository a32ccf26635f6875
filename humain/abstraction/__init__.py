"""Which states of a path the layer above sees."""

__all__ = [
    "abstraction",
    "chunk_mean",
    "clustering",
    "entropy",
    "kmeans",
    "neural_entropy",
    "pivots",
    "skip",
    "visit_density",
]
