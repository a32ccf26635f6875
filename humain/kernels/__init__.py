"""The memories inside a cortex, behind one interface."""

__all__ = [
    "configs",
    "inverse_model",
    "kernel",
    "linear",
    "network",
    "optimizers",
    "rows",
    "slots",
    "table",
    "transformer",
]
