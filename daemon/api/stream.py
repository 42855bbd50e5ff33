"""The bare connection of a request, once its handler has taken it over.

From then on nobody but the handler touches the socket.  So no queue lies between the two, a slow
side holds the other one back, and the end of the client's input is an empty read and no reason to
cancel anybody.
"""

from __future__ import annotations

import contextlib
import socket

import attrs
import trio

from daemon.api.transport import Transport


class ClientGone(trio.BrokenResourceError):
    """The client reset the connection, or left before it had read everything."""


@attrs.define(eq=False)
class HijackedStream(trio.abc.HalfCloseableStream):
    """The bare connection of a request; what the client sent early is read first."""

    _transport: Transport
    _early: bytes

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return what the client sent, or b"" once it has closed its direction.

        Raises:
            ClientGone: it has reset the connection.
        """
        if self._early:
            await trio.lowlevel.checkpoint()
            size = max_bytes or len(self._early)
            received, self._early = self._early[:size], self._early[size:]
            return received
        try:
            return bytes(await self._transport.stream.receive_some(max_bytes))
        except trio.BrokenResourceError as error:
            raise ClientGone("the client reset the connection") from error

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data`; return when the kernel has it all, so that a slow client slows us.

        Raises:
            ClientGone: nobody will read it.
        """
        try:
            await self._transport.stream.send_all(data)
        except trio.BrokenResourceError as error:
            raise ClientGone("the client has left") from error

    def send_now(self, data: bytes) -> int:
        """Send as much of `data` as can be without waiting, perhaps nothing; return how many bytes."""
        return self._transport.send_now(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._transport.stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Close our direction only.  Leaving the block closes both.

        Raises:
            NotImplementedError: under TLS, where trio closes both directions or none.
        """
        stream = self._transport.stream
        if isinstance(stream, trio.SSLStream):
            raise NotImplementedError("no half-close under TLS: leave the block instead")
        await stream.send_eof()

    async def wait_gone(self) -> None:
        """Return once the client can no longer receive anything.

        For a handler that has read all input and has nothing to send for now.  What can be
        known over TCP, see `Transport.wait_hung_up`.
        """
        await self._transport.wait_hung_up()

    async def wait_left(self) -> None:
        """Return once the client has left, for a handler that wants no input: it is dropped.

        The end of input is the end by TCP; on a unix socket the client may still be listening.
        """
        with contextlib.suppress(ClientGone):
            while await self.receive_some():
                pass
            if self._transport.socket.family == socket.AF_UNIX:
                await self.wait_gone()

    async def aclose(self) -> None:
        """Close, so that the client reads all that was sent and then EOF."""
        await self._transport.close_gently()
