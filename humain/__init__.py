"""HUMAIN: goal-pursuing layers that learn from trajectories, act, plan, and show why.

The public names are modules; import them by name, so that a program pays for what it uses.
"""

__all__ = [
    "abstraction",
    "acting",
    "cortex",
    "dynamics",
    "errors",
    "file_lock",
    "hippocampus",
    "imagination",
    "kernels",
    "language",
    "limits",
    "model",
    "normalization",
    "planning",
    "records",
    "replay",
    "selection",
    "spaces",
    "sweeping",
    "training",
    "types",
    "viewing",
]
