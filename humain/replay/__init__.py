"""Learning from plans that the model composes itself out of what it has stored."""

__all__ = ["composition", "gates", "sweeping"]
