"""One request to a plugin and its answer, on httpx's transports: bodies may be long, or end early."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Final

import attrs
import httpx
import trio

CLOSE_SECONDS: Final = 5.0


@attrs.define(eq=False)
class _Sent(httpx.AsyncByteStream):
    """A body as it is sent; no generator, so that nothing is left suspended where the sending ends early."""

    _chunks: AsyncIterator[bytes]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks


@attrs.define(eq=False)
class Answer:
    """An answer whose body is yet to come; it is iterated over once."""

    status: int
    _stream: httpx.AsyncByteStream
    _chunks: AsyncIterator[bytes] = attrs.field(
        default=attrs.Factory(lambda self: aiter(self._stream), takes_self=True), init=False
    )
    _ended: bool = attrs.field(default=False, init=False)

    def __aiter__(self) -> Answer:
        return self

    async def __anext__(self) -> bytes:
        """Return the next chunk of the body.

        Raises:
            httpx.TransportError: the connection broke or stalled before the end.

        """
        if self._ended:
            raise StopAsyncIteration
        try:
            return await anext(self._chunks)
        except BaseException:
            self._ended = True
            raise

    async def aclose(self) -> None:
        """Give the connection back, or up where the body has not been read.

        A read that is cancelled at once ends every generator below from the inside, so that none is left.
        """
        with trio.CancelScope(shield=True) as scope:
            scope.cancel("the rest of the body is not wanted")
            while not self._ended:
                with contextlib.suppress(httpx.TransportError, StopAsyncIteration):
                    await anext(self)
        with trio.move_on_after(CLOSE_SECONDS, shield=True):
            await self._stream.aclose()


async def send(
    transport: httpx.AsyncBaseTransport,
    url: httpx.URL,
    headers: Mapping[str, str],
    content: bytes | AsyncIterable[bytes],
    silence_seconds: float,
) -> Answer:
    """Send a request, and return its answer, which the caller closes.

    Raises:
        httpx.TransportError: there was none.

    """
    extensions = {"timeout": httpx.Timeout(silence_seconds).as_dict()}
    if isinstance(content, bytes):
        message = httpx.Request("POST", url, headers=headers, content=content, extensions=extensions)
    else:
        chunked = {**headers, "Transfer-Encoding": "chunked"}
        message = httpx.Request("POST", url, headers=chunked, extensions=extensions)
        message.stream = _Sent(aiter(content))
    response = await transport.handle_async_request(message)
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return Answer(response.status_code, response.stream)
