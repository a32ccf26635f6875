"""Training: a chunked loop, checkpoints, metrics, progress, and interruption without loss."""

__all__ = [
    "ahead",
    "checkpoint",
    "compilation_cache",
    "interruption",
    "loop",
    "metrics",
    "processes",
    "progress",
    "sharding",
]
