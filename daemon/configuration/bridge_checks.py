"""What daemon.json may say of the default bridge, as far as several keys have to fit together.

Whatever passes here makes a network (`daemon.actors.network.predefined`), so that the engine does not
find out at its start what a check of the file could have said.  A text that is no address has been
named already, and is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_interface,
)
from typing import Final, TypeVar

from daemon.configuration.network_checks import network_of
from daemon.settings import Settings

T = TypeVar("T")
Subnet = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

BRIDGE_KEYS: Final = (
    *("bip", "fixed-cidr", "default-gateway", "ip"),
    *("ipv6", "fixed-cidr-v6", "default-gateway-v6"),
)
DRIVERS: Final = frozenset({"bridge", "macvlan", "ipvlan"})
LONGEST_PREFIX: Final[Mapping[int, int]] = {4: 30, 6: 126}  # room for a gateway and a container


def check_network_options(options: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Name the drivers that there are not."""
    for driver in options.keys() - DRIVERS:
        yield f".{driver}: there is no such network driver"


def check_bridge(settings: Settings) -> Iterator[str]:
    """Name what does not fit together."""
    subnets = {
        key: subnet
        for key, text in (
            ("bip", settings.bip),
            ("fixed-cidr", settings.fixed_cidr),
            ("fixed-cidr-v6", settings.fixed_cidr_v6),
        )
        if (subnet := network_of(text)) is not None
    }
    problems = [problem for key, subnet in subnets.items() for problem in _of_subnet(key, subnet)]
    yield from problems
    if not problems:
        yield from _check_v4(settings, subnets.get("bip"), subnets.get("fixed-cidr"))
        yield from _check_v6(settings, subnets.get("fixed-cidr-v6"))
    address = _read(ip_address, settings.ip)
    if address is not None and address.version == 6:
        yield f"ip: {address} is not an IPv4 address"


def _of_subnet(key: str, subnet: Subnet) -> Iterator[str]:
    version = 6 if key == "fixed-cidr-v6" else 4
    if subnet.version != version:
        yield f"{key}: {subnet} is not an IPv{version} network"
    elif subnet.prefixlen > LONGEST_PREFIX[version]:
        yield f"{key}: {subnet} is too small for a gateway and a container"


def _check_v4(settings: Settings, whole: Subnet | None, fixed: Subnet | None) -> Iterator[str]:
    own = _read(ip_interface, settings.bip) if whole else None
    if own is not None and whole is not None and own.ip in {whole[0], whole[-1]}:
        yield f"bip: {own.ip} is no address of a host"
    if whole is not None and fixed is not None and not _is_within(fixed, whole):
        yield f"fixed-cidr: {fixed} is not within {whole}, the network of bip"
    yield from _check_router("default-gateway", settings.default_gateway, whole or fixed, own and own.ip)


def _check_v6(settings: Settings, subnet: Subnet | None) -> Iterator[str]:
    if subnet is not None and not settings.ipv6:
        yield "fixed-cidr-v6: needs ipv6"
    yield from _check_router("default-gateway-v6", settings.default_gateway_v6, subnet, None)


def _check_router(key: str, text: str, subnet: Subnet | None, own: Address | None) -> Iterator[str]:
    router = _read(ip_address, text)
    if router is None:
        return
    if subnet is None:
        needed = "fixed-cidr-v6" if key.endswith("v6") else "bip or fixed-cidr"
        yield f"{key}: needs {needed}, to say whose gateway it is"
    elif router not in subnet or router in {subnet[0], subnet[-1]}:
        yield f"{key}: {router} is no address of a host in {subnet}"
    elif router == own:
        yield f"{key}: {router} is the bridge's own address: leave it out"


def _is_within(inner: Subnet, outer: Subnet) -> bool:
    return inner.prefixlen >= outer.prefixlen and inner[0] in outer


def _read(read: Callable[[str], T], text: str) -> T | None:
    try:
        return read(text) if text else None
    except ValueError:
        return None
