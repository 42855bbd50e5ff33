"""A monitor and a client without processes or HTTP."""

from __future__ import annotations

import socket
from collections.abc import Callable

import attrs
import trio
import trio.testing

from daemon.api.stream import ClientGone
from daemon.runtimes.attach import AttachSocket


async def eventually(holds: Callable[[], bool]) -> None:
    """Return once something is so that tells nobody when it becomes so; the caller sets the limit."""
    while not holds():  # ruff: ignore[async-busy-wait]  nobody sets an event
        await trio.sleep(0.001)


@attrs.define
class FakeMonitor:
    """The far end of an attach socket, with conmon's packets."""

    far: socket.socket

    @classmethod
    def connected(cls) -> tuple[FakeMonitor, AttachSocket]:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.setblocking(False)
        far.setblocking(False)
        return cls(far), AttachSocket(near)

    async def write(self, stream: int, payload: bytes) -> None:
        while True:
            try:
                self.far.send(bytes([stream]) + payload)
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self.far)
            else:
                return

    async def stdin(self) -> bytes:
        """Return the next packet of input, b"" at its end."""
        while True:
            try:
                return self.far.recv(65536)
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self.far)

    def end(self) -> None:
        self.far.close()


@attrs.define
class FakeClient:
    """Our end of a client's connection; the test holds the other in `there`."""

    there: trio.StapledStream[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream]
    _here: trio.StapledStream[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream]
    gone: trio.Event = attrs.field(factory=trio.Event)
    sent: bytes = b""
    reads: trio.Event = attrs.field(factory=trio.Event)

    @classmethod
    def make(cls) -> FakeClient:
        here, there = trio.testing.memory_stream_pair()
        client = cls(there, here)
        client.reads.set()
        return client

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return bytes(await self._here.receive_some(max_bytes))

    async def send_all(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        if self.gone.is_set():
            raise ClientGone("gone")
        await self.reads.wait()
        self.sent += data

    async def wait_gone(self) -> None:
        await self.gone.wait()
