"""Reads from Bazel's execution log which actions and tests the remote cache answered."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any


@dataclasses.dataclass(frozen=True)
class Answered:
    """The numbers of a build's actions and tests that the cache answered, and a list of those that it did not."""

    num_actions: int
    num_actions_hit: int
    num_tests: int
    num_tests_hit: int
    missed: tuple[str, ...]

    @property
    def num_hits(self) -> int:
        """How many actions and tests the cache answered."""
        return self.num_actions_hit + self.num_tests_hit

    @property
    def share(self) -> float:
        """The share of all actions and tests that the cache answered, in [0, 1]; 0 for a build without any."""
        total = self.num_actions + self.num_tests
        return self.num_hits / total if total else 0.0

    def __str__(self) -> str:
        return (
            f"{self.num_actions_hit} of {self.num_actions} actions and {self.num_tests_hit} of {self.num_tests} tests "
            f"answered by the cache ({self.share:.1%})"
        )


def spawns(text: str) -> Iterator[dict[str, Any]]:
    """The entries of --execution_log_json_file: JSON objects, one after another."""
    decoder = json.JSONDecoder()
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        entry, position = decoder.raw_decode(text, position)
        yield entry


def read(text: str) -> Answered:
    """Counts actions and tests; an action that may never be cached counts as one that was not answered."""
    hits: dict[bool, list[bool]] = {False: [], True: []}
    missed = []
    for entry in spawns(text):
        is_test = entry.get("mnemonic") == "TestRunner"
        # Bazel 4 to 6 write remoteCacheHit, Bazel 7 and later cacheHit.
        hit = bool(entry.get("remoteCacheHit") or entry.get("cacheHit"))
        hits[is_test].append(hit)
        if not hit:
            outputs = entry.get("listedOutputs") or ["?"]
            missed.append(f"{entry.get('mnemonic', '?')} {entry.get('targetLabel') or outputs[0]}")
    return Answered(
        num_actions=len(hits[False]),
        num_actions_hit=sum(hits[False]),
        num_tests=len(hits[True]),
        num_tests_hit=sum(hits[True]),
        missed=tuple(missed),
    )
