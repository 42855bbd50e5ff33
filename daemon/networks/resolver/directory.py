"""Who is called what in which network: the one state that answers are made of.

Kept by network, so that a question costs the same whether ten containers or a thousand are there.  Names are
compared without regard to case (RFC 4343).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TypeVar

import attrs

from daemon.networks.plans import Address, Asker, Membership

K = TypeVar("K")
V = TypeVar("V")


@attrs.define
class _Network:
    """One network's names: whose they are, and the addresses of each of those."""

    by_name: dict[str, dict[str, tuple[Address, ...]]] = attrs.field(factory=dict)
    by_address: dict[Address, dict[str, str]] = attrs.field(factory=dict)

    def add(self, owner: str, membership: Membership) -> None:
        for name in membership.names:
            self.by_name.setdefault(name.lower(), {})[owner] = membership.addresses
        for address in membership.addresses if membership.names else ():
            name = f"{membership.names[0]}.{membership.network_name}"
            self.by_address.setdefault(address, {})[owner] = name

    def remove(self, owner: str, membership: Membership) -> None:
        for name in membership.names:
            _take_out(self.by_name, name.lower(), owner)
        for address in membership.addresses:
            _take_out(self.by_address, address, owner)


@attrs.define
class Directory:
    """The names of all askers, and what each of them may know."""

    _askers: dict[str, Asker] = attrs.field(factory=dict)
    _networks: dict[str, _Network] = attrs.field(factory=dict)

    def put(self, asker: Asker) -> None:
        """Let `asker` be known, in place of what was known under its id."""
        self.drop(asker.id)
        self._askers[asker.id] = asker
        for membership in asker.memberships:
            self._networks.setdefault(membership.network, _Network()).add(asker.id, membership)

    def drop(self, asker_id: str) -> None:
        """Forget an asker, if it is known."""
        asker = self._askers.pop(asker_id, None)
        for membership in asker.memberships if asker else ():
            network = self._networks[membership.network]
            network.remove(asker_id, membership)
            if not network.by_name and not network.by_address:
                del self._networks[membership.network]

    def addresses(self, asker: Asker, name: str) -> tuple[Address, ...] | None:
        """Return the addresses, of either family, of what `asker` calls `name`, or None if nothing is.

        The first of its networks that has the name answers, as with dockerd: two containers of one name in
        two networks are two things, not one with two addresses.
        """
        for membership, called in _readings(asker, name.lower()):
            network = self._networks.get(membership.network)
            owners = network and network.by_name.get(called)
            if owners:
                return tuple(chain.from_iterable(owners.values()))
        return None

    def name_of(self, asker: Asker, address: Address) -> str | None:
        """Return the name that `address` has in one of the networks of `asker`."""
        for membership in asker.memberships:
            network = self._networks.get(membership.network)
            owners = network and network.by_address.get(address)
            if owners:
                return next(iter(owners.values()))
        return None


def _readings(asker: Asker, name: str) -> Iterator[tuple[Membership, str]]:
    """Yield what `name` may mean and where: links first, then names, then both with the network's suffix."""
    everywhere = [(membership, name) for membership in asker.memberships]
    yield from _both(everywhere)
    suffixed = [(one, f".{one.network_name.lower()}") for one in asker.memberships]
    yield from _both([(one, name.removesuffix(suffix)) for one, suffix in suffixed if name.endswith(suffix)])


def _both(called: list[tuple[Membership, str]]) -> Iterator[tuple[Membership, str]]:
    for membership, name in called:
        for alias, target in membership.links.items():
            if alias.lower() == name:
                yield membership, target.lower()
    yield from called


def _take_out(table: dict[K, dict[str, V]], key: K, owner: str) -> None:
    owners = table.get(key, {})
    owners.pop(owner, None)
    if not owners:
        table.pop(key, None)
