"""Learning from plans that the model composes itself out of what it has stored."""

__all__ = ["composition", "expected", "gates", "jumps", "lowest_first", "steps", "sweeping"]
