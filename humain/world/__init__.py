"""A world that is learned: how states follow one another, where episodes end, and what is learned by imagining."""

__all__ = [
    "config",
    "dynamics",
    "imagination",
    "knowledge",
    "learning",
    "limits",
    "linear",
    "normalization",
    "paths",
    "planner",
    "plans",
    "world",
]
