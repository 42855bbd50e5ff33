"""An httpx transport to handlers by their origin: a network without sockets, for a virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

import attrs
import httpx
import trio

from tests.registries.shelf import Handler, Reply, Request


@attrs.define(eq=False)
class Wires(httpx.AsyncBaseTransport):
    """`hosts` has a handler for each `scheme://host[:port]`; whatever is not there refuses connections."""

    hosts: Mapping[str, Handler]
    watch: Callable[[httpx.Request], None] = lambda request: None
    refused: list[str] = attrs.field(factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        place = f"{request.url.scheme}://{request.url.netloc.decode()}"
        await trio.lowlevel.checkpoint()
        self.watch(request)
        handler = self.hosts.get(place)
        if handler is None:
            self.refused.append(place)
            raise httpx.ConnectError("All connection attempts failed") from ConnectionRefusedError(
                111, "refused"
            )
        body = b"".join([chunk async for chunk in request.stream])  # type: ignore[union-attr]
        headers = {name.lower(): value for name, value in request.headers.items()}
        reply = handler(Request(request.method, request.url.raw_path.decode(), headers, body))
        length = {} if request.method == "HEAD" else {"Content-Length": str(len(reply.body))}
        return httpx.Response(reply.status, headers={**length, **reply.headers}, stream=Body(reply))


@attrs.define(eq=False)
class Body(httpx.AsyncByteStream):
    """The body of a reply, a thousand bytes at a time, with what the reply says goes wrong."""

    reply: Reply
    position: int = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        reply = self.reply
        if self.reply.stalls:
            await trio.sleep(60)
            raise httpx.ReadTimeout("")
        end = len(reply.body) if reply.cut is None else min(reply.cut, len(reply.body))
        if self.position < end:
            start, self.position = self.position, min(end, self.position + 1000)
            return reply.body[start : self.position]
        if reply.cut is not None:
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
        raise StopAsyncIteration
