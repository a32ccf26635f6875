"""Training: a chunked loop, checkpoints, metrics, progress, and interruption without loss."""

from humain.training.checkpoint import Checkpointer, Restored
from humain.training.interruption import Interrupted, Interruption
from humain.training.loop import Host, NonFiniteLossError, TrainResult, make_chunk, train
from humain.training.metrics import MetricsWriter, read_metrics
from humain.training.progress import Progress, make_progress

__all__ = [
    "Checkpointer",
    "Host",
    "Interrupted",
    "Interruption",
    "MetricsWriter",
    "NonFiniteLossError",
    "Progress",
    "Restored",
    "TrainResult",
    "make_chunk",
    "make_progress",
    "read_metrics",
    "train",
]
