"""Services that tell every client who it is, and clients that ask them."""

from __future__ import annotations

import socket
from functools import partial
from typing import Final

import attrs
import trio

from daemon.networks.plans import Address
from tests.runtime.networks.topology import ANY, Topology

SILENCE_SECONDS: Final = 0.5  # how long nothing must come; on a busy machine more is let through, never less
ANSWER_SECONDS: Final = 30.0  # how long an answer is waited for that must come
KINDS: Final = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


@attrs.frozen
class Traffic:
    """Talk between the namespaces of a topology."""

    topology: Topology
    nursery: trio.Nursery

    def serve(
        self, place: str, protocol: str, version: int, port: int, at: Address | None = None, says: str = ""
    ) -> None:
        """Have a service in `place` answer with the client's address and `says`."""
        made = self.topology.socket(place, version, KINDS[protocol])
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((str(at or ANY[version]), port))
        serve = {"tcp": _serve_stream, "udp": _serve_datagrams}[protocol]
        if protocol == "tcp":
            made.listen(64)
        made.setblocking(False)
        self.nursery.start_soon(serve, trio.socket.from_stdlib_socket(made), says)

    async def ask(
        self, place: str, protocol: str, to: Address, port: int, seconds: float = ANSWER_SECONDS
    ) -> str | None:
        """Ask a service from `place`; return its answer, or None if there is none in that time."""
        made = self.topology.socket(place, to.version, KINDS[protocol])
        made.setblocking(False)
        with trio.socket.from_stdlib_socket(made) as talk:
            return await ask(talk, to, port, seconds)

    async def unheard(self, protocol: str, *questions: tuple[str, Address, int]) -> bool:
        """Ask from each place at each address and port at the same time; say whether nobody answers."""
        heard: list[str | None] = []

        async def listen(place: str, to: Address, port: int) -> None:
            heard.append(await self.ask(place, protocol, to, port, SILENCE_SECONDS))

        async with trio.open_nursery() as nursery:
            for question in questions:
                nursery.start_soon(listen, *question)
        return heard == [None] * len(questions)


async def ask(
    talk: trio.socket.SocketType, to: Address, port: int, seconds: float = ANSWER_SECONDS
) -> str | None:
    """Ask by the socket `talk`, which is connected by that."""
    with trio.move_on_after(seconds):
        try:
            await talk.connect((str(to), port))
            await talk.send(b"who am I?")
            return (await talk.recv(100)).decode() or None
        except OSError:
            return None
    return None


async def _serve_stream(listener: trio.socket.SocketType, says: str) -> None:
    with listener:
        async with trio.open_nursery() as nursery:
            while True:
                connection, client = await listener.accept()
                nursery.start_soon(partial(_answer, connection, f"{client[0]}{says}".encode()))


async def _answer(connection: trio.socket.SocketType, text: bytes) -> None:
    with connection:
        try:
            while await connection.recv(100):
                await connection.send(text)
        except OSError:
            return


async def _serve_datagrams(service: trio.socket.SocketType, says: str) -> None:
    with service:
        while True:
            try:
                _, client = await service.recvfrom(100)
                await service.sendto(f"{client[0]}{says}".encode(), client)
            except OSError:
                continue
