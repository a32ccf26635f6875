"""A local server that speaks OpenAI's protocol for chat and embeddings, and misbehaves as told.

Each request uses up one behaviour of the script; once the script is over, requests are answered properly.
"""

import contextlib
import dataclasses
import hashlib
import http.server
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

WIDTH = 16
"""The length of an embedding, unless a request sets `dimensions`."""


@dataclasses.dataclass(frozen=True)
class Request:
    """A request of a client.

    Attributes:
        path: the request's path, such as `/v1/embeddings`.
        authorization: the value of the header of that name.
        body: the JSON object that was sent.
    """

    path: str
    authorization: str
    body: Mapping[str, Any]

    @property
    def prompt(self) -> str:
        """The last message of a chat."""
        return self.body["messages"][-1]["content"]


Behaviour = Callable[["Handler", Request], None]
"""How a handler treats one request."""


def answer(handler: "Handler", request: Request) -> None:
    """Answers properly: with the server's `reply` to the prompt, or an embedding for each text."""
    if request.path.endswith("/embeddings"):
        handler.send_json(200, embeddings(request))
    else:
        handler.send_json(200, completion(handler.server.reply(request.prompt)))


def completion(text: str | None, finish_reason: str = "stop") -> dict[str, Any]:
    """Returns the body of an answer to a chat."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    return {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}


def embeddings(request: Request) -> dict[str, Any]:
    """Returns the body of an answer with embeddings, which may be in another order than the texts."""
    width = request.body.get("dimensions", WIDTH)
    data = [
        {"object": "embedding", "index": index, "embedding": embedding(text, width).tolist()}
        for index, text in enumerate(request.body["input"])
    ]
    return {"object": "list", "model": request.body["model"], "data": data[::-1]}


def embedding(text: str, width: int = WIDTH) -> np.ndarray:
    """Returns the embedding `[width]` of a text: numbers from its hash, not of unit norm."""
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    return np.random.default_rng(seed).normal(size=width).round(6)


def says(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Behaviour:
    """Answers with a JSON body."""
    return lambda handler, request: handler.send_json(status, body, headers or {})


def fails(status: int, headers: Mapping[str, str] | None = None, **fields: str) -> Behaviour:
    """Answers with an error; `fields` are the fields of its body besides the message."""
    return says({"error": {"message": f"failed with {status}", **fields}}, status, headers)


def echoes_key(status: int) -> Behaviour:
    """Answers with an error that repeats the key in its body, in its headers and late in a long message."""

    def behave(handler: "Handler", request: Request) -> None:
        key = request.authorization.removeprefix("Bearer ")
        message = f"{key} is wrong\n{'.' * 270} {key}"
        handler.send_json(status, {"error": {"message": message, "key": key}}, {"X-Key": key})

    return behave


def stalls(handler: "Handler", request: Request) -> None:
    """Gives no answer until the server is closed."""
    del request
    handler.server.closing.wait(30)


def breaks_off(handler: "Handler", request: Request) -> None:
    """Ends the connection in the middle of the answer."""
    del request
    content = json.dumps(completion("never seen")).encode()
    handler.start(200, len(content), {"Content-Type": "application/json"})
    handler.wfile.write(content[: len(content) // 2])
    # Closed with a reset, so that the answer does not look complete.
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def is_no_json(handler: "Handler", request: Request) -> None:
    """Answers with half a JSON object, as if it were complete."""
    del request
    handler.send_bytes(200, b'{"choices": [', {"Content-Type": "application/json"})


class Server(http.server.ThreadingHTTPServer):
    """A server on a free port; see `serving`.

    Attributes:
        requests: the requests received so far.
        reply: returns the text of a chat's answer, given its prompt.
        closing: set when the server is about to close.
    """

    def __init__(self, script: Sequence[Behaviour], reply: Callable[[str], str]):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[Request] = []
        self.reply = reply
        self.closing = threading.Event()
        self._script = list(script)
        self._lock = threading.Lock()

    @property
    def base_url(self) -> str:
        """The value for OPENAI_BASE_URL."""
        return f"http://127.0.0.1:{self.server_port}/v1"

    def environment(self, key: str = "sk-test") -> dict[str, str]:
        """Returns the environment variables that direct a client to this server."""
        return {"OPENAI_API_KEY": key, "OPENAI_BASE_URL": self.base_url}

    def take(self, request: Request) -> Behaviour:
        """Records a request, and returns how to treat it."""
        with self._lock:
            self.requests.append(request)
            return self._script.pop(0) if self._script else answer


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves one request."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        """Reads a request and treats it as the script says."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = Request(self.path, self.headers.get("Authorization", ""), body)
        # Some tests have clients that give up while the server answers.
        with contextlib.suppress(ConnectionError):
            self.server.take(request)(self, request)

    def start(self, status: int, num_bytes: int, headers: Mapping[str, str]) -> None:
        """Sends the status line and the headers."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(num_bytes), "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()

    def send_bytes(self, status: int, content: bytes, headers: Mapping[str, str]) -> None:
        """Sends a whole answer."""
        self.start(status, len(content), headers)
        self.wfile.write(content)

    def send_json(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        """Sends a whole answer."""
        self.send_bytes(status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing."""


@contextlib.contextmanager
def serving(
    script: Sequence[Behaviour] = (), *, reply: Callable[[str], str] = lambda prompt: f"You said: {prompt}"
) -> Iterator[Server]:
    """Runs a server within the `with` block.

    Args:
        script: how to treat the first requests, one behaviour each; later ones are answered.
        reply: returns the text of a chat's answer, given its prompt.
    """
    with Server(script, reply) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
