"""HUMAIN: goal-pursuing layers that learn from trajectories, act, plan, and show why.

The public names are modules; import them by name, so that a program pays for what it uses.
"""

__all__ = [
    "abstraction",
    "acting",
    "cortex",
    "errors",
    "files",
    "hippocampus",
    "kernels",
    "language",
    "model",
    "planning",
    "replay",
    "selection",
    "spaces",
    "training",
    "types",
    "viewing",
    "world",
]
