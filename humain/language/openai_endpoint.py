"""Requests to an OpenAI-compatible endpoint: with time-outs and retries, and without ever showing the key.

The retries of the openai package are switched off in favour of those here, which wait longer, report each wait, and can
be tested without waiting.
"""

import dataclasses
import json
import math
import os
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import openai

from humain import errors
from humain.language import backoff, redaction

_KEY = "OPENAI_API_KEY"
_BASE_URL = "OPENAI_BASE_URL"
_DEFAULT_BASE_URL = "https://api.openai.com/v1"
_TRY_AGAIN = frozenset({408, 409, 429})  # and all from 500 on
_REMEDIES = {
    401: f"check {_KEY}",
    403: f"check {_KEY}, and what it is allowed",
    404: f"check the name of the model, and {_BASE_URL}",
}
# Waiting does not help when a quota is used up.
_USED_UP = "insufficient_quota"


@dataclasses.dataclass(frozen=True)
class Completion:
    """The answer of a model.

    Attributes:
        text: the text, with keys redacted in case the model or the server repeated one.
        finished: False if the text was cut off, at the number of tokens allowed or by a filter.
        filtered: whether the server's content filter cut it off or withheld it.
    """

    text: str
    finished: bool
    filtered: bool = False


_Answer = TypeVar("_Answer", Completion, list[list[float]])


class _Broken(Exception):
    """A response with status 200 that is not a valid answer."""


@dataclasses.dataclass(frozen=True)
class _Failure:
    """The reason why a try failed.

    Attributes:
        reason: the end of a sentence that begins with the name of the server; redacted.
        remedy: what to do about it.
        again: whether another try may succeed.
        asked_seconds: the wait that the server asks for.
    """

    reason: str
    remedy: str
    again: bool
    asked_seconds: float | None = None


class OpenAIEndpoint:
    """A server that speaks OpenAI's protocol; usable from several threads at once."""

    def __init__(
        self,
        *,
        timeout_seconds: float = 120.0,
        retries: backoff.Backoff | None = None,
        note: Callable[[str], None] | None = None,
        environment: Mapping[str, str] = os.environ,
    ):
        """Reads the environment; no request is made yet.

        Args:
            timeout_seconds: how long to wait for a connection, and for further data of the answer.
            retries: how often to try, and how long to wait between tries.
            note: called with a line about every try that failed and is repeated.
            environment: `OPENAI_API_KEY` is the key (any text for a server that needs none), and `OPENAI_BASE_URL` the
                server, by default OpenAI's own.

        Raises:
            UserError: if the key is missing, or the key or the URL is invalid; the message shows neither.
        """
        key = environment.get(_KEY, "").strip()
        if not key:
            raise errors.UserError(
                f"{_KEY} is not set; put your key into the environment (any text for a server that needs none)"
            )
        if not all("!" <= character <= "~" for character in key):
            raise errors.UserError(f"{_KEY} has a character that keys don't have (such as a space); copy the key again")
        base_url = environment.get(_BASE_URL, "").strip() or _DEFAULT_BASE_URL
        self._server = _server(base_url)
        self._timeout_seconds = timeout_seconds
        self._retries = retries or backoff.Backoff()
        self._note = note or (lambda text: None)
        self._secrets = redaction.secrets_of(environment)
        self._client = openai.OpenAI(api_key=key, base_url=base_url, timeout=timeout_seconds, max_retries=0)

    def complete(
        self,
        model: str,
        prompt: str,
        *,
        temperature: float | None = None,
        seed: int | None = None,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
    ) -> Completion:
        """Asks a chat model to answer one message; None leaves a setting to the server.

        Raises:
            UserError: if there is none, though it was tried again where that may help.
        """
        settings = {
            "temperature": temperature,
            "seed": seed,
            "max_completion_tokens": max_tokens,
            "stop": list(stop) or None,
        }
        given = {name: value for name, value in settings.items() if value is not None}

        def ask() -> Completion:
            answer = self._client.chat.completions.create(
                model=model, messages=[{"role": "user", "content": prompt}], extra_body=given
            )
            choices = getattr(answer, "choices", None)
            if not choices or getattr(choices[0], "message", None) is None:
                raise _Broken("without a choice")
            text, reason = choices[0].message.content, choices[0].finish_reason
            filtered = reason == "content_filter"
            if filtered and text is None:
                text = ""
            if not isinstance(text, str):
                raise _Broken("without a text")
            text = text.encode(errors="replace").decode()  # JSON can contain lone surrogates; files can't.
            return Completion(
                redaction.redact(text, self._secrets),
                finished=not filtered and reason != "length",
                filtered=filtered,
            )

        return self._ask(ask)

    def embed(self, model: str, texts: Sequence[str], *, width: int | None = None) -> list[list[float]]:
        """Returns the embeddings of texts, in order, finite and of one width; `width` asks the server for that width.

        Raises:
            UserError: if there are none, though it was tried again where that may help.
        """
        given = {} if width is None else {"dimensions": width}

        def ask() -> list[list[float]]:
            answer = self._client.embeddings.create(
                model=model, input=list(texts), encoding_format="float", extra_body=given
            )
            entries: list[Any] = list(getattr(answer, "data", None) or ())
            if all(isinstance(getattr(entry, "index", None), int) for entry in entries):
                entries.sort(key=lambda entry: entry.index)
            rows: list[Any] = [getattr(entry, "embedding", None) for entry in entries]
            if len(rows) != len(texts):
                raise _Broken(f"with {len(rows)} embeddings for {len(texts)} texts")
            if not all(isinstance(row, list) and row and all(map(_is_finite, row)) for row in rows):
                raise _Broken("with an embedding that is not a list of finite numbers")
            widths = sorted({len(row) for row in rows})
            if len(widths) > 1 or (width is not None and widths != [width]):
                raise _Broken(f"with embeddings of width {', '.join(map(str, widths))}")
            return rows

        return self._ask(ask)

    def _ask(self, ask: Callable[[], _Answer]) -> _Answer:
        num_tries = self._retries.num_tries
        num_tried = 0
        while True:
            with redaction.guarded_logs(self._secrets):
                outcome = self._try(ask)
            if not isinstance(outcome, _Failure):
                return outcome
            num_tried += 1
            asked = outcome.asked_seconds
            patient = asked is None or asked <= self._retries.patience_seconds
            if not (outcome.again and patient and num_tried < num_tries):
                tries = f", in try {num_tried} of {num_tries}" if num_tried > 1 else ""
                wait = "" if asked is None else f" and asks to wait {asked:.0f} s"
                # Raised outside of the except block, since the handled error may quote the key.
                raise errors.UserError(f"{self._server} {outcome.reason}{wait}{tries}; {outcome.remedy}")
            seconds = self._retries.seconds(num_tried, asked)
            self._note(f"{self._server} {outcome.reason}; try {num_tried + 1} of {num_tries} in {seconds:.1f} s")
            self._retries.sleep(seconds)

    def _try(self, ask: Callable[[], _Answer]) -> _Answer | _Failure:
        check = f"check the network and {_BASE_URL}, and run it again"
        try:
            return ask()
        except openai.APITimeoutError:
            return _Failure(f"gave no answer within {self._timeout_seconds:g} s", check, again=True)
        except openai.APIConnectionError as error:
            detail = redaction.one_line(str(error.__cause__ or error), self._secrets)
            return _Failure(f"could not be reached, or closed the connection ({detail})", check, again=True)
        except openai.APIStatusError as error:
            return self._status_failure(error)
        except (_Broken, json.JSONDecodeError) as error:
            detail = str(error) if isinstance(error, _Broken) else "that is not JSON"
            return _Failure(f"gave an answer {detail}", f"check {_BASE_URL}, and run it again", again=True)
        except openai.OpenAIError as error:
            return _Failure(f"failed ({redaction.one_line(str(error), self._secrets)})", check, again=False)

    def _status_failure(self, error: openai.APIStatusError) -> _Failure:
        status = error.status_code
        body = error.body
        message = body.get("message") if isinstance(body, Mapping) else body
        said = redaction.one_line(message if isinstance(message, str) else error.message, self._secrets)
        reason = f"answers {status}" + (f" ({said})" if said else "")
        if _USED_UP in (error.code, error.type):
            return _Failure(reason, "raise the quota of the account, and run it again", again=False)
        again = status in _TRY_AGAIN or status >= 500
        remedy = _REMEDIES.get(status, "run it again later" if again else "change the request")
        return _Failure(reason, remedy, again, backoff.asked_seconds(error.response.headers) if again else None)


def _server(base_url: str) -> str:
    """Returns the host of a URL, with the port if it has one."""
    try:
        parts = urllib.parse.urlsplit(base_url)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.query or "@" in parts.netloc:
        raise errors.UserError(
            f"{_BASE_URL} is not a URL; expected https://server/path, without user, password or query (the key goes in"
            f" {_KEY})"
        )
    return parts.netloc


def _is_finite(number: object) -> bool:
    return isinstance(number, (int, float)) and math.isfinite(number)
