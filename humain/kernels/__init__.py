"""The memories inside a cortex, behind one interface."""

__all__ = ["kernel", "linear", "slots", "table", "transformer"]
