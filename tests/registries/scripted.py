"""A handler behind a real socket: HTTP/1.1 on trio, with connections that break and stall."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncGenerator
from functools import partial

import attrs
import h11
import trio

from tests.registries.shelf import Handler, Reply, Request

READ_BYTES = 1 << 20


@attrs.define(eq=False)
class Scripted:
    """Where the handler listens."""

    port: int
    scheme: str

    @property
    def address(self) -> str:
        """Its host[:port], as images name it."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.address}"


@contextlib.asynccontextmanager
async def serving(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncGenerator[Scripted, None]:
    """Serve a handler on a free port of loopback."""
    async with trio.open_nursery() as nursery:
        serve = trio.serve_tcp if context is None else partial(trio.serve_ssl_over_tcp, ssl_context=context)
        listeners = await nursery.start(partial(serve, partial(_connection, handler), 0, host="127.0.0.1"))
        listener = listeners[0]
        listener = getattr(listener, "transport_listener", listener)
        try:
            yield Scripted(listener.socket.getsockname()[1], "http" if context is None else "https")
        finally:
            nursery.cancel_scope.cancel("the test is over")


async def _connection(handler: Handler, stream: trio.abc.Stream) -> None:
    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
        async with stream:
            connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
            while await _exchange(handler, stream, connection):
                connection.start_next_cycle()


async def _exchange(handler: Handler, stream: trio.abc.Stream, connection: h11.Connection) -> bool:
    """Take one request and answer it; return whether another may come."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(bytes(await stream.receive_some(READ_BYTES)))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            break
        else:
            return False
    assert head is not None
    headers = {name.decode(): value.decode() for name, value in head.headers}
    reply = handler(Request(head.method.decode(), head.target.decode(), headers, bytes(body)))
    await _answer(reply, head.method == b"HEAD", stream, connection)
    return connection.our_state is h11.DONE and connection.their_state is h11.DONE


async def _answer(reply: Reply, bodiless: bool, stream: trio.abc.Stream, connection: h11.Connection) -> None:
    length = {} if bodiless or reply.status == 204 else {"Content-Length": str(len(reply.body))}
    headers = list({**length, **reply.headers}.items())
    await stream.send_all(connection.send(h11.Response(status_code=reply.status, headers=headers)) or b"")
    if reply.stalls:
        await stream.send_all(connection.send(h11.Data(data=reply.body[: reply.cut or 0])) or b"")
        await trio.sleep_forever()
    if reply.cut is not None:
        await stream.send_all(reply.body[: reply.cut])
        connection.send_failed()
        return
    await stream.send_all(connection.send(h11.Data(data=reply.body)) or b"")
    await stream.send_all(connection.send(h11.EndOfMessage()) or b"")
