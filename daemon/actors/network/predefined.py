"""The networks that are always there: `host`, `none` and, unless the settings say "none", `bridge`.

They are in the journal so that their ids stay the same; what they are follows from the settings at each
start.  A subnet that the engine chose for `bridge` is kept as long as nothing else on the host uses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_interface, ip_network
from typing import Final

import attrs

from daemon.networks import options
from daemon.networks.addresses import DEFAULT_GATEWAYS, Pool
from daemon.networks.plans import Address
from daemon.networks.records import EVERYWHERE, NetworkRecord
from daemon.networks.subnets import make_pool
from daemon.settings import Settings

NO_BRIDGE: Final = "none"
DRIVERS: Final[Mapping[str, str]] = {"bridge": "bridge", "host": "host", "none": "null"}


def names(settings: Settings) -> Sequence[str]:
    """Return which of them there are."""
    return [name for name in DRIVERS if name != "bridge" or settings.bridge != NO_BRIDGE]


def defined(record: NetworkRecord, settings: Settings, owner: str) -> NetworkRecord:
    """Return a predefined network as the settings want it; subnets that they leave open are kept.

    Raises:
        Forbidden: a gateway in the settings is no address that a host may have.

    """
    if not record.is_bridge:
        return record
    pools = configured_pools(settings)
    versions = {4, 6} if settings.ipv6 else {4}
    left = versions - {pool.version for pool in pools}
    kept = [pool for pool in record.pools if not pool.configured and pool.version in left]
    return attrs.evolve(
        record,
        link=settings.bridge,
        owner=owner,
        pools=(*pools, *kept),
        enable_ipv6=settings.ipv6,
        options=_options(settings),
    )


def configured_pools(settings: Settings) -> tuple[Pool, ...]:
    """Return the subnets that the settings give the bridge.

    Raises:
        Forbidden: a gateway is no address that a host may have.

    """
    found = []
    if settings.bip or settings.fixed_cidr:
        found.append(_pool4(settings))
    if settings.ipv6 and settings.fixed_cidr_v6:
        auxiliary = _router(6, settings.default_gateway_v6)
        subnet = ip_network(settings.fixed_cidr_v6, strict=False)
        found.append(make_pool(subnet, None, None, auxiliary, configured=True))
    return tuple(found)


def _pool4(settings: Settings) -> Pool:
    auxiliary = _router(4, settings.default_gateway)
    fixed = ip_network(settings.fixed_cidr, strict=False) if settings.fixed_cidr else None
    if settings.bip:
        bip = ip_interface(settings.bip)
        return make_pool(bip.network, bip.ip, fixed, auxiliary, configured=True)
    assert fixed is not None  # or else the settings say nothing
    return make_pool(fixed, None, None, auxiliary, configured=True)


def _router(version: int, address: str) -> Mapping[str, Address]:
    return {DEFAULT_GATEWAYS[version]: ip_address(address)} if address else {}


def _options(settings: Settings) -> Mapping[str, str]:
    said = {
        options.DEFAULT_BRIDGE: "true",
        options.ICC: str(settings.icc).lower(),
        options.MASQUERADE: str(settings.ip_masq).lower(),
        options.HOST_BINDING: settings.ip or str(EVERYWHERE),
        options.BRIDGE_NAME: settings.bridge,
    }
    return {**said, **({options.MTU: str(settings.mtu)} if settings.mtu else {})}
