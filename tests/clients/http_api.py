"""The API as plain HTTP over a socket, for what no stock client says and for many clients at once."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import attrs

SECONDS: Final = 60.0
JSON: Final = "application/json"
TAR: Final = "application/x-tar"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("longshore", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(str(self._path))


@attrs.frozen
class Answer:
    """A whole answer."""

    status: int
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """The text of an error."""
        return str(self.document["message"])


@attrs.frozen
class Api:
    """Calls, each on a connection of its own, so that threads may share one of these."""

    socket_path: Path

    def __call__(self, method: str, path: str, /, body: Any = None, **query: Any) -> Answer:
        """Make one call; `body` is sent as JSON, unless it is bytes: then it is a tar.

        Raises:
            OSError: the engine is not there, or has gone before it answered.
            http.client.HTTPException: the same, in the middle of the answer.

        """
        connection = _UnixConnection(self.socket_path)
        try:
            content, kind = (body, TAR) if isinstance(body, bytes) else (json.dumps(body).encode(), JSON)
            sent = (None, {}) if body is None else (content, {"Content-Type": kind})
            connection.request(method, f"{path}?{urlencode(query, doseq=True)}", *sent)
            response = connection.getresponse()
            return Answer(response.status, response.read())
        finally:
            connection.close()

    def get(self, path: str, **query: Any) -> Any:
        """Return what a path that must be there answers."""
        answer = self("GET", path, **query)
        assert answer.status == 200, f"GET {path}: {answer.status} {answer.body!r}"
        return answer.document

    def reload(self) -> Any:
        """Reload the configuration, which must succeed; return what that meant."""
        answer = self("POST", "/reload")
        assert answer.status == 200, f"reload: {answer.status} {answer.body!r}"
        return answer.document

    def reload_events(self) -> list[dict[str, Any]]:
        """Return the events of all reloads there have been."""
        now = self.get("/info")["SystemTime"]
        filters = json.dumps({"type": ["daemon"], "event": ["reload"]})
        lines = self("GET", "/events", since=0, until=now, filters=filters).body.splitlines()
        return [json.loads(line) for line in lines]
