"""One layer's episodic memory, and the encodings of what it holds."""

__all__ = [
    "encodings",
    "location",
    "memory",
    "recall",
    "rotary",
    "routing",
    "tag_levels",
    "tagged",
    "tagged_episodes",
    "tagging",
]
