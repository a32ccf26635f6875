"""One layer's episodic memory."""

__all__ = ["encodings", "memory", "recall", "tag_levels", "tagged", "tagged_episodes", "tagging"]
