"""As much of an editor as tests need to debug a program: a client of the Debug Adapter Protocol."""

import json
import pathlib
import socket
import time
from collections.abc import Callable
from typing import Any, BinaryIO


class DebugClient:
    """Talks with a debug adapter; every wait ends with the adapter's stream, or the timeout of its socket."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO):
        """Takes the two ends of a connection.

        Args:
            reader: what the adapter says.
            writer: where it is talked to.
        """
        self._reader = reader
        self._writer = writer
        self._number = 0
        self._waiting: list[dict[str, Any]] = []

    def start(self, request: str, arguments: dict[str, Any], breakpoint: tuple[pathlib.Path, int]) -> dict[str, Any]:
        """Launches or attaches, with one breakpoint.

        Args:
            request: `launch` or `attach`.
            arguments: the configuration, as an editor passes it on.
            breakpoint: the file, and the number of the line.

        Returns:
            The body of the event that the program has stopped.
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
        """The variables of the function that a thread has stopped in, as text."""
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
        """The first message of a kind, among those that came before or are still to come."""
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
    """Connects to the adapter that listens on a port of this machine, as soon as it does."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
            continue
        with connection:  # the streams keep it open
            return DebugClient(connection.makefile("rb"), connection.makefile("wb"))
