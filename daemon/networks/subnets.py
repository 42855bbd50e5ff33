"""The subnets that a client asks for: what is wrong with them, and the pools they become.

The texts are dockerd's (`moby:api/types/network/ipam.go`); all problems are told at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Final

from daemon.errors import Forbidden, InvalidParameter
from daemon.networks.addresses import Exhausted, Pool, assignable, first_free
from daemon.networks.asked import PoolAsked
from daemon.networks.plans import Address, Subnet

CIDR: Final = re.compile(r"[0-9a-fA-F:.]+/[0-9]{1,3}")
LEAST_HOSTS: Final = 2  # a gateway and a container
NO_NOTATION: Final = "invalid CIDR block notation"


def check(asked: Sequence[PoolAsked], enabled: Mapping[int, bool]) -> None:
    """Accept the subnets; `enabled` says which versions of IP the network has.

    Raises:
        InvalidParameter: with a line for each problem.

    """
    problems = [problem for pool in asked for problem in _problems(pool, enabled)]
    if problems:
        raise InvalidParameter("\n".join(("invalid network config:", *problems)))


def pool_of(asked: PoolAsked) -> Pool:
    """Return the pool that a checked subnet becomes; a gateway that nobody chose is its first free address.

    Raises:
        Forbidden: two of its addresses are the same, or one is none that a host may have.

    """
    subnet = ip_network(asked.subnet)
    ip_range = ip_network(asked.ip_range) if asked.ip_range else None
    auxiliary = {name: ip_address(text) for name, text in (asked.auxiliary_addresses or {}).items()}
    gateway = ip_address(asked.gateway) if asked.gateway else None
    return make_pool(subnet, gateway, ip_range, auxiliary, configured=True)


def make_pool(
    subnet: Subnet,
    gateway: Address | None = None,
    ip_range: Subnet | None = None,
    auxiliary: Mapping[str, Address] | None = None,
    *,
    configured: bool = False,
) -> Pool:
    """Return a pool with its gateway.

    Raises:
        Forbidden: two of its addresses are the same, or one is none that a host may have.

    """
    others = auxiliary or {}
    for name, address in others.items():
        what = f"failed to allocate secondary ip address ({name}:{address})"
        _check_free(what, subnet, address, [one for other, one in others.items() if other < name])
    if gateway is None:
        try:
            gateway = first_free(subnet, ip_range, others.values())
        except Exhausted:
            raise Forbidden(f"failed to allocate gateway: none is left in {ip_range or subnet}") from None
    else:
        _check_free(f"failed to allocate gateway ({gateway})", subnet, gateway, others.values())
    return Pool(subnet, gateway, ip_range, others, configured)


def _check_free(what: str, subnet: Subnet, address: Address, taken: Iterable[Address]) -> None:
    first, last = assignable(subnet)
    if address in taken or not first <= int(address) <= last:
        raise Forbidden(f"{what}: Address already in use")


def _problems(asked: PoolAsked, enabled: Mapping[int, bool]) -> Iterator[str]:
    subnet = _network(asked.subnet)
    if subnet is None:
        yield f"invalid subnet {asked.subnet}: {NO_NOTATION}"
        return
    yield from (f"invalid subnet {asked.subnet}: {problem}" for problem in _of_subnet(asked, subnet, enabled))
    if asked.ip_range:
        yield from (
            f"invalid ip-range {asked.ip_range}: {text}" for text in _of_range(asked.ip_range, subnet)
        )
    if asked.gateway:
        yield from (f"invalid gateway {asked.gateway}: {text}" for text in _of_address(asked.gateway, subnet))
    for name, address in (asked.auxiliary_addresses or {}).items():
        yield from (f"invalid auxiliary address {name}: {text}" for text in _of_address(address, subnet))


def _of_subnet(asked: PoolAsked, subnet: Subnet, enabled: Mapping[int, bool]) -> Iterator[str]:
    first, last = assignable(subnet)
    if not enabled[subnet.version]:
        yield f"IPv{subnet.version} is not enabled in this network"
    if _has_host_bits(asked.subnet, subnet):
        yield f"it should be {subnet}"
    elif last - first + 1 < LEAST_HOSTS:
        yield "it is too small for a gateway and a container"
    elif subnet.is_loopback or subnet.is_multicast or not subnet.prefixlen:
        yield "its addresses are none that a link can have"


def _of_range(text: str, subnet: Subnet) -> Iterator[str]:
    ip_range = _network(text)
    if ip_range is None:
        yield NO_NOTATION
    elif ip_range.version != subnet.version:
        yield f"parent subnet is an IPv{subnet.version} block"
    elif ip_range.prefixlen < subnet.prefixlen:
        yield f"CIDR block is bigger than its parent subnet {subnet}"
    elif _has_host_bits(text, ip_range):
        yield f"it should be {ip_range}"
    elif ip_range[0] not in subnet:
        yield f"parent subnet {subnet} doesn't contain ip-range"


def _of_address(text: str, subnet: Subnet) -> Iterator[str]:
    try:
        address = ip_address(text)
    except ValueError:
        yield "invalid address"
        return
    if address.version != subnet.version:
        yield f"parent subnet is an IPv{subnet.version} block"
    elif "%" in text or address not in subnet:
        yield f"parent subnet {subnet} doesn't contain this address"


def _network(text: str) -> Subnet | None:
    try:
        return ip_network(text, strict=False) if CIDR.fullmatch(text) else None
    except ValueError:
        return None


def _has_host_bits(text: str, network: Subnet) -> bool:
    return ip_address(text.partition("/")[0]) != network[0]
