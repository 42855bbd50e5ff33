"""One accepted connection: Hypercorn's HTTP/1.1 between a transport and the application.

Takes the place of Hypercorn's TCPServer, which cannot give its socket away.  All reading
happens in one cancel scope, and whatever ends the reading ends that scope: the keep-alive
time is its deadline, and the last answer, a hijack and the stop of the server cancel it.

So nothing that Hypercorn tells us makes us wait, except for bytes to write.  That matters:
when an answer is complete Quart-Trio cancels the very task that is bringing the news, and a
step that waits would not be finished (hypercorn #106).

A client that sends EOF while its request is under way has left if it came by TCP; on a unix
socket it may only have no more to say, and the kernel tells the difference.

Speaks HTTP/1.1 and WebSocket.  Undocumented parts of Hypercorn 0.18 that this builds on: in
H11Protocol the constructor and `connection`, and what `daemon.api.http1` overrides; TaskGroup, which
calls `spawn_app` once for each request and puts what that returns messages into.
"""

from __future__ import annotations

import contextlib
import math
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import attrs
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ASGIReceiveEvent, ConnectionState, Scope
from hypercorn.utils import parse_socket_addr

from daemon.api.exchange import Exchange, ToClient
from daemon.api.hijack import HIJACK
from daemon.api.http1 import Http1
from daemon.api.stream import HijackedStream
from daemon.api.transport import Transport

PEER: Final = "longshore.peer"
READ_BYTES: Final = 1 << 18
UCRED: Final = struct.Struct("3i")  # pid, uid, gid: struct ucred, unix(7)

Extensions = Mapping[str, dict[str, Any]]


@attrs.frozen
class Site:
    """What all connections of a server have in common."""

    app: AppWrapper
    config: Config
    context: WorkerContext = attrs.field(factory=lambda: WorkerContext(None))


class Exchanges(TaskGroup):
    """Hypercorn's task group of requests, which puts our extensions into their scopes."""

    def __init__(self, extensions: Extensions, take: Callable[[], Awaitable[HijackedStream]]) -> None:
        super().__init__()
        self._extensions, self._take = extensions, take

    async def spawn_app(
        self, app: AppWrapper, config: Config, scope: Scope, send: ToClient
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        assert scope["type"] != "lifespan"
        wants_upgrade = any(name == b"upgrade" for name, _ in scope["headers"])
        exchange = Exchange(send, wants_upgrade, self._take)
        scope["extensions"].update(self._extensions)
        scope["extensions"][HIJACK] = {"hijack": exchange.hijack}
        self.spawn(exchange.run, app, scope)
        return exchange.put


@attrs.define(eq=False)
class Connection:
    """One client, from the accept to the close."""

    _site: Site
    _transport: Transport
    _protocol: Http1 = attrs.field(init=False)
    _life: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _reading: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _writing: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _idle: bool = attrs.field(default=True, init=False)
    _hijacked: bool = attrs.field(default=False, init=False)
    _parted: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def run(self) -> None:
        """Serve the client until one side ends the connection.

        Shielded: a server that stops gives its clients time, then calls `abort`.
        """
        self._life.shield = True
        with self._life, contextlib.closing(self._transport.socket):
            if await self._handshake():
                async with Exchanges(self._extensions(), self._take) as exchanges:
                    self._protocol = self._speak(exchanges)
                    await self._converse()

    def finish(self) -> None:
        """Close now if no request is under way; Hypercorn makes one that is the last."""
        if self._idle:
            self._reading.cancel()

    def abort(self) -> None:
        """Close now, whoever is waiting for the client."""
        self._life.cancel()
        self._transport.socket.close()  # wakes those who are shielded from the line above

    async def _handshake(self) -> bool:
        stream = self._transport.stream
        if not isinstance(stream, trio.SSLStream):
            return True
        with (
            trio.move_on_after(self._site.config.ssl_handshake_timeout),
            contextlib.suppress(trio.BrokenResourceError),
        ):
            await stream.do_handshake()
            return True
        return False

    def _extensions(self) -> Extensions:
        client = self._transport.socket
        if client.family != socket.AF_UNIX:
            return {}
        found = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size)
        return {PEER: dict(zip(("pid", "uid", "gid"), UCRED.unpack(found), strict=True))}

    def _speak(self, exchanges: TaskGroup) -> Http1:
        client, here, there = self._transport.socket, None, None
        with contextlib.suppress(OSError):  # it has left already; reading will tell
            here = parse_socket_addr(client.family, client.getsockname())
            there = parse_socket_addr(client.family, client.getpeername())
        return Http1(
            self._site.app,
            self._site.config,
            self._site.context,
            exchanges,
            ConnectionState({}),
            self._transport.tls,
            there,
            here,
            self._send,
        )

    async def _converse(self) -> None:
        self._rest()
        with self._reading:
            await self._read()
        self._parted.set()
        if self._hijacked:
            return  # leaving the task group waits for the handler, whose connection it is
        await self._protocol.handle(Closed())
        if self._protocol.refused_input:
            await self._transport.close_gently()

    async def _read(self) -> None:
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while data := await self._transport.stream.receive_some(READ_BYTES):
                await self._protocol.handle(RawData(bytes(data)))
        await self._protocol.handle(RawData(b""))
        if not self._idle and self._transport.socket.family == socket.AF_UNIX:
            await self._transport.wait_hung_up()  # until then it can still read our answer

    def _rest(self) -> None:
        self._idle = True
        self._reading.deadline = trio.current_time() + self._site.config.keep_alive_timeout

    async def _send(self, event: Event) -> None:
        match event:
            case RawData(data=data) if data:  # an end of body may be empty
                await self._write(data)
            case Updated(idle=True):
                self._rest()
            case Updated(idle=False):
                self._idle = False
                self._reading.deadline = math.inf
            case Closed():
                self._reading.cancel()

    async def _write(self, data: bytes) -> None:
        whole = False
        try:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                async with self._writing:
                    await self._transport.stream.send_all(data)
                whole = True
        finally:
            if not whole:  # gone, or cancelled half way: no more HTTP on this connection
                self._reading.cancel()

    async def _take(self) -> HijackedStream:
        self._hijacked = True
        self._reading.cancel()
        await self._parted.wait()
        early, _ = self._protocol.connection.trailing_data
        return HijackedStream(self._transport, early)
