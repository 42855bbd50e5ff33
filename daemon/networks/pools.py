"""Where a network gets its subnets from when nobody says: the lowest that nobody else has.

Source of the defaults: dockerd(8), `default-address-pools`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from ipaddress import IPv6Network, ip_network
from typing import Final

from daemon.networks.plans import Subnet
from daemon.settings import AddressPool

DEFAULTS: Final = (
    *(AddressPool(f"172.{second}.0.0/16", 16) for second in range(17, 32)),
    AddressPool("192.168.0.0/16", 20),
)
ULA: Final = 0xFD << 120  # RFC 4193, 3.1
GLOBAL_ID_BYTES: Final = 5
ULA_SITE_BITS: Final = 48
ULA_SUBNET_BITS: Final = 64


def pools_of(configured: Iterable[AddressPool], engine_id: str) -> tuple[AddressPool, ...]:
    """Return the pools to cut subnets from; of a family for which none is configured, the default ones.

    The global id of the unique local addresses follows from the engine's, so that it is the same after a
    restart and another one on every host.
    """
    given = tuple(configured)
    versions = {ip_network(pool.base, strict=False).version for pool in given}
    own = hashlib.sha256(engine_id.encode()).digest()[:GLOBAL_ID_BYTES]
    site = IPv6Network((ULA | int.from_bytes(own) << (128 - ULA_SITE_BITS), ULA_SITE_BITS))
    local = (AddressPool(str(site), ULA_SUBNET_BITS),)
    return (*given, *(() if 4 in versions else DEFAULTS), *(() if 6 in versions else local))


def free_subnet(pools: Iterable[AddressPool], version: int, taken: Iterable[Subnet]) -> Subnet | None:
    """Return the lowest subnet of the first pool of a version of IP that overlaps nothing taken, if any."""
    spans = sorted(_span(subnet) for subnet in taken if subnet.version == version)
    for pool in pools:
        base = ip_network(pool.base, strict=False)
        if base.version == version:
            length = 1 << (base.max_prefixlen - pool.size)
            first = _lowest(_span(base), length, spans)
            if first is not None:
                return ip_network((type(base[0])(first), pool.size))
    return None


def overlaps(subnet: Subnet, others: Iterable[Subnet]) -> bool:
    """Whether `subnet` has addresses of any of `others`."""
    return any(other.version == subnet.version and other.overlaps(subnet) for other in others)


def _span(subnet: Subnet) -> tuple[int, int]:
    return int(subnet[0]), int(subnet[-1])


def _lowest(within: tuple[int, int], length: int, spans: Iterable[tuple[int, int]]) -> int | None:
    """Return the first multiple of `length` from which `length` numbers lie in no span."""
    first, last = within
    for begin, end in spans:
        if begin >= first + length:
            break
        if end >= first:
            first = -(-(end + 1) // length) * length
    return first if first + length - 1 <= last else None
