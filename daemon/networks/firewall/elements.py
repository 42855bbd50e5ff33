"""What a bridge and a published port are in the table: elements of its sets and maps, never rules.

Each bridge is a handful of elements and each port one, so a packet is decided by the same few look-ups
however many there are, and a change is as large as what it changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

import attrs

from daemon.networks.plans import BridgeRules, PublishedPort

# Which link, and which pair of one link (what comes in by it and goes out by it).
BRIDGES: Final = "bridges"
INTERNAL: Final = "internal"
TALKING: Final = "talking"
# What addresses live behind which bridge, and which of them are hidden behind the host's.
HOME: Final[Mapping[int, str]] = {4: "home4", 6: "home6"}
HIDDEN: Final[Mapping[int, str]] = {4: "hidden4", 6: "hidden6"}
# Where a published port leads to, by protocol and port, and by address where it is published at one.
EVERYWHERE: Final[Mapping[int, str]] = {4: "everywhere4", 6: "everywhere6"}
NUMBERS: Final[Mapping[str, int]] = MappingProxyType({"tcp": 6, "udp": 17, "sctp": 132})
AT_ADDRESS: Final[Mapping[int, str]] = {4: "at_address4", 6: "at_address6"}


@attrs.frozen
class Element:
    """One element: the set or map it is in, what it is found by, and what it leads to (of a map)."""

    place: str
    key: tuple[str | int, ...]
    value: tuple[str | int, ...] = ()


def of_bridge(bridge: BridgeRules) -> Iterator[Element]:
    """Return what `bridge` is in the table."""
    link = f'"{bridge.link}"'
    yield Element(BRIDGES, (link,))
    if bridge.internal:
        yield Element(INTERNAL, (link,))
    if bridge.between_containers:
        yield Element(TALKING, (link, link))
    for subnet in bridge.subnets:
        yield Element(HOME[subnet.version], (str(subnet), link))
        if bridge.masquerade:
            yield Element(HIDDEN[subnet.version], (str(subnet),))


def of_port(port: PublishedPort) -> Element:
    """Return what `port` is in the table."""
    target = (str(port.address), port.port)
    version = port.address.version
    # By number, because nft looks names up in /etc/protocols, which a small system does not have.
    front = (NUMBERS[port.protocol], port.host_port)
    if port.host_address.is_unspecified:
        return Element(EVERYWHERE[version], front, target)
    key = (str(port.host_address), *front)
    return Element(AT_ADDRESS[version], key, target)


def of_all(bridges: Iterable[BridgeRules], ports: Iterable[PublishedPort]) -> list[Element]:
    """Return what all of them are, each element once, in a fixed order."""
    of_bridges = (element for bridge in bridges for element in of_bridge(bridge))
    return list(dict.fromkeys((*of_bridges, *map(of_port, ports))))


def rendered(element: Element) -> str:
    """Return `element` as nft reads it."""
    key = rendered_key(element)
    return f"{key} : {_joined(element.value)}" if element.value else key


def rendered_key(element: Element) -> str:
    """Return what `element` is found by, which is enough to delete it."""
    return _joined(element.key)


def _joined(parts: Iterable[str | int]) -> str:
    return " . ".join(map(str, parts))
