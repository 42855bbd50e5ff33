"""Serves the application on our own listeners, and knows all its connections.

    with unix_listener(Path("/run/longshore.sock"), 0o660) as unix:
        await Server(app).serve([unix, tcp_listener("127.0.0.1", 2375)])

Hypercorn's `serve` keeps its connections to itself: they cannot be counted, limited or
closed, and one client that does not read what it asked for keeps it from ever stopping.

To stop the server, cancel `serve`.  It stops accepting, lets requests under way finish,
and when the grace is over closes whatever is left: after that nothing waits for a client.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import attrs
import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework, ASGIReceiveEvent, ASGISendEvent, LifespanScope

from daemon.api.connection import Connection, Site
from daemon.api.transport import Stream, Transport

LIFESPAN: Final[LifespanScope] = {
    "type": "lifespan",
    "asgi": {"spec_version": "2.0", "version": "3.0"},
    "state": {},
}
HOOK_SECONDS: Final = 30.0  # for what the application does when it is told to stop
HEAD_BYTES: Final = 1 << 20  # as Go: X-Registry-Config carries every registry's password
LOG: Final = structlog.get_logger(__name__)

AnyListener: TypeAlias = trio.abc.Listener[Stream]


@attrs.define(eq=False)
class Gate(trio.abc.Listener[Stream]):
    """A listener that lets a client in when there is a slot for it."""

    _listener: AnyListener
    _slots: trio.Semaphore

    async def accept(self) -> Stream:
        stream = await self._listener.accept()
        try:
            if self._slots.value == 0:
                LOG.warning("all connections are taken: clients wait")
            await self._slots.acquire()
        except trio.Cancelled:
            await trio.aclose_forcefully(stream)
            raise
        return stream

    async def aclose(self) -> None:
        await self._listener.aclose()


@attrs.define(eq=False)
class Server:
    """One application, any number of listeners; serves once."""

    application: ASGIFramework
    max_connections: int = 4096
    keep_alive_seconds: float = 300.0
    grace_seconds: float = 3.0
    _site: Site = attrs.field(init=False)
    _slots: trio.Semaphore = attrs.field(init=False)
    _connections: set[Connection] = attrs.field(factory=set, init=False)
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        config = Config()
        config.errorlog = None  # what it would report, daemon.api.exchange does
        config.h11_max_incomplete_size = HEAD_BYTES
        config.include_server_header = False  # the application knows better
        config.keep_alive_max_requests = sys.maxsize  # do not cut busy clients
        config.keep_alive_timeout = self.keep_alive_seconds
        self._site = Site(ASGIWrapper(self.application), config)
        self._slots = trio.Semaphore(self.max_connections)

    async def serve(
        self,
        listeners: Sequence[AnyListener],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until cancelled."""
        async with lifespan(self.application), trio.open_nursery() as connections:
            task_status.started()
            try:
                await trio.serve_listeners(
                    self._serve_one,
                    [Gate(listener, self._slots) for listener in listeners],
                    handler_nursery=connections,
                )
            finally:
                # Shielded, because clients get a grace; bounded, because some never end.
                with trio.move_on_after(self.grace_seconds, shield=True):
                    await self._finish()
                for connection in self._connections:
                    connection.abort()

    async def wait_idle(self, seconds: float) -> None:
        """Return when there has been no connection, hijacked ones included, for `seconds`."""
        while True:
            await self._wait_empty()
            with trio.move_on_after(seconds) as quiet:
                await self._changed.wait()
            if quiet.cancelled_caught:
                return

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    async def _serve_one(self, stream: Stream) -> None:
        connection = Connection(self._site, Transport(stream))
        self._connections.add(connection)
        self._note_change()
        try:
            await connection.run()
        except* Exception:
            LOG.exception("a connection failed")  # a bug, but no reason to end the others
        finally:
            self._connections.remove(connection)
            self._note_change()
            self._slots.release()

    def _note_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _wait_empty(self) -> None:
        while self._connections:
            await self._changed.wait()

    async def _finish(self) -> None:
        await self._site.context.terminated.set()
        for connection in self._connections:
            connection.finish()
        await self._wait_empty()


@asynccontextmanager
async def lifespan(application: ASGIFramework) -> AsyncGenerator[None, None]:
    """Tell the application that it starts and, after the block, that it stops.

    Raises:
        RuntimeError: it says that it cannot.
    """
    to_application, requests = trio.open_memory_channel[ASGIReceiveEvent](0)
    answers, from_application = trio.open_memory_channel[ASGISendEvent](0)
    life = trio.CancelScope(shield=True)  # it outlives the block, so that it can be told

    async def run() -> None:
        with life:
            await application(LIFESPAN, requests.receive, answers.send)

    async def tell(event: ASGIReceiveEvent) -> None:
        await to_application.send(event)
        answer = await from_application.receive()
        if answer["type"] in {"lifespan.startup.failed", "lifespan.shutdown.failed"}:
            raise RuntimeError(f"{answer['type']}: {answer['message']}")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        try:
            await tell({"type": "lifespan.startup"})
            try:
                yield
            finally:
                with trio.move_on_after(HOOK_SECONDS, shield=True):
                    await tell({"type": "lifespan.shutdown"})
        finally:
            life.cancel()
