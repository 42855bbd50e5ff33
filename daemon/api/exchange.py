"""One request and its answer, between the connection that brings it and the application.

The rule: no request fills the memory.  Once the application has `QUEUED` messages to take, `put`
waits; the connection's reader is who calls it, so the socket is not read and the kernel holds the
client back.  That the client has left is the one message that never waits, because the task
that brings it may be the one that would have to make room.

An answer that begins before the whole request is here is the last one on its connection: what is
still to come belongs to nobody and must not be taken for the next request.
"""

from __future__ import annotations

import contextlib
import enum
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from http.client import SWITCHING_PROTOCOLS, responses
from typing import Any, Final, TypeAlias

import attrs
import h11
import structlog
import trio
from hypercorn.typing import AppWrapper, ASGIReceiveEvent, ASGISendEvent, Scope

from daemon.api.stream import ClientGone, HijackedStream

QUEUED: Final = 8  # messages of at most connection.READ_BYTES each
LEAVING: Final = frozenset({"http.disconnect", "websocket.disconnect"})
LOG: Final = structlog.get_logger(__name__)

Headers: TypeAlias = Sequence[tuple[str, str]]
ToClient: TypeAlias = Callable[[ASGISendEvent | None], Awaitable[None]]


class Stage(enum.Enum):
    """How far an exchange has come."""

    REQUESTED = enum.auto()
    ANSWERED = enum.auto()
    HIJACKED = enum.auto()


@attrs.define(eq=False)
class Exchange:
    """A request and its answer, unless the answer is a hijack: then no other is sent."""

    _to_client: ToClient
    _wants_upgrade: bool
    _take: Callable[[], Awaitable[HijackedStream]]
    _stage: Stage = attrs.field(default=Stage.REQUESTED, init=False)
    _received: trio.Event = attrs.field(factory=trio.Event, init=False)
    _over: bool = attrs.field(default=False, init=False)
    _queue: deque[ASGIReceiveEvent] = attrs.field(factory=deque, init=False)
    _moved: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)

    async def run(self, app: AppWrapper, scope: Scope) -> None:
        """Have the application answer; an answer that it owes is made up for."""
        try:
            await app(scope, self.receive, self.send, trio.to_thread.run_sync, trio.from_thread.run)
        except* Exception:
            LOG.exception("the application failed")
        finally:
            self._over = True
            self._queue.clear()
            self._moved.unpark_all()
        await self.send(None)

    async def put(self, message: ASGIReceiveEvent) -> None:
        """Pass on what has come from the client."""
        while len(self._queue) >= QUEUED and message["type"] not in LEAVING:
            await self._moved.park()
        if message["type"] == "http.request" and not message["more_body"]:
            self._received.set()
        if not self._over:
            self._queue.append(message)
            self._moved.unpark_all()

    async def receive(self) -> ASGIReceiveEvent:
        """Return the next message; for the application."""
        while not self._queue:
            await self._moved.park()
        self._moved.unpark_all()
        return self._queue.popleft()

    async def send(self, message: ASGISendEvent | None) -> None:
        """Pass the application's answer to the client."""
        if self._stage is Stage.HIJACKED:
            return
        self._stage = Stage.ANSWERED
        if message and message["type"] == "http.response.start" and self._is_last():
            close = (b"connection", b"close")
            message = {**message, "headers": [*message["headers"], close]}
        await self._to_client(message)

    def _is_last(self) -> bool:
        # What follows a request for an upgrade is input for a stream, even if we refuse it.
        return self._wants_upgrade or not self._received.is_set()

    async def hijack(self, status: int, headers: Headers) -> HijackedStream:
        """Wait for the whole request, answer it with a bare head, hand the connection over.

        Raises:
            RuntimeError: it has been answered or hijacked already.
            h11.LocalProtocolError: HTTP does not allow such a header.

        """
        head = _head(status, headers)
        await self._received.wait()
        if self._stage is not Stage.REQUESTED:
            raise RuntimeError(f"too late to hijack: {self._stage.name.lower()}")
        self._stage = Stage.HIJACKED
        stream = await self._take()
        with contextlib.suppress(ClientGone):  # the handler's first use will tell
            await stream.send_all(head)
        return stream


def _head(status: int, headers: Headers) -> bytes:
    """Return a response head; h11 would add a length or chunks to it."""
    reason = "UPGRADED" if status == SWITCHING_PROTOCOLS else responses[status]
    encoded = [(name.encode(), value.encode()) for name, value in headers]
    kind: Any = h11.InformationalResponse if status == SWITCHING_PROTOCOLS else h11.Response
    kind(status_code=status, headers=encoded)  # refuses a header that would end the head
    lines = [f"HTTP/1.1 {status} {reason}".encode(), *(b": ".join(pair) for pair in encoded)]
    return b"\r\n".join([*lines, b"", b""])
