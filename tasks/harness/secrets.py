"""Keeps secrets out of what a task writes."""

import os
import re
from collections.abc import Mapping
from typing import Any

from humain import errors

_NAME = re.compile(
    r"(?:^|[_.\-])(?:secrets?|password|passwd|passphrase|credentials?|bearer|token"
    r"|(?:api|access|private|secret)[_\-]?key|(?:api|auth|access|refresh|session|hf|github)[_\-]?token)$",
    re.IGNORECASE,
)
_SPECIAL_TOKEN = re.compile(r"(?:bos|eos|pad|mask|sep|cls|unk|start|stop|end|begin)[_\-]?token$", re.IGNORECASE)
_MIN_SECRET_LENGTH = 8


def looks_secret(name: str) -> bool:
    """Whether a name is one that secrets go by; names of special tokens of a language model are not."""
    return bool(_NAME.search(name)) and not _SPECIAL_TOKEN.search(name)


def refuse(value: Any, *, where: str, environment: Mapping[str, str] = os.environ) -> None:
    """Refuses a value that holds a secret: an entry of such a name, or the value of such an environment variable.

    Args:
      value: plain JSON.
      where: what it is, for the message.
      environment: the environment to compare with.

    Raises:
      UserError: naming the entry, never its value.
    """
    known = {
        content: name
        for name, content in environment.items()
        if looks_secret(name) and len(content) >= _MIN_SECRET_LENGTH
    }
    _walk(value, where, known)


def _walk(value: Any, path: str, known: Mapping[str, str]) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if looks_secret(str(key)) and item not in (None, "", False):
                raise errors.UserError(f"{path}.{key} looks like a secret; pass it through the environment instead")
            _walk(item, f"{path}.{key}", known)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _walk(item, f"{path}[{index}]", known)
    elif isinstance(value, str) and value in known:
        raise errors.UserError(f"{path} is the value of the environment variable {known[value]}; leave it out")
