"""Network namespaces to ask from, and name servers to be asked, all on this machine."""

from __future__ import annotations

import contextlib
import errno
import secrets
import socket
import struct
import subprocess
from collections.abc import AsyncGenerator, Callable, Generator
from functools import partial
from pathlib import Path

import attrs
import dns.message
import trio

from daemon.networks.resolver.sockets import inside

SECONDS = 30.0
Handler = Callable[[dns.message.Message], bytes | None]


@attrs.frozen
class Namespace:
    """A network namespace of our own, with a loopback."""

    path: Path

    seconds: float = SECONDS

    def make(self) -> None:
        subprocess.run(["ip", "netns", "add", self.path.name], check=True)
        subprocess.run(["ip", "-n", self.path.name, "link", "set", "lo", "up"], check=True)

    def delete(self) -> None:
        subprocess.run(["ip", "netns", "delete", self.path.name], check=False, capture_output=True)

    def socket(self, kind: int) -> socket.socket:
        with inside(self.path):
            made = socket.socket(socket.AF_INET, kind)
        made.settimeout(self.seconds)
        return made

    async def ask(
        self, name: str, record: str = "A", *, tcp: bool = False, query: dns.message.Message | None = None
    ) -> dns.message.Message:
        """Ask 127.0.0.11, as a container's C library would."""
        query = query or dns.message.make_query(name, record)
        exchange = partial(self._exchange, query.to_wire(), tcp=tcp)
        answer = dns.message.from_wire(await trio.to_thread.run_sync(exchange))
        assert answer.id == query.id
        assert answer.question == query.question
        return answer

    async def texts(self, name: str, record: str = "A", *, tcp: bool = False) -> list[str]:
        """Return the values that the answer has, sorted."""
        answer = await self.ask(name, record, tcp=tcp)
        return sorted(value.to_text() for records in answer.answer for value in records)

    def _exchange(self, packet: bytes, *, tcp: bool) -> bytes:
        with self.socket(socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as connection:
            connection.connect(("127.0.0.11", 53))
            if not tcp:
                connection.send(packet)
                return connection.recv(65535)
            connection.sendall(struct.pack("!H", len(packet)) + packet)
            read = connection.makefile("rb")
            return read.read(struct.unpack("!H", read.read(2))[0])


@contextlib.contextmanager
def namespaces(count: int) -> Generator[list[Namespace], None, None]:
    names = [f"lsr-{secrets.token_hex(4)}" for _ in range(count)]
    with contextlib.ExitStack() as undo:
        for name in names:
            space = Namespace(Path("/run/netns") / name)
            space.make()
            undo.callback(space.delete)
        yield [Namespace(Path("/run/netns") / name) for name in names]


@attrs.define(eq=False)
class Upstream:
    """A name server on the host's loopback; it does not answer what its handlers give None for."""

    udp: Handler
    tcp: Handler
    address: str = ""
    asked: list[tuple[str, dns.message.Message]] = attrs.field(factory=list)
    was_asked: trio.Event = attrs.field(factory=trio.Event)

    def answer(self, protocol: str, packet: bytes) -> bytes | None:
        query = dns.message.from_wire(packet)
        self.asked.append((protocol, query))
        self.was_asked.set()
        return {"udp": self.udp, "tcp": self.tcp}[protocol](query)

    async def datagrams(self, udp: trio.socket.SocketType) -> None:
        while True:
            packet, client = await udp.recvfrom(65535)
            answer = self.answer("udp", packet)
            if answer is not None:
                await udp.sendto(answer, client)

    async def converse(self, stream: trio.SocketStream) -> None:
        async with stream:
            (length,) = struct.unpack("!H", await _exactly(stream, 2))
            answer = self.answer("tcp", await _exactly(stream, length))
            if answer is not None:
                await stream.send_all(struct.pack("!H", len(answer)) + answer)


async def _exactly(stream: trio.SocketStream, size_bytes: int) -> bytes:
    received = b""
    while len(received) < size_bytes and (piece := await stream.receive_some(size_bytes - len(received))):
        received += piece
    return received


@contextlib.asynccontextmanager
async def upstream(udp: Handler, tcp: Handler | None = None) -> AsyncGenerator[Upstream, None]:
    server = Upstream(udp, tcp or udp)
    listener, datagrams = await _at_one_port()
    with datagrams:
        server.address = f"127.0.0.1:{listener.socket.getsockname()[1]}"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.datagrams, datagrams)
            nursery.start_soon(trio.serve_listeners, server.converse, [listener])
            try:
                yield server
            finally:
                nursery.cancel_scope.cancel()


async def _at_one_port() -> tuple[trio.SocketListener, trio.socket.SocketType]:
    """Listen by TCP and by UDP at one port: the kernel chooses one that is free for TCP, not for UDP."""
    while True:
        [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        datagrams = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
        try:
            await datagrams.bind(listener.socket.getsockname())
        except OSError as error:
            datagrams.close()
            await listener.aclose()
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return listener, datagrams
