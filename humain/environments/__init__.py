"""Environments to act in: what they are, which actions they take, and how experience is collected in them."""

__all__ = ["actions", "collecting", "environment", "gymnasium_adapter", "transitions"]
