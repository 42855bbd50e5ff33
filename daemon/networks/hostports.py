"""The host's ports that containers have taken, each held by a socket bound to it.

So nobody else on the host can take a published port, and the kernel keeps the book: what it refuses to bind
is in use, by a container or by anybody.  The sockets are never listened on or read from, because the firewall
sends what comes for them to the containers before any socket sees it.  When the engine is away the firewall
goes on doing so; the next engine binds the ports again.

Source: bind(2), ip(7) for ip_local_port_range, ipv6(7) for IPV6_V6ONLY.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from types import MappingProxyType
from typing import Final

import attrs

from daemon.errors import Failed
from daemon.networks.plans import Address, PublishedPort
from daemon.networks.ports import PortWish

LOCAL_PORT_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
KINDS: Final[Mapping[str, tuple[socket.SocketKind, int]]] = MappingProxyType(
    {
        "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
        "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
        "sctp": (socket.SOCK_STREAM, socket.IPPROTO_SCTP),
    }
)
ANY: Final[Mapping[int, Address]] = MappingProxyType({4: IPv4Address(0), 6: IPv6Address(0)})
BUSY: Final = frozenset({errno.EADDRINUSE, errno.EACCES})


@attrs.frozen
class Held:
    """A host port that a container has; without a socket somebody else has it as well."""

    published: PublishedPort
    socket: socket.socket | None

    def stands_in_the_way_of(self, protocol: str, address: Address, port: int) -> bool:
        """Tell whether this is why another socket cannot be bound."""
        mine = self.published
        same = (mine.protocol, mine.host_port, mine.host_address.version) == (protocol, port, address.version)
        return same and (
            mine.host_address == address or mine.host_address.is_unspecified or address.is_unspecified
        )


class InUse(Failed):
    """A port cannot be published; `holder` is the container that has it, "" if somebody else."""

    def __init__(self, text: str, holder: str) -> None:
        super().__init__(text)
        self.holder = holder


def _local_ports() -> range:
    first, last = LOCAL_PORT_RANGE.read_text().split()
    return range(int(first), int(last) + 1)


@attrs.define(eq=False)
class HostPorts:
    """The ports that are held, by container id; `choice` returns those from which free ones are taken."""

    choice: Callable[[], range] = _local_ports
    _held: dict[str, tuple[Held, ...]] = attrs.field(factory=dict, init=False)
    _next: int = attrs.field(default=0, init=False)

    def claim(
        self, holder: str, wishes: Sequence[PortWish], addresses: Sequence[Address]
    ) -> tuple[PublishedPort, ...]:
        """Take ports for all `wishes`, or none; what `holder` had before is given back.

        A port that we choose stays the same, if it can: clients have been told of it.

        Args:
            holder: the container's id.
            wishes: what is to be published.
            addresses: the container's own, at most one of each family.

        Raises:
            InUse: one is in use; the text is dockerd's.
            Failed: the address is not the host's or of a version that the container lacks, or the kernel
                lacks the protocol.

        """
        before = self.of(holder)
        self.release(holder)
        with ExitStack() as sockets:
            held: list[Held] = []
            for wish in wishes:
                own = (wish.port.number, wish.port.protocol)
                former = [one.host_port for one in before if (one.port, one.protocol) == own]
                held += self._take(wish, addresses, former, sockets)
            sockets.pop_all()
        self._held[holder] = tuple(held)
        return tuple(one.published for one in held)

    def hold(self, holder: str, published: Iterable[PublishedPort]) -> list[str]:
        """Take exactly these ports again, for an engine that starts; return what others have taken since.

        The container has these, too: the firewall, which comes first, sends on what comes for them.
        """
        self.release(holder)
        held: list[Held] = []
        problems: list[str] = []
        for port in published:
            try:
                bound = self._bind(port.protocol, port.host_address, port.host_port)
            except Failed as error:
                bound = None
                problems.append(str(error))
            held.append(Held(port, bound))
        self._held[holder] = tuple(held)
        return problems

    def of(self, holder: str) -> tuple[PublishedPort, ...]:
        """Return what a container has."""
        return tuple(one.published for one in self._held.get(holder, ()))

    def release(self, holder: str) -> None:
        """Give back what a container has."""
        for one in self._held.pop(holder, ()):
            _close(one)

    def close(self) -> None:
        """Give everything back."""
        for holder in list(self._held):
            self.release(holder)

    def _take(
        self, wish: PortWish, addresses: Sequence[Address], former: Sequence[int], sockets: ExitStack
    ) -> list[Held]:
        """Take the same port for each family that the container and the wish have, a `former` one first."""
        pairs = [
            (wish.host_address or ANY[own.version], own)
            for own in addresses
            if wish.host_address is None or wish.host_address.version == own.version
        ]
        if wish.host_address is not None and not pairs:
            raise Failed(
                f"cannot publish port {wish.port} at {wish.host_address}: the container has no "
                f"IPv{wish.host_address.version} address; give its network a subnet of that version"
            )
        refused: Failed | None = None
        for number in self._candidates(wish, former):
            try:
                taken = self._take_number(wish, number, pairs)
            except InUse as error:
                refused = error
                continue
            for one in taken:
                sockets.callback(_close, one)
            return taken
        raise refused or Failed("all ports are allocated")

    def _take_number(
        self, wish: PortWish, number: int, pairs: Sequence[tuple[Address, Address]]
    ) -> list[Held]:
        port = wish.port
        with ExitStack() as sockets:
            taken = []
            for host_address, own in pairs:
                bound = sockets.enter_context(self._bind(port.protocol, host_address, number))
                published = PublishedPort(port.protocol, host_address, number, own, port.number)
                taken.append(Held(published, bound))
            sockets.pop_all()
        return taken

    def _candidates(self, wish: PortWish, former: Sequence[int]) -> Iterator[int]:
        yield from (number for number in former if not wish.host_ports or number in wish.host_ports)
        if wish.host_ports:
            yield from wish.host_ports
            return
        choice = self.choice()
        for step in range(len(choice)):  # the next one, so that a port is not used again at once
            place = (self._next + step) % len(choice)
            self._next = place + 1
            yield choice[place]

    def _bind(self, protocol: str, address: Address, port: int) -> socket.socket:
        where = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
        self._check_free(protocol, address, port, where)
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        try:
            bound = socket.socket(family, *KINDS[protocol])
        except OSError as error:
            raise Failed(f"cannot publish {where}/{protocol}: {error.strerror}") from error
        try:
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            _bind(bound, protocol, (str(address), port))
        except OSError as error:
            bound.close()
            raise _refusal(protocol, where, error) from error
        return bound

    def _check_free(self, protocol: str, address: Address, port: int, where: str) -> None:
        for holder, ports in self._held.items():
            if any(one.stands_in_the_way_of(protocol, address, port) for one in ports):
                raise InUse(f"Bind for {where} failed: port is already allocated", holder)


def _refusal(protocol: str, where: str, error: OSError) -> Failed:
    text = f"failed to bind host port {where}/{protocol}: {(error.strerror or '').lower()}"
    return InUse(text, "") if error.errno in BUSY else Failed(text)


def _close(held: Held) -> None:
    if held.socket is not None:
        held.socket.close()


def _bind(bound: socket.socket, protocol: str, place: tuple[str, int]) -> None:
    """Bind a socket, over the remains of a server's connections, too: TIME_WAIT lasts for a minute.

    SO_REUSEADDR says so for TCP, but only for the moment: it would let others bind the port beside us.
    """
    try:
        bound.bind(place)
    except OSError as error:
        if protocol != "tcp" or error.errno != errno.EADDRINUSE:
            raise
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(place)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
