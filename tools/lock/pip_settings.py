"""pip's settings on this machine, converted for uv, which does not read pip's configuration."""

from __future__ import annotations

import ast
import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class PipSettings:
    """Where pip looks for wheels, as flags of uv, and what it needs to reach these places, as environment variables."""

    index: tuple[str, ...]
    extra_indexes: tuple[str, ...]
    links: tuple[str, ...]
    environment: dict[str, str]

    @property
    def places(self) -> list[str]:
        """Returns the flags for all places."""
        return [*self.index, *self.extra_indexes, *self.links]


def listing() -> str:
    """What `pip config list` prints: the pip that is in the lock, so that it needs none on PATH."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"pip's settings cannot be read:\n{done.stderr}")
    return done.stdout


def read(text: str, environment: Mapping[str, str]) -> PipSettings:
    """The settings in the output of `pip config list`.

    Args:
        text: that output; the environment's settings have precedence over a command's own, and these over global ones.
        environment: the environment variables; uv's own have precedence over pip's settings.
    """
    found: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for name, value in re.findall(rf"^{section}\.([a-z-]+)=(.*)$", text, re.MULTILINE):
            found[name] = str(ast.literal_eval(value))
    index = found.get("index-url")
    extra = found.get("extra-index-url", "").split()
    variables = {}
    if "cert" in found and "SSL_CERT_FILE" not in environment:
        variables["SSL_CERT_FILE"] = found["cert"]
    if extra and "UV_INDEX_STRATEGY" not in environment:
        # pip takes the best version of all indexes; by default uv only considers the first that has any.
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return PipSettings(
        index=(f"--default-index={index}",) if index and "UV_DEFAULT_INDEX" not in environment else (),
        extra_indexes=tuple(f"--index={url}" for url in extra),
        links=tuple(f"--find-links={link}" for link in found.get("find-links", "").split()),
        environment=variables,
    )
