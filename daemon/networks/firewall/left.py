"""What a table publishes that an engine before this one has left.

It is read before the table is replaced: what is no longer published has connections to be forgotten.

Source: libnftables-json(5).
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any, Final

import orjson

from daemon.networks.firewall.elements import AT_ADDRESS, EVERYWHERE, NUMBERS
from daemon.networks.plans import PublishedPort

_WILDCARDS: Final = {EVERYWHERE[4]: "0.0.0.0", EVERYWHERE[6]: "::"}  # noqa: S104  # what a port may be published at
_PROTOCOLS: Final = {number: name for name, number in NUMBERS.items()}


def published(listing: bytes) -> frozenset[PublishedPort]:
    """Return the ports of a table as nft lists it."""
    maps = (one["map"] for one in orjson.loads(listing)["nftables"] if "map" in one)
    return frozenset(port for one in maps for port in _ports(one["name"], one.get("elem", ())))


def _ports(place: str, elements: list[Any]) -> Iterator[PublishedPort]:
    if place not in {*EVERYWHERE.values(), *AT_ADDRESS.values()}:
        return
    for key, target in elements:
        *front, protocol, host_port = key["concat"]
        address, port = target["concat"]
        (host_address,) = front or (_WILDCARDS[place],)
        name = _PROTOCOLS.get(protocol, protocol)  # it is a name where /etc/protocols has one
        yield PublishedPort(name, ip_address(host_address), host_port, ip_address(address), port)
