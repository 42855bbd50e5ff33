"""Hypercorn's HTTP/1.1, as this engine's clients need it.

It leaves upgrades to the handlers, sends reason phrases, and sends a head that has a length together
with the body: one system call and one wake-up of the client less for nearly every answer.  The
head of a stream is sent at once.
"""

from __future__ import annotations

from http.client import OK, responses

import h11
from hypercorn.events import RawData
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.events import Response
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import H11SendableEvent


class Http1(H11Protocol):
    """One connection's state of the protocol."""

    _held_head: bytes = b""

    @property
    def refused_input(self) -> bool:
        """Whether the client may still be sending what nobody is going to read."""
        return self.connection.their_state in {h11.SEND_BODY, h11.ERROR}

    async def _check_protocol(self, event: h11.Request) -> None:
        """Leave `Upgrade: h2c` to the handlers: buildx means a hijack by it."""

    async def stream_send(self, event: StreamEvent) -> None:
        if isinstance(event, Response) and event.status_code >= OK:
            date = self.config.response_headers("h11")
            await self._send_h11_event(_head(event.status_code, [*event.headers, *date]))
        else:
            await super().stream_send(event)

    async def _send_error_response(self, status_code: int) -> None:
        await self._send_h11_event(_head(status_code, [(b"content-length", b"0"), (b"connection", b"close")]))
        await self._send_h11_event(h11.EndOfMessage())

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        try:
            data = self._held_head + (self.connection.send(event) or b"")
        except h11.LocalProtocolError:
            if self.connection.their_state is not h11.ERROR:
                raise
            return  # the client has broken off and been told so
        holds = isinstance(event, h11.Response) and _has_length(event)
        self._held_head = data if holds else b""
        if not holds:
            await self.send(RawData(data))


def _head(status: int, headers: list[tuple[bytes, bytes]]) -> h11.Response:
    """Return a head with its reason phrase, which docker-py shows to its users."""
    return h11.Response(status_code=status, headers=headers, reason=responses.get(status, "").encode())


def _has_length(head: h11.Response) -> bool:
    return any(name == b"content-length" for name, _ in head.headers)
