"""How networks look to Docker's clients; what was written once of a snapshot is kept with it.

Source: api-contract sections 3.17 and 3.18, and `Network` in the Engine API schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from daemon import wire
from daemon.actors.network.snapshot import NetworkSnapshot
from daemon.api.timestamps import rfc3339
from daemon.api.versions import ApiVersion
from daemon.networks.addresses import Pool
from daemon.networks.records import Endpoint, NetworkRecord

SCOPE: Final = "local"
DETAILED_LIST_BEFORE: Final = (1, 28)
SHOWS_IPV4_SINCE: Final = (1, 48)


def list_item(snapshot: NetworkSnapshot, version: ApiVersion) -> bytes:
    """Return a network as a row of the list; since 1.28 it does not say who is in it."""
    return _rendered(snapshot, version, with_containers=version < DETAILED_LIST_BEFORE)


def inspection(snapshot: NetworkSnapshot, version: ApiVersion) -> bytes:
    """Return all of a network."""
    return _rendered(snapshot, version, with_containers=True)


def _rendered(snapshot: NetworkSnapshot, version: ApiVersion, *, with_containers: bool) -> bytes:
    shows_ipv4 = version >= SHOWS_IPV4_SINCE
    key = (shows_ipv4, with_containers)
    kept: bytes | None = snapshot.renderings.get(key)
    if kept is None:
        endpoints = snapshot.endpoints if with_containers else {}
        document = _document(snapshot.record, endpoints)
        if not shows_ipv4:
            del document["EnableIPv4"]
        kept = snapshot.renderings[key] = wire.render(document)
    return kept


def _document(record: NetworkRecord, endpoints: Mapping[str, Endpoint]) -> dict[str, Any]:
    return {
        "Name": record.name,
        "Id": record.id,
        "Created": rfc3339(record.created_ns),
        "Scope": SCOPE,
        "Driver": record.driver,
        "EnableIPv4": record.enable_ipv4,
        "EnableIPv6": record.enable_ipv6,
        "IPAM": {
            "Driver": record.ipam_driver,
            "Options": record.ipam_options,
            "Config": [_pool(pool) for pool in record.pools],
        },
        "Internal": record.internal,
        "Attachable": record.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {container_id: _member(endpoint) for container_id, endpoint in endpoints.items()},
        "Options": record.options,
        "Labels": record.labels,
    }


def _pool(pool: Pool) -> dict[str, Any]:
    shown: dict[str, Any] = {"Subnet": str(pool.subnet)}
    if pool.ip_range is not None:
        shown["IPRange"] = str(pool.ip_range)
    shown["Gateway"] = str(pool.gateway)
    if pool.auxiliary:
        shown["AuxiliaryAddresses"] = {name: str(address) for name, address in pool.auxiliary.items()}
    return shown


def _member(endpoint: Endpoint) -> dict[str, Any]:
    lease = endpoint.lease
    return {
        "Name": endpoint.container_name,
        "EndpointID": lease.endpoint_id,
        "MacAddress": lease.mac,
        "IPv4Address": str(lease.address4 or ""),
        "IPv6Address": str(lease.address6 or ""),
    }
