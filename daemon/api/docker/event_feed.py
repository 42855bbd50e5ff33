"""A client of all events from some moment on, until it leaves.

While it keeps up it is fed by the journal itself: in the call that makes an event known, the event is
rendered and written to the socket, without a task being woken, a lock or a protocol in between.  Once the
socket takes no more the client lags; then its own task sends what is left, reads on in the log, and when it
has caught up leaves the rest to the journal again.  So a client is either fed or reads, never both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import Final, Protocol

import attrs
import trio

from daemon.api.docker.event_formats import gap
from daemon.api.exchange import Headers
from daemon.api.versions import HEADERS
from daemon.journal import Event, EventLog, Gap

PAGE_EVENTS: Final = 256


def feed_head(content_type: str) -> Headers:
    """Return the headers of a feed, the same as those of a streamed answer."""
    return [
        ("Content-Type", content_type),
        ("Transfer-Encoding", "chunked"),
        ("Date", formatdate(usegmt=True)),
        *HEADERS,
    ]


async def next_page(log: EventLog, after: int, now_ns: Callable[[], int] = time.time_ns) -> tuple[Event, ...]:
    """Return the next events after `after`, if there are any; does not wait for them.

    Where events are no longer kept, one event of type `gap` says which; its number is that of
    the last one missing.
    """
    try:
        return await log.read(after, PAGE_EVENTS)
    except Gap as missing:
        return (gap(after + 1, missing.first_available - 1, now_ns()),)


class Outlet(Protocol):
    """Where a client's bytes go."""

    def send_now(self, data: bytes) -> int:
        """Send as much of `data` as can be without waiting, perhaps nothing; return how many bytes."""
        ...

    async def send_all(self, data: bytes) -> None:
        """Send `data`, however long it takes."""
        ...


@attrs.define(eq=False)
class Feed:
    """One client; `rendered` returns an event as it wants it, or nothing for one that it does not want."""

    _log: EventLog
    _stream: Outlet
    _rendered: Callable[[Event], bytes]
    _after: int
    _keeps_up: bool = attrs.field(default=False, init=False)
    _lags: trio.Event = attrs.field(factory=trio.Event, init=False)
    _unsent: bytes = attrs.field(default=b"", init=False)

    async def run(self) -> None:
        """Feed the client until cancelled.

        Raises:
            ClientGone: the client has left.

        """
        with self._log.shown_to(self):
            while True:
                await self._catch_up()
                self._keeps_up, self._lags = True, trio.Event()
                await self._lags.wait()

    def show(self, events: Sequence[Event]) -> None:
        """Send `events`, if the client has all that came before them."""
        if not self._keeps_up:
            return
        try:
            data = self._chunks(events)
        except Exception:  # it will raise again in the client's own task, where it ends this client alone
            self._fall_behind()
            return
        self._after = events[-1].seq
        if len(data) > (sent := self._stream.send_now(data) if data else 0):
            self._unsent = data[sent:]
            self._fall_behind()

    def _fall_behind(self) -> None:
        self._keeps_up = False
        self._lags.set()

    async def _catch_up(self) -> None:
        """Return when everything is sent; between that and being fed there must be no checkpoint."""
        if unsent := self._unsent:
            self._unsent = b""
            await self._stream.send_all(unsent)
        while page := await next_page(self._log, self._after):
            if data := self._chunks(page):
                await self._stream.send_all(data)
            self._after = page[-1].seq

    def _chunks(self, events: Sequence[Event]) -> bytes:
        """Return events as chunks, each of its own (RFC 9112 section 7.1)."""
        pieces = filter(None, map(self._rendered, events))
        return b"".join([b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces])
