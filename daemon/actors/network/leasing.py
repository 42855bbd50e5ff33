"""Gives places in one network and takes them back: which addresses, which hardware address.

For the network's actor alone.  What has failed has changed nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import Final

import attrs

from daemon.actors.network.messages import Join
from daemon.actors.network.wishes import Wish, understood
from daemon.errors import Failed, Forbidden
from daemon.networks.addresses import Allotment, Exhausted, Pool, mac_of
from daemon.networks.plans import Address
from daemon.networks.records import LINKLESS, Endpoint, Lease, NetworkRecord

ENDPOINT_ID_BYTES: Final = 32
NO_MAC: Final = LINKLESS | {"ipvlan"}  # no link, or one that shares its parent's


@attrs.define(eq=False)
class Leasing:
    """The addresses of a network."""

    record: NetworkRecord
    _allotments: list[Allotment] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._allotments = [Allotment(pool) for pool in self.record.pools]

    def keep(self, endpoints: Iterable[Endpoint]) -> None:
        """Note the places that containers have already."""
        for endpoint in endpoints:
            for interface in endpoint.lease.interfaces:
                for allotment in self._allotments:
                    if interface.ip in allotment.pool.subnet:
                        allotment.keep(interface.ip)

    def give(self, join: Join) -> Lease:
        """Give a new place.

        Raises:
            InvalidParameter: what is wished makes no sense.
            Forbidden: somebody has the address already.
            Failed: all addresses are given out.

        """
        wish = understood(join.wish, self.record)
        given: dict[int, tuple[Pool, Address]] = {}
        try:
            for version in sorted({pool.version for pool in self.record.pools}):
                given[version] = self._allot(version, wish)
        except (Failed, Forbidden):
            for pool, address in given.values():
                self._give_back(pool, address)
            raise
        return self._lease(wish, given)

    def take_back(self, lease: Lease) -> None:
        """Take a place back."""
        for interface in lease.interfaces:
            for allotment in self._allotments:
                if interface.ip in allotment.pool.subnet:
                    allotment.give_back(interface.ip)

    def _allot(self, version: int, wish: Wish) -> tuple[Pool, Address]:
        allotments = [one for one in self._allotments if one.pool.version == version]
        wanted = wish.addresses.get(version)
        if wanted is not None:
            return self._claim(wanted, allotments)
        for allotment in allotments:
            try:
                return allotment.pool, allotment.give()
            except Exhausted:
                continue
        raise Failed(
            f"no available IPv{version} addresses on this network's address pools: "
            f"{self.record.name} ({self.record.id})"
        )

    def _claim(self, wanted: Address, allotments: Iterable[Allotment]) -> tuple[Pool, Address]:
        allotment = next(one for one in allotments if wanted in one.pool.subnet)  # `understood` has looked
        if allotment.holds(wanted):
            raise Forbidden("Address already in use")
        allotment.take(wanted)
        return allotment.pool, wanted

    def _give_back(self, pool: Pool, address: Address) -> None:
        next(one for one in self._allotments if one.pool is pool).give_back(address)

    def _lease(self, wish: Wish, given: dict[int, tuple[Pool, Address]]) -> Lease:
        lease = Lease(
            self.record.id,
            self.record.name,
            self.record.driver,
            secrets.token_hex(ENDPOINT_ID_BYTES),
            interface_name=wish.interface_name,
            sysctls=wish.sysctls,
        )
        if self.record.driver not in NO_MAC:
            lease = attrs.evolve(lease, mac=wish.mac or mac_of(given[4][1] if 4 in given else None))
        for pool, address in given.values():
            lease = self._with_address(lease, pool, address)
        return lease

    def _with_address(self, lease: Lease, pool: Pool, address: Address) -> Lease:
        interface, gateway = pool.on_link(address), None if self.record.internal else pool.router
        if isinstance(interface, IPv4Interface):
            assert gateway is None or isinstance(gateway, IPv4Address)
            return attrs.evolve(lease, address4=interface, gateway4=gateway)
        assert isinstance(interface, IPv6Interface)
        assert gateway is None or isinstance(gateway, IPv6Address)
        return attrs.evolve(lease, address6=interface, gateway6=gateway)
