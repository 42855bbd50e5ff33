"""Which addresses of a network are given out: arithmetic, no I/O.

No address is ever given twice, and neither are those that cannot be an endpoint's: the network's own, the
broadcast address, the gateway's and the auxiliary ones.  Addresses go round: one that was just given back
comes again only after all the others, because neighbours' caches and clients still know whose it was.

Everything is done with integers, and nothing is as long as a subnet: an IPv6 /64 costs as much as a /28.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, ip_interface
from itertools import chain
from typing import Final

import attrs

from daemon.networks.plans import Address, Interface, Subnet

MAC_PREFIX: Final = bytes((0x02, 0x42))  # locally administered; dockerd's, so tools know a container by it
MAC_RANDOM_BYTES: Final = 4
DEFAULT_GATEWAYS: Final[Mapping[int, str]] = {4: "DefaultGatewayIPv4", 6: "DefaultGatewayIPv6"}
"""What an auxiliary address is called that is a router instead of the gateway; the names are dockerd's."""


class Exhausted(Exception):
    """Every address of a pool is given out."""


@attrs.frozen
class Pool:
    """A subnet of a network.

    Attributes:
        subnet: the whole of it.
        gateway: reserved in any case; on a bridge the host carries it.
        ip_range: the part from which addresses are given that nobody asked for; None: all of it.
        auxiliary: addresses that others use, by the names that the user knows them by.
        configured: the user has chosen the subnet, so its addresses may be asked for one by one.

    """

    subnet: Subnet
    gateway: Address
    ip_range: Subnet | None = None
    auxiliary: Mapping[str, Address] = attrs.field(factory=dict)
    configured: bool = False

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.subnet.version

    @property
    def router(self) -> Address:
        """Where containers send what is for elsewhere."""
        return self.auxiliary.get(DEFAULT_GATEWAYS[self.version], self.gateway)

    @property
    def reserved(self) -> frozenset[Address]:
        """What no endpoint may have although it could."""
        return frozenset({self.gateway, *self.auxiliary.values()})

    def on_link(self, address: Address) -> Interface:
        """Return `address` as a link carries it."""
        return ip_interface(f"{address}/{self.subnet.prefixlen}")


def assignable(subnet: Subnet, ip_range: Subnet | None = None) -> tuple[int, int]:
    """Return the first and the last address, as numbers, that hosts of `subnet` may have within `ip_range`.

    The network's own address is none of them, nor the broadcast address of IPv4; in IPv6 the network's
    own is the routers' anycast address (RFC 4291, 2.6.1).
    """
    broadcast = 1 if isinstance(subnet, IPv4Network) else 0
    first, last = int(subnet[0]) + 1, int(subnet[-1]) - broadcast
    if ip_range is not None:
        first, last = max(first, int(ip_range[0])), min(last, int(ip_range[-1]))
    return first, last


def first_free(subnet: Subnet, ip_range: Subnet | None, taken: Iterable[Address]) -> Address:
    """Return the lowest address that a host may have and nobody has: where a gateway is put.

    Raises:
        Exhausted: there is none.

    """
    first, last = assignable(subnet, ip_range)
    numbers = {int(address) for address in taken}
    while first in numbers:
        first += 1
    if first > last:
        raise Exhausted
    return type(subnet[0])(first)


@attrs.define(eq=False)
class Allotment:
    """The addresses of one pool that are given out; for the network's owner alone."""

    pool: Pool
    _first: int = attrs.field(init=False)
    _last: int = attrs.field(init=False)
    _latest: int = attrs.field(init=False)
    _taken: set[int] = attrs.field(factory=set, init=False)
    _left: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._first, self._last = assignable(self.pool.subnet, self.pool.ip_range)
        self._latest = self._first - 1
        self._left = max(0, self._last - self._first + 1)
        for address in self.pool.reserved:
            self._take(int(address))

    def give(self) -> Address:
        """Give out the next address that nobody has.

        Raises:
            Exhausted: there is none.

        """
        if not self._left:
            raise Exhausted
        after, again = range(self._latest + 1, self._last + 1), range(self._first, self._latest + 1)
        number = next(number for number in chain(after, again) if number not in self._taken)
        self._take(number)
        self._latest = number
        return self._address(number)

    def holds(self, address: Address) -> bool:
        """Whether somebody has `address`, or nobody may have it."""
        first, last = assignable(self.pool.subnet)
        return int(address) in self._taken or not first <= int(address) <= last

    def take(self, address: Address) -> None:
        """Note that somebody has `address`."""
        self._take(int(address))

    def keep(self, address: Address) -> None:
        """Note that somebody has had `address` since before; what is given next comes after it."""
        self._take(int(address))
        if self._first <= int(address) <= self._last:
            self._latest = max(self._latest, int(address))

    def give_back(self, address: Address) -> None:
        """Note that nobody has `address` any more; what is reserved stays so."""
        number = int(address)
        if number in self._taken and address not in self.pool.reserved:
            self._taken.remove(number)
            self._left += self._first <= number <= self._last

    def _take(self, number: int) -> None:
        if number not in self._taken:
            self._taken.add(number)
            self._left -= self._first <= number <= self._last

    def _address(self, number: int) -> Address:
        return type(self.pool.subnet[0])(number)


def mac_of(address: Address | None) -> str:
    """Return the hardware address of whoever has `address`: dockerd's for IPv4, else a random one."""
    own = address.packed if isinstance(address, IPv4Address) else secrets.token_bytes(MAC_RANDOM_BYTES)
    return (MAC_PREFIX + own).hex(":")
