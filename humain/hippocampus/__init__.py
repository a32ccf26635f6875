"""One layer's episodic memory."""

__all__ = ["encodings", "memory", "tag_levels", "tagged", "tagged_episodes", "tagging"]
