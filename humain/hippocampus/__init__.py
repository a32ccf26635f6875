"""One layer's episodic memory."""

__all__ = ["encodings", "memory", "tagging"]
