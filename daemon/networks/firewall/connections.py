"""Which tracked connections a change of ports has put in the wrong.

A connection keeps the way it was given when it began.  When a port is no longer published, what was
sent on by it would go on arriving at an address that may be another container's by now; and a client
that keeps sending datagrams to a port that is published only now would never be sent on.  Such
connections are forgotten, so that their next packet is decided anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs

from daemon.networks.firewall.elements import NUMBERS
from daemon.networks.plans import PublishedPort

UDP: Final = NUMBERS["udp"]
# Bits of a connection's status, linux/netfilter/nf_conntrack_common.h.
SOURCE_CHANGED: Final = 1 << 4
DESTINATION_CHANGED: Final = 1 << 5


@attrs.frozen
class Connection:
    """A tracked connection.

    Attributes:
        family: of its addresses, as the kernel numbers them.
        protocol: its number.
        status: bits, see above.
        asked: the address and port that its first packet was for.
        answering: the address and port that the answers come from, as sent by whoever answers.
        handle: the attributes by which the kernel finds it again, as it told them.

    """

    family: int
    protocol: int
    status: int
    asked: tuple[bytes, int]
    answering: tuple[bytes, int]
    handle: bytes


@attrs.frozen
class Stale:
    """What to forget.

    Attributes:
        targets: protocol, port of the host, address and port of the container; nothing goes on there.
        fronts: addresses of the host, or the wildcard, and ports whose datagrams are sent on now.

    """

    targets: frozenset[tuple[int, int, bytes, int]]
    fronts: frozenset[tuple[bytes, int]]

    @classmethod
    def after(cls, gone: Iterable[PublishedPort], new: Iterable[PublishedPort]) -> Stale:
        """Return what is stale once `gone` are no longer published and `new` are."""
        return cls(
            frozenset(
                (NUMBERS[port.protocol], port.host_port, port.address.packed, port.port) for port in gone
            ),
            frozenset((_front(port), port.host_port) for port in new if port.protocol == "udp"),
        )

    def has(self, connection: Connection) -> bool:
        """Whether `connection` is stale."""
        if connection.status & DESTINATION_CHANGED:
            return (connection.protocol, connection.asked[1], *connection.answering) in self.targets
        if connection.protocol != UDP or connection.status & SOURCE_CHANGED:
            return False
        address, port = connection.asked
        return (address, port) in self.fronts or (_any(address), port) in self.fronts


def _front(port: PublishedPort) -> bytes:
    address = port.host_address.packed
    return _any(address) if port.host_address.is_unspecified else address


def _any(address: bytes) -> bytes:
    """Return the wildcard of the family that `address` is of."""
    return bytes(len(address))
