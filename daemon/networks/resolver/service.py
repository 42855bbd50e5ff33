"""Answers one asker, on its two sockets, for as long as it is there.

Local answers are made on the spot.  What must be asked outside is a task of its own, bounded for each asker
and overall, so that a container that floods us costs itself its answers and the others nothing; beyond the
bound it hears SERVFAIL at once.  Whatever goes wrong with one packet is that packet's end and nothing else's.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from typing import Final

import attrs
import dns.rcode
import trio

from daemon.networks.plans import Asker
from daemon.networks.resolver.answering import TCP_BYTES, Forward, consider, failure
from daemon.networks.resolver.directory import Directory
from daemon.networks.resolver.slots import Slots
from daemon.networks.resolver.sockets import Sockets
from daemon.networks.resolver.upstream import read_framed, resolve

LOG: Final = logging.getLogger(__name__)
QUERIES_OF_ONE: Final = 128
CONNECTIONS_OF_ONE: Final = 32
IDLE_CONNECTION_SECONDS: Final = 10.0
BREATH_SECONDS: Final = 0.1  # after an error of a socket, which may come again at once


@attrs.frozen(eq=False)
class Service:
    """One asker's.

    Attributes:
        directory: what all may know.
        asker: who asks, as it is now.
        queries: how many questions may be under way outside.
        connections: how many it may have to us by TCP.

    """

    directory: Directory
    asker: Callable[[], Asker]
    queries: Slots
    connections: Slots

    async def serve(self, sockets: Sockets) -> None:
        """Answer until cancelled."""
        udp = trio.socket.from_stdlib_socket(sockets.udp)
        tcp = trio.socket.from_stdlib_socket(sockets.tcp)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._serve_udp, udp, nursery)
            nursery.start_soon(self._serve_tcp, tcp, nursery)

    async def _serve_udp(self, udp: trio.socket.SocketType, nursery: trio.Nursery) -> None:
        while True:
            try:
                packet, client = await udp.recvfrom(TCP_BYTES)
            except OSError as error:
                await self._breathe("recvfrom", error)
                continue
            answer = self._considered(packet, over_tcp=False)
            if isinstance(answer, Forward):
                nursery.start_soon(self._forward_datagram, udp, client, answer)
            elif answer is not None:
                await self._send(udp, client, answer)

    async def _forward_datagram(
        self, udp: trio.socket.SocketType, client: tuple[str, int], query: Forward
    ) -> None:
        await self._send(udp, client, await self._forwarded(query, over_tcp=False))

    async def _send(self, udp: trio.socket.SocketType, client: tuple[str, int], answer: bytes) -> None:
        try:
            await udp.sendto(answer, client)
        except OSError as error:  # e.g. a firewall inside the container: its answer is lost, as on any wire
            LOG.debug("%s: answer not sent: %s", self.asker().id, error)

    async def _serve_tcp(self, tcp: trio.socket.SocketType, nursery: trio.Nursery) -> None:
        while True:
            try:
                connection, _ = await tcp.accept()
            except OSError as error:
                await self._breathe("accept", error)
                continue
            nursery.start_soon(self._converse, trio.SocketStream(connection))

    async def _converse(self, stream: trio.SocketStream) -> None:
        with self.connections.taken() as granted:
            async with stream:
                try:
                    while granted and await self._exchange(stream):
                        pass
                except (OSError, trio.BrokenResourceError) as error:
                    LOG.debug("%s: connection ended: %s", self.asker().id, error)

    async def _exchange(self, stream: trio.SocketStream) -> bool:
        """Answer one question; False when there is none, or none worth an answer."""
        packet = None
        with trio.move_on_after(IDLE_CONNECTION_SECONDS):
            packet = await read_framed(stream)
        answer = self._considered(packet, over_tcp=True) if packet else None
        if isinstance(answer, Forward):
            answer = await self._forwarded(answer, over_tcp=True)
        if answer is None:
            return False
        with trio.move_on_after(IDLE_CONNECTION_SECONDS):
            await stream.send_all(struct.pack("!H", len(answer)) + answer)
            return True
        return False

    def _considered(self, packet: bytes, *, over_tcp: bool) -> bytes | Forward | None:
        try:
            return consider(self.directory, self.asker(), packet, over_tcp=over_tcp)
        except Exception:  # a bug, and one packet's: the others' answers do not depend on it
            LOG.exception("%s: not understood: %s", self.asker().id, packet.hex())
            return None

    async def _forwarded(self, query: Forward, *, over_tcp: bool) -> bytes:
        with self.queries.taken() as granted:
            if granted:
                return await resolve(self.asker().servers, query, over_tcp=over_tcp)
        return failure(query.packet, dns.rcode.SERVFAIL)

    async def _breathe(self, what: str, error: OSError) -> None:
        LOG.warning("%s: %s: %s", self.asker().id, what, error)
        await trio.sleep(BREATH_SECONDS)
