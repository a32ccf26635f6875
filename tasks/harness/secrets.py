"""Keeps secrets out of what a task writes."""

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from humain import errors

_NAME = re.compile(
    r"(?:^|[_.\-])(?:secrets?|password|passwd|passphrase|credentials?|bearer|token"
    r"|(?:api|access|admin|auth|openai|private|secret)[_\-]?key"
    r"|(?:api|auth|access|refresh|session|hf|github)[_\-]?token)$",
    re.IGNORECASE,
)
# In capitals, as variables of the environment are: keys in a config or a result (`sharding_key`) are not.
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*_(?:(?<!PUBLIC_)KEY|PAT)$")
_SPECIAL_TOKEN = re.compile(r"(?:bos|eos|pad|mask|sep|cls|unk|start|stop|end|begin)[_\-]?token$", re.IGNORECASE)
_URL = "_URL"
# Shorter ones guard nothing, and are part of common words.
_MIN_SECRET_LENGTH = 8


def looks_secret(name: str) -> bool:
    """Whether a name is one that secrets go by; names of special tokens of a language model are not."""
    return bool(_NAME.search(name) or _VARIABLE.match(name)) and not _SPECIAL_TOKEN.search(name)


def refuse(value: Any, *, where: str, environment: Mapping[str, str] = os.environ, names: Iterable[str] = ()) -> None:
    """Refuses a value that holds a secret: an entry of such a name, or a text with what a secret variable holds in it.

    Secrets of fewer than eight characters are not looked for in texts.

    Args:
        value: plain JSON.
        where: what it is, for the message.
        environment: the environment to compare with.
        names: variables that hold secrets whatever they are called, but for those that end in `_URL`.

    Raises:
        UserError: naming the entry, never its value.
    """
    given = {name for name in names if not name.endswith(_URL)}
    held = {name: content.strip() for name, content in environment.items() if name in given or looks_secret(name)}
    _walk(value, where, {name: content for name, content in held.items() if len(content) >= _MIN_SECRET_LENGTH})


def _walk(value: Any, path: str, known: Mapping[str, str]) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            # First of all, since the messages below quote the key.
            _walk(str(key), f"the name of an entry of {path}", known)
            if looks_secret(str(key)) and item not in (None, "", False):
                raise errors.UserError(f"{path}.{key} looks like a secret; pass it through the environment instead")
            _walk(item, f"{path}.{key}", known)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _walk(item, f"{path}[{index}]", known)
    elif isinstance(value, str):
        for name, content in known.items():
            if content in value:
                raise errors.UserError(f"{path} holds the value of the environment variable {name}; leave it out")
