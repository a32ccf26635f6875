"""A world that is learned: how states follow one another, where episodes end, and what can be imagined in it."""

__all__ = ["dynamics", "imagination", "limits", "normalization"]
