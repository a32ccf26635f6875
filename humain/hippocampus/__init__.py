"""One layer's episodic memory, and the encodings of what it holds."""

__all__ = ["encodings", "location", "memory", "rotary", "routing"]
