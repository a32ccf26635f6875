"""Draws that come out the same on every machine and with every version: from the SHA-256 of words, not from a state."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def number(*words: str) -> int:
    """A number below 2**64 for a sequence of words; the same words in the same order have the same one."""
    text = "".join(f"{len(word)}:{word}" for word in words)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def choose(options: Sequence[T], *words: str) -> T:
    """One of the options, each as likely as any other over many words.

    Raises:
        ValueError: if there is none.
    """
    if not options:
        raise ValueError(f"there is nothing to choose from for {words}; expected an option at least")
    return options[number(*words) % len(options)]
