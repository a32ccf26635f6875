"""Short programs on one's own data; docs/library.md explains them."""

__all__ = ["mountain_car", "own_kernel", "page", "walks"]
