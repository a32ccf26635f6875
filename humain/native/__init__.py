"""Operations in C++ for XLA, where they are faster than XLA's own; each has a reference implementation in JAX."""

__all__ = ["library", "selu", "sparse_rows"]
