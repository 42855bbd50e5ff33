"""Questions for servers outside: one after the other, until one knows.

Each goes out under an identity and from a port of its own, both random: whoever wants to forge an answer has
to guess them (RFC 5452), and what the container chose does not help.  The sockets are of the host's network,
so that a resolver on the host's loopback answers containers too.

A question that came by UDP and was answered with "truncated" is repeated by TCP: that answer may fit, since
servers are often stricter than the client; if not, the client gets the truncated one and asks by TCP itself.
"""

from __future__ import annotations

import ipaddress
import secrets
import struct
from collections.abc import Awaitable, Callable
from typing import Final

import attrs
import dns.rcode
import trio

from daemon.networks.resolver.answering import HEADER_BYTES, TCP_BYTES, Forward, failure

DNS_PORT: Final = 53
# The client asks again after five seconds (resolv.conf(5)): by then another server should have answered.
FIRST_SECONDS: Final = 2.0
LAST_SECONDS: Final = 4.0
_PASSED_OVER: Final = frozenset({dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED})


@attrs.frozen
class Server:
    """Where a name server listens."""

    address: str
    port: int

    @property
    def family(self) -> int:
        """The address family, as socket(2) has it."""
        return trio.socket.AF_INET6 if ":" in self.address else trio.socket.AF_INET


def parse_server(text: str) -> Server:
    """Read "1.2.3.4", "1.2.3.4:5353", "fe80::1%eth0" or "[fe80::1%eth0]:5353".

    Raises:
        ValueError: it is none of these.

    """
    bracketed, _, rest = text.removeprefix("[").rpartition("]") if text.startswith("[") else ("", "", text)
    if bracketed:
        address, port = bracketed, rest.removeprefix(":")
    else:
        address, _, port = text.partition(":") if text.count(":") == 1 else (text, "", "")
    ipaddress.ip_address(address)
    return Server(address, int(port) if port else DNS_PORT)


async def resolve(servers: tuple[str, ...], query: Forward, *, over_tcp: bool) -> bytes:
    """Return the answer of the first server that has one, under the identity that the client chose."""
    identity, best = query.packet[:2], None
    for left, text in zip(reversed(range(len(servers))), servers, strict=True):
        seconds = FIRST_SECONDS if left else LAST_SECONDS
        with trio.move_on_after(seconds):
            answer = await _ask(parse_server(text), query, over_tcp=over_tcp)
            best = answer or best
            if answer and _code(answer) not in _PASSED_OVER:
                break
    return identity + best[2:] if best else failure(query.packet, dns.rcode.SERVFAIL)


async def _ask(server: Server, query: Forward, *, over_tcp: bool) -> bytes | None:
    """Return the server's answer, None if it cannot be had; waits for as long as it is let."""
    fresh = attrs.evolve(query, packet=secrets.token_bytes(2) + query.packet[2:])
    if over_tcp:
        return await _or_none(_by_tcp, server, fresh)
    answer = await _or_none(_by_udp, server, fresh)
    if answer is None or not _is_truncated(answer):
        return answer
    whole = None
    with trio.move_on_after(FIRST_SECONDS / 2):
        whole = await _or_none(_by_tcp, server, fresh)
    return whole if whole and len(whole) <= query.limit_bytes else answer


async def _or_none(
    ask: Callable[[Server, Forward], Awaitable[bytes]], server: Server, query: Forward
) -> bytes | None:
    try:
        return await ask(server, query)
    except OSError:  # nobody listens, no route: the next server is asked
        return None


async def _by_udp(server: Server, query: Forward) -> bytes:
    with trio.socket.socket(server.family, trio.socket.SOCK_DGRAM) as connection:
        await connection.connect((server.address, server.port))
        await connection.send(query.packet)
        while True:
            answer = await connection.recv(TCP_BYTES)
            if _belongs(answer, query):
                return answer


async def _by_tcp(server: Server, query: Forward) -> bytes:
    with trio.socket.socket(server.family, trio.socket.SOCK_STREAM) as connection:
        await connection.connect((server.address, server.port))
        stream = trio.SocketStream(connection)
        await stream.send_all(struct.pack("!H", len(query.packet)) + query.packet)
        answer = await read_framed(stream)
        if answer is None or not _belongs(answer, query):
            raise ConnectionError("the server answered something else")
        return answer


async def read_framed(stream: trio.abc.ReceiveStream) -> bytes | None:
    """Return the next message of a TCP stream, each of which has its length before it; None at the end.

    Raises:
        OSError: the connection broke.

    """
    length = await _exactly(stream, 2)
    return await _exactly(stream, struct.unpack("!H", length)[0]) if length else None


async def _exactly(stream: trio.abc.ReceiveStream, count: int) -> bytes | None:
    read = bytearray()
    while len(read) < count:
        try:
            chunk = await stream.receive_some(count - len(read))
        except trio.BrokenResourceError as error:
            raise ConnectionError("the connection broke") from error
        if not chunk:
            return None
        read += chunk
    return bytes(read)


def _belongs(answer: bytes, query: Forward) -> bool:
    """Whether this answers `query`: same identity and question; one that refuses may leave the latter out."""
    if len(answer) < HEADER_BYTES or answer[:2] != query.packet[:2] or not answer[2] & 0x80:
        return False
    asked, repeated = (
        query.packet[HEADER_BYTES : query.question_end],
        answer[HEADER_BYTES : query.question_end],
    )
    bare = answer[4:6] == b"\0\0" and _code(answer) != dns.rcode.NOERROR
    return bare or asked.lower() == repeated.lower()


def _code(answer: bytes) -> int:
    return answer[3] & 0xF


def _is_truncated(answer: bytes) -> bool:
    return bool(answer[2] & 0x02)
