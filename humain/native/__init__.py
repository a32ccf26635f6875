"""Operations in C++ for XLA, built by Bazel where they pay; each has its form in JAX as reference."""

__all__ = ["library", "selu", "sparse_rows"]
