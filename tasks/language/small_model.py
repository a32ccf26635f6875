"""The config of a small model, for tests."""

from ml_collections import ConfigDict

CONFIG = ConfigDict(
    {
        "kernel": {
            "name": "transformer",
            "num_blocks": 1,
            "num_heads": 2,
            "width": 16,
            "hidden": 32,
            "offset": 0.3,
        },
        "num_slots": 4,
        "access": "value",
        "asymmetry": 0.9,
        "suppression": "per_slot",
        "encoding": "sinusoidal",
        "suppression_weight": 0.1,
        "score_discount": 0.9,
        "learning_rate": 1e-2,
        "context_lengths": (2, 1),
    }
)
