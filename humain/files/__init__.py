"""What is written to disk, and files that several processes share."""

__all__ = ["archive", "file_lock", "records"]
