"""Keeps keys and tokens out of everything that is shown or written to a file."""

import contextlib
import json
import logging
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping

_VARIABLES = ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_PLACE = "[secret]"
# Shorter ones protect nothing (a local server takes any text as a key), and may be part of common words.
_MIN_LENGTH = 8
# The loggers of the HTTP client that openai and huggingface_hub use, which log headers.
_TRANSPORT_LOGGERS = tuple(f"httpcore2.{name}" for name in ("connection", "http11", "http2", "proxy", "socks"))


def secrets_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Returns the keys and tokens that are set in an environment, without surrounding white space."""
    values = (environment.get(name, "").strip() for name in _VARIABLES)
    return tuple(value for value in values if len(value) >= _MIN_LENGTH)


def redact(text: str, secrets: Iterable[str]) -> str:
    """Replaces each secret in a text by a placeholder, also where it is quoted as in JSON, Python or URLs.

    Redact a text before cutting it: a part of a secret is not recognised.
    """
    for secret in secrets:
        for form in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], urllib.parse.quote(secret, safe="")):
            text = text.replace(form, _PLACE)
    return text


def one_line(text: str, secrets: Iterable[str], *, num_characters: int = 300) -> str:
    """Makes a message of another program fit for an error message: redacted, on one line, and cut to a length."""
    line = " ".join(redact(text, secrets).split())
    return line if len(line) <= num_characters else line[:num_characters] + " ..."


@contextlib.contextmanager
def guarded_logs(secrets: Iterable[str]) -> Iterator[None]:
    """Redacts what the HTTP client logs in the block: at its finest level it logs headers and a server's echo."""
    guard = _Guard(tuple(secrets))
    loggers = [logging.getLogger(name) for name in _TRANSPORT_LOGGERS]
    for logger in loggers:
        logger.addFilter(guard)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(guard)


class _Guard(logging.Filter):
    def __init__(self, secrets: tuple[str, ...]):
        super().__init__()
        self._secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage(), self._secrets), ()
        return True
