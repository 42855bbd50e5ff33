"""One request and its answer, on httpx's transports and messages.

httpx's client is left out: whom credentials may reach, which redirect is followed and which proxy is taken
is decided here, and there are no cookies. An answer's body is read or abandoned, but never just dropped:
httpcore nests async generators, and those that are left suspended are finished at some other time,
elsewhere.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from typing import Final

import attrs
import httpx
import trio

from daemon.images.registry.errors import RegistryFailed
from daemon.images.registry.failures import reason_of

CONNECT_SECONDS: Final = 30
STALL_SECONDS: Final = 60  # without a byte in either direction
STORE_SECONDS: Final = (
    900  # until the answer to what was sent: registries copy and digest before they give it
)
CLOSE_SECONDS: Final = 5
READING: Final = httpx.Timeout(STALL_SECONDS, connect=CONNECT_SECONDS, pool=None)
STORING: Final = httpx.Timeout(STALL_SECONDS, connect=CONNECT_SECONDS, read=STORE_SECONDS, pool=None)
TIMEOUTS: Final[Mapping[str, httpx.Timeout]] = {"PATCH": STORING, "PUT": STORING}
SMALL_BYTES: Final = 1 << 20
DRAIN_BYTES: Final = 64 << 10  # what is read to have a connection again
DRAIN_SECONDS: Final = 2


class Unreachable(RegistryFailed):
    """There was no answer, or it broke off; asking again may help."""

    transient = True


@attrs.frozen
class Request:
    """What is asked; `headers` are without those of authorization."""

    method: str
    url: httpx.URL
    headers: Mapping[str, str] = attrs.field(factory=dict)
    content: bytes | AsyncIterable[bytes] = b""

    def to(self, url: httpx.URL) -> Request:
        """Return the same request to another place."""
        return attrs.evolve(self, url=url)

    def having(self, headers: Mapping[str, str]) -> Request:
        """Return the request with more headers."""
        return attrs.evolve(self, headers={**self.headers, **headers})


@attrs.define(eq=False)
class Answer:
    """An answer whose body is yet to come."""

    request: Request
    status: int
    headers: httpx.Headers
    _stream: httpx.AsyncByteStream
    _chunks: AsyncIterator[bytes] = attrs.field(
        default=attrs.Factory(lambda self: aiter(self._stream), takes_self=True), init=False
    )
    _ended: bool = attrs.field(default=False, init=False)

    async def receive(self) -> bytes:
        """Return the next chunk of the body, b"" at its end.

        Raises:
            Unreachable: the connection broke or stalled before the end.

        """
        if self._ended:
            return b""
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            self._ended = True
            return b""
        except httpx.TransportError as error:
            self._ended = True
            raise unreachable(self.request, error) from error
        except BaseException:
            self._ended = True
            raise

    async def read(self, limit_bytes: int = SMALL_BYTES) -> bytes:
        """Return the whole body.

        Raises:
            Unreachable: the connection broke or stalled before the end.
            RegistryFailed: it is longer than that.

        """
        body = bytearray()
        while chunk := await self.receive():
            body += chunk
            if len(body) > limit_bytes:
                raise RegistryFailed(
                    f"{described(self.request)}: the answer is larger than {limit_bytes} bytes"
                )
        return bytes(body)

    async def aclose(self) -> None:
        """Give the connection back, or up where too much of the body has not been read."""
        try:
            if self._is_short():
                with trio.move_on_after(DRAIN_SECONDS), contextlib.suppress(Unreachable):
                    while await self.receive():
                        pass
        finally:
            # Shielded, so that no connection is lost track of; bounded, as everything that is.
            with trio.move_on_after(CLOSE_SECONDS, shield=True):
                await self._abandon()

    def _is_short(self) -> bool:
        length = self.headers.get("Content-Length", "")
        return length.isdigit() and int(length) <= DRAIN_BYTES

    async def _abandon(self) -> None:
        """End the body where it is.

        A read that is cancelled at once ends every generator from the inside, so that none is left.
        """
        with trio.CancelScope() as scope:
            scope.cancel("the rest of the body is not wanted")
            while not self._ended:
                with contextlib.suppress(Unreachable):
                    await self.receive()
        await self._stream.aclose()


def described(request: Request) -> str:
    """Return what begins the text of an error, as Go's clients have it."""
    method = request.method.capitalize()
    shown = request.url.copy_with(username=None, password=None, query=None, fragment=None)
    return f'{method} "{shown}"'


def unreachable(request: Request, error: Exception) -> Unreachable:
    """Return the error of a request that got no answer, or not all of it."""
    return Unreachable(f"{described(request)}: {reason_of(error, request.url)}")


@attrs.define(eq=False)
class _Sent(httpx.AsyncByteStream):
    """A body as it is sent; no generator, so that nothing is left suspended where the sending ends early."""

    _chunks: AsyncIterator[bytes]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks


@contextlib.asynccontextmanager
async def exchange(transport: httpx.AsyncBaseTransport, request: Request) -> AsyncGenerator[Answer, None]:
    """Send a request, and lend its answer.

    Raises:
        Unreachable: there was none.

    """
    answer = await send(transport, request)
    try:
        yield answer
    finally:
        await answer.aclose()


async def send(transport: httpx.AsyncBaseTransport, request: Request) -> Answer:
    """Send a request, and return its answer, which the caller closes.

    Raises:
        Unreachable: there was none.

    """
    whole = request.content if isinstance(request.content, bytes) else None
    extensions = {"timeout": TIMEOUTS.get(request.method, READING).as_dict()}
    message = httpx.Request(
        request.method, request.url, headers=request.headers, content=whole, extensions=extensions
    )
    if not isinstance(request.content, bytes):
        message.stream = _Sent(aiter(request.content))
    try:
        response = await transport.handle_async_request(message)
    except httpx.TransportError as error:
        raise unreachable(request, error) from error
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return Answer(request, response.status_code, response.headers, response.stream)
