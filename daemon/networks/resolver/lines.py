"""The control connection's framing: one JSON document a line, a request and its answer in turn."""

from __future__ import annotations

import json
from typing import Any, Final

import attrs
import trio

LINE_LIMIT_BYTES: Final = 4 * 1024 * 1024
_CHUNK_BYTES: Final = 65536


@attrs.define(eq=False)
class Lines:
    """A stream of documents."""

    stream: trio.SocketStream
    _read: bytearray = attrs.field(factory=bytearray)

    async def send(self, document: dict[str, Any]) -> None:
        """Send one document.

        Raises:
            trio.BrokenResourceError: nobody is there any more.

        """
        await self.stream.send_all(json.dumps(document).encode() + b"\n")

    def close(self) -> None:
        """Close the connection."""
        self.stream.socket.close()

    async def receive(self) -> dict[str, Any] | None:
        """Return the next document, None at the end.

        Raises:
            ValueError: it is too long, no JSON, or no object.
            trio.BrokenResourceError: the connection broke.

        """
        while b"\n" not in self._read:
            if len(self._read) > LINE_LIMIT_BYTES:
                raise ValueError("the line is too long")
            chunk = await self.stream.receive_some(_CHUNK_BYTES)
            if not chunk:
                return None
            self._read += chunk
        line, _, self._read = self._read.partition(b"\n")
        document = json.loads(line)
        if not isinstance(document, dict):
            raise ValueError("a request is an object")
        return document
