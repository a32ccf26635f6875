"""Which states of a path the layer above sees."""

__all__ = [
    "abstraction",
    "bridges",
    "chunk_mean",
    "clustering",
    "communities",
    "entropy",
    "kmeans",
    "nearest_centroid",
    "neural_entropy",
    "pivots",
    "skip",
    "visit_density",
]
