"""`GET /events`: the journal's log, read from where the client wants it.

A client is a number, the `seq` it has been sent; one that stops reading holds up nothing but its own
socket.  Between the moment an event is on the disk and the write to the socket this code waits for
nothing, because a client that starts a container and watches the events shall see `start` before its
start call returns.

A stream that ends, at `until`, is an answer like any other.  One that does not is a feed
(`daemon.api.docker.event_feed`), which costs whoever causes events a tenth of that.
"""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable
from http.client import OK

import attrs
import trio
from quart import Blueprint, ResponseReturnValue, request

from daemon.api import answers, query
from daemon.api.app import engine
from daemon.api.docker.event_feed import Feed, feed_head, next_page
from daemon.api.docker.event_filters import TESTS, wants
from daemon.api.docker.event_formats import GAP, NS_PER_SECOND, SSE, Format
from daemon.api.hijack import HIJACKED, hijack
from daemon.api.versions import api_version
from daemon.errors import InvalidParameter
from daemon.journal import Event, EventLog
from daemon.runtimes.logs import first_of

routes = Blueprint("events", __name__)


@routes.get("/events")
async def events() -> ResponseReturnValue:
    """Stream the events that the client asks for, old ones first, then as they happen."""
    log = engine().journal.events
    form = Format.agreed(request.accept_mimetypes, api_version())
    filters = query.filters(TESTS)
    until_ns = _until()
    after = await _start(log, continues=form.content_type == SSE)

    def rendered(event: Event) -> bytes:
        return form.render(event) if event.type == GAP or wants(filters, event) else b""

    if until_ns is not None or request.method != "GET" or request.http_version == "1.0":
        return answers.stream(_pieces(Reading(log, after, until_ns), rendered), form.content_type)
    async with hijack(OK, feed_head(form.content_type)) as stream:
        await first_of(Feed(log, stream, rendered, after).run, stream.wait_left)
    return HIJACKED


async def _pieces(reading: Reading, rendered: Callable[[Event], bytes]) -> AsyncIterator[bytes]:
    while page := await reading.page():
        for event in page:
            if piece := rendered(event):
                yield piece


def _until() -> int | None:
    since_ns, until_ns = query.timestamp("since"), query.timestamp("until")
    if since_ns is not None and until_ns is not None and since_ns > until_ns:
        since, until = query.text("since"), query.text("until")
        raise InvalidParameter(f"`since` time ({since}) cannot be after `until` time ({until})")
    return until_ns


async def _start(log: EventLog, *, continues: bool) -> int:
    """Return after which `seq` this client's stream begins; without a wish, now.

    An SSE client that connects again sends the number it has seen, and the old URL.
    """
    seen = request.headers.get("Last-Event-ID", "") if continues else ""
    wish = seen or query.text("after")
    if wish:
        after = query.parse_integer("after", wish)
        if not 0 <= after <= log.last_seq:
            raise InvalidParameter(f"invalid value for after: {after}; the newest event is {log.last_seq}")
        return after
    since_ns = query.timestamp("since")
    return log.last_seq if since_ns is None else await log.before(since_ns)


@attrs.define(eq=False)
class Reading:
    """One client's way through the log.

    Pages, and no generator: a generator that nobody finishes is cleaned up some time, elsewhere.
    """

    _log: EventLog
    _after: int
    _until_ns: int | None = None
    _now_ns: Callable[[], int] = time.time_ns

    async def page(self) -> tuple[Event, ...]:
        """Return the next events as soon as there are any; none once `until` has come.

        Where events are no longer kept, one event of type `gap` says which; its number is that of
        the last one missing.
        """
        while True:
            page = await self._next()
            wanted = tuple(event for event in page if event.time_ns <= self._end_ns or event.type == GAP)
            # Of a clock that has been set back there may be more behind what is too late.
            if wanted or not page or self._after >= self._log.last_set_back_seq:
                return wanted

    async def _next(self) -> tuple[Event, ...]:
        while not (page := await next_page(self._log, self._after, self._now_ns)):
            remaining_ns = self._end_ns - self._now_ns()
            if remaining_ns <= 0:
                return ()
            with trio.move_on_after(remaining_ns / NS_PER_SECOND):
                await self._log.changed(self._after)
        self._after = page[-1].seq
        return page

    @property
    def _end_ns(self) -> float:
        return math.inf if self._until_ns is None else self._until_ns
