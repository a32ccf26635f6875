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
# In capitals, as environment variables are; keys in a config or a result (such as `sharding_key`) are not.
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*_(?:(?<!PUBLIC_)KEY|PAT)$")
_SPECIAL_TOKEN = re.compile(r"(?:bos|eos|pad|mask|sep|cls|unk|start|stop|end|begin)[_\-]?token$", re.IGNORECASE)
_URL = "_URL"
# Shorter values protect nothing, and may be part of common words.
_MIN_SECRET_LENGTH = 8


def looks_secret(name: str) -> bool:
    """Whether a name marks a secret; the names of a language model's special tokens don't."""
    return bool(_NAME.search(name) or _VARIABLE.match(name)) and not _SPECIAL_TOKEN.search(name)


def refuse(value: Any, *, where: str, environment: Mapping[str, str] = os.environ, names: Iterable[str] = ()) -> None:
    """Raises an error if a value has a secret in it: an entry named like one, or a text with a secret variable's value.

    Texts are not searched for secrets of fewer than eight characters.

    Args:
        value: the value to check, of JSON types.
        where: what the value is, for the message.
        environment: the environment variables.
        names: further variables with secrets; those that end in `_URL` are not.

    Raises:
        UserError: if there is a secret; the message names the entry, never its value.
    """
    given = {name for name in names if not name.endswith(_URL)}
    held = {name: content.strip() for name, content in environment.items() if name in given or looks_secret(name)}
    _walk(value, where, {name: content for name, content in held.items() if len(content) >= _MIN_SECRET_LENGTH})


def _walk(value: Any, path: str, known: Mapping[str, str]) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            # First, since the messages below quote the key.
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
