"""A client of the Debug Adapter Protocol, with as much of an editor's part as tests need."""

import json
import pathlib
import socket
import time
from collections.abc import Callable
from typing import Any, BinaryIO


class DebugClient:
    """Talks to a debug adapter; every wait ends when the adapter's stream ends or its socket times out."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO):
        """Uses the two ends of a connection.

        Args:
            reader: the stream from the adapter.
            writer: the stream to the adapter.
        """
        self._reader = reader
        self._writer = writer
        self._number = 0
        self._waiting: list[dict[str, Any]] = []

    def start(self, request: str, arguments: dict[str, Any], breakpoint: tuple[pathlib.Path, int]) -> dict[str, Any]:
        """Launches or attaches, with one breakpoint.

        Args:
            request: `launch` or `attach`.
            arguments: the configuration, as an editor passes it.
            breakpoint: the file and the line number.

        Returns:
            The body of the `stopped` event.
        """
        self.ask("initialize", {"adapterID": "debugpy", "pathFormat": "path", "linesStartAt1": True})
        started = self._send(request, arguments)
        self.event("initialized")
        path, line = breakpoint
        self.ask("setBreakpoints", {"source": {"path": str(path)}, "breakpoints": [{"line": line}]})
        self.ask("configurationDone", {})
        self._response(started)
        return self.event("stopped")

    def ask(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Makes a request and returns the body of its response."""
        return self._response(self._send(command, arguments))

    def event(self, name: str) -> dict[str, Any]:
        """Waits for an event and returns its body."""
        return self._take(lambda message: message.get("event") == name).get("body", {})

    def local_variables(self, thread: int) -> dict[str, str]:
        """Returns the variables, as text, of the function that a thread has stopped in."""
        frame = self.ask("stackTrace", {"threadId": thread})["stackFrames"][0]["id"]
        scopes = self.ask("scopes", {"frameId": frame})["scopes"]
        (scope,) = (scope for scope in scopes if scope["name"] == "Locals")
        variables = self.ask("variables", {"variablesReference": scope["variablesReference"]})["variables"]
        return {variable["name"]: variable["value"] for variable in variables}

    def _send(self, command: str, arguments: dict[str, Any]) -> int:
        self._number += 1
        message = {"seq": self._number, "type": "request", "command": command, "arguments": arguments}
        content = json.dumps(message).encode()
        self._writer.write(b"Content-Length: %d\r\n\r\n" % len(content) + content)
        self._writer.flush()
        return self._number

    def _response(self, number: int) -> dict[str, Any]:
        message = self._take(lambda message: message.get("request_seq") == number)
        if not message["success"]:
            raise RuntimeError(f"{message['command']}: {message.get('message')}")
        return message.get("body", {})

    def _take(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Returns the first message that is wanted, among those received earlier and those to come."""
        for message in self._waiting:
            if wanted(message):
                self._waiting.remove(message)
                return message
        while not wanted(message := self._read()):
            self._waiting.append(message)
        return message

    def _read(self) -> dict[str, Any]:
        size = 0
        while (line := self._reader.readline()).strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
        if not line:
            raise EOFError(f"the adapter has gone; unread: {self._waiting}")
        message: dict[str, Any] = json.loads(self._reader.read(size))
        return message


def connect(port: int, *, seconds: float = 60.0) -> DebugClient:
    """Waits for an adapter to listen on a local port, and connects to it."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
            continue
        with connection:  # The streams keep it open.
            return DebugClient(connection.makefile("rb"), connection.makefile("wb"))
